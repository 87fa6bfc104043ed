// The life of runs that make their steps together: steps, records, rules, and the ways in which they end.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "lane_stepper.hpp"
#include "measurement.hpp"

namespace etaflow {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
// Steps between two looks at the clock and at divergence: at most so many, of so many draws, and about so many
// operations.
inline constexpr std::int64_t chunk_steps = 256, chunk_draws = 1024;
inline constexpr double chunk_flops = 1e9;

template <class T>
std::int64_t steps_of_chunk(const DescentPlan<T>& plan, std::size_t runs) {
    const std::int64_t samples = plan.batch > 0 ? plan.batch : plan.objective->size();
    const double step = plan.objective->gradient_flops(samples) * static_cast<double>(runs);
    const std::int64_t most =
        std::clamp<std::int64_t>(chunk_draws / std::max<std::int64_t>(plan.batch, 1), 1, chunk_steps);
    return static_cast<std::int64_t>(std::clamp(chunk_flops / step, 1.0, static_cast<double>(most)));
}

inline bool about_the_next_step(Quantity q) { return q == Quantity::batch_loss || q == Quantity::update_norm; }

// Runs that make their steps together: all at the same step when it begins.
template <class T>
class Unit {
  public:
    Unit(const DescentPlan<T>& plan, const DescentState<T>& state, const LaneSetting<T>* lanes_setting,
         const std::vector<std::int64_t>& runs, std::int64_t until, int threads, Control& control,
         std::atomic<std::int64_t>& progress)
        : plan_(plan),
          state_(state),
          runs_(runs),
          until_(until),
          threads_(threads),
          control_(control),
          patient_(&control),
          progress_(progress),
          step_(state.step[runs.front()]),
          chunk_(steps_of_chunk(plan, runs.size())),
          alive_(runs.size(), true),
          memories_(runs.size()) {
        if (lanes_setting && runs.size() == 1 && is_plain_sgd(plan) && !plan.reference)
            stepper_ = std::make_unique<ChainStepper<T>>(plan, runs.front(), threads, patient_);
        else if (lanes_setting)
            stepper_ = std::make_unique<LaneStepper<T>>(plan, *lanes_setting, runs, threads, patient_);
        else
            stepper_ = std::make_unique<PanelStepper<T>>(plan, runs.front(), threads, patient_);
        for (std::size_t lane = 0; lane < runs.size(); ++lane)
            stepper_->load(static_cast<int>(lane), state, runs[lane]);
        scales_.resize(static_cast<std::size_t>(stepper_->width()));
        alphas_.resize(static_cast<std::size_t>(chunk_) * scales_.size());
        if (plan.reference) distances_.resize(alphas_.size());
        for (const Record& record : plan.records) {
            const std::int64_t* first =
                std::lower_bound(record.steps, record.steps + record.count, step_ + (step_ > 0));
            cursors_.push_back(first - record.steps);
            track_time_ = track_time_ || record.quantity == Quantity::time;
        }
        wants_gradient_ = wants(Quantity::grad_norm2);
    }

    void run() {
        try {
            if (plan_.reference && step_ == 0)
                for_alive(
                    [&](std::size_t lane, std::int64_t run) { state_.sup[run] = distance_now(measure(lane).theta()); });
            write_records();  // of step 0
            while (step_ < until_ && any_alive() && !control_.stopped()) {
                make_steps();
                control_.poll();
            }
        } catch (const Interrupted&) {}
        for (std::size_t lane = 0; lane < runs_.size(); ++lane)
            if (alive_[lane]) finish(lane, RunStatus::running);
    }

  private:
    bool any_alive() const { return std::find(alive_.begin(), alive_.end(), true) != alive_.end(); }

    // The steps to the next event, with all that is looked at before and after them, or none of it.
    void make_steps() {
        remember();
        try {
            look_before_step();
            if (!any_alive()) return;
            prepare_next_records();
            advance(next_event() - step_);
            write_records();
        } catch (const Interrupted&) {
            go_back();
            throw;
        }
    }

    // What a run knows of its past.
    struct Memory {
        double scale, time, sup;
        std::vector<RuleMemory> rules;
        std::vector<double> sums;
    };
    static constexpr auto copy_row = [](const auto* table, std::size_t width, std::int64_t run, auto& to) {
        const auto* const row = table + run * static_cast<std::int64_t>(width);
        to.assign(row, row + width);
    };

    void remember() {
        start_ = step_;
        stepper_->save(start_state_);
        for_alive([&](std::size_t lane, std::int64_t run) {
            Memory& memory = memories_[lane];
            memory.scale = state_.scale[run];
            memory.time = state_.time[run];
            memory.sup = state_.sup[run];
            copy_row(state_.rules, plan_.rules.size(), run, memory.rules);
            copy_row(state_.sums, plan_.means.size(), run, memory.sums);
        });
    }
    void go_back() {
        stepper_->restore(start_state_);
        for_alive([&](std::size_t lane, std::int64_t run) {
            const Memory& memory = memories_[lane];
            state_.scale[run] = memory.scale;
            state_.time[run] = memory.time;
            state_.sup[run] = memory.sup;
            const auto size = [](const auto& v) { return static_cast<std::int64_t>(v.size()); };
            std::copy(memory.rules.begin(), memory.rules.end(), state_.rules + run * size(memory.rules));
            std::copy(memory.sums.begin(), memory.sums.end(), state_.sums + run * size(memory.sums));
            for (std::size_t r = 0; r < plan_.records.size(); ++r) forget_record(r, run);
        });
        progress_.fetch_sub((step_ - start_) * static_cast<std::int64_t>(runs_.size()), std::memory_order_relaxed);
        step_ = start_;
    }
    // What was written for a step that then was not made.
    void forget_record(std::size_t r, std::int64_t run) const {
        if (next_record(r) == never) return;
        if (plan_.records[r].quantity == Quantity::theta)
            std::fill_n(theta_slot(r, run), parameters(), std::numeric_limits<T>::quiet_NaN());
        else
            *scalar_slot(r, run) = std::numeric_limits<double>::quiet_NaN();
    }

    bool wants(Quantity q) const { return std::find(plan_.means.begin(), plan_.means.end(), q) != plan_.means.end(); }

    template <class F>
    void for_alive(F f) {
        for (std::size_t lane = 0; lane < runs_.size(); ++lane)
            if (alive_[lane]) f(lane, runs_[lane]);
    }

    Measurement<T> measure(std::size_t lane) {
        return {plan_, *stepper_, static_cast<int>(lane), step_, threads_, patient_};
    }

    void finish(std::size_t lane, RunStatus status) {
        stepper_->store(static_cast<int>(lane), state_, runs_[lane]);
        end(lane, status, step_);
    }
    void end(std::size_t lane, RunStatus status, std::int64_t step) {
        state_.step[runs_[lane]] = step;
        state_.status[runs_[lane]] = static_cast<std::int8_t>(status);
        alive_[lane] = false;
    }

    // Means and rules, which see theta_k before step k.
    void look_before_step() {
        const bool rule_due =
            std::any_of(plan_.rules.begin(), plan_.rules.end(), [&](const Rule& rule) { return rule.due(step_); });
        if (plan_.means.empty() && !rule_due) return;
        for_alive([&](std::size_t lane, std::int64_t run) {
            Measurement<T> at = measure(lane);
            if (wants_gradient_) at.want_gradient();
            for (std::size_t i = 0; i < plan_.means.size(); ++i)
                state_.sums[run * static_cast<std::int64_t>(plan_.means.size()) + static_cast<std::int64_t>(i)] +=
                    at(plan_.means[i]);
            for (std::size_t i = 0; i < plan_.rules.size(); ++i) apply(i, lane, run, at);
        });
    }

    void apply(std::size_t i, std::size_t lane, std::int64_t run, Measurement<T>& at) {
        const Rule& rule = plan_.rules[i];
        if (!alive_[lane] || !rule.due(step_)) return;
        RuleMemory& memory =
            state_.rules[run * static_cast<std::int64_t>(plan_.rules.size()) + static_cast<std::int64_t>(i)];
        switch (apply_rule(rule, at(rule.monitor), memory)) {
            case RuleVerdict::go_on:
                break;
            case RuleVerdict::shrink:
                state_.scale[run] *= rule.factor;
                break;
            case RuleVerdict::stop:
                finish(lane, RunStatus::stopped);
                break;
        }
    }

    std::int64_t next_event() const {
        std::int64_t next = std::min(until_, step_ + chunk_);
        if (!plan_.means.empty()) next = step_ + 1;
        for (const Rule& rule : plan_.rules) next = std::min(next, rule.next_due(step_));
        for (std::size_t r = 0; r < plan_.records.size(); ++r) {
            const std::int64_t due = next_record(r);
            if (due == never) continue;
            const bool before = about_the_next_step(plan_.records[r].quantity) && due > step_ + 1;
            next = std::min(next, before ? due - 1 : due);
        }
        return next;
    }
    std::int64_t next_record(std::size_t r) const {
        return cursors_[r] < plan_.records[r].count ? plan_.records[r].steps[cursors_[r]] : never;
    }

    double* scalar_slot(std::size_t r, std::int64_t run) const {
        return static_cast<double*>(plan_.records[r].out) + run * plan_.records[r].count + cursors_[r];
    }

    T* theta_slot(std::size_t r, std::int64_t run) const {
        const Record& record = plan_.records[r];
        return static_cast<T*>(record.out) + static_cast<std::size_t>(run * record.count + cursors_[r]) * parameters();
    }

    // What must be known of theta before the step whose record is due after it.
    void prepare_next_records() {
        for (std::size_t r = 0; r < plan_.records.size(); ++r) {
            const Quantity q = plan_.records[r].quantity;
            if (!about_the_next_step(q) || next_record(r) != step_ + 1) continue;
            if (q == Quantity::update_norm) before_.resize(runs_.size() * parameters());
            for_alive([&](std::size_t lane, std::int64_t run) {
                if (q == Quantity::batch_loss)
                    *scalar_slot(r, run) = measure(lane)(q);
                else
                    stepper_->theta(static_cast<int>(lane), before_.data() + lane * parameters());
            });
        }
    }

    std::size_t parameters() const { return static_cast<std::size_t>(plan_.objective->num_params()); }

    void write_records() {
        bool due = false;
        for (std::size_t r = 0; r < plan_.records.size(); ++r) due = due || next_record(r) == step_;
        if (!due) return;
        for_alive([&](std::size_t lane, std::int64_t run) {
            Measurement<T> at = measure(lane);
            for (std::size_t r = 0; r < plan_.records.size(); ++r)
                if (plan_.records[r].quantity == Quantity::grad_norm2 && next_record(r) == step_) at.want_gradient();
            for (std::size_t r = 0; r < plan_.records.size(); ++r)
                if (next_record(r) == step_) write_record(r, lane, run, at);
        });
        for (std::size_t r = 0; r < plan_.records.size(); ++r) cursors_[r] += next_record(r) == step_;
    }

    void write_record(std::size_t r, std::size_t lane, std::int64_t run, Measurement<T>& at) {
        const Record& record = plan_.records[r];
        switch (record.quantity) {
            case Quantity::theta:
                std::copy_n(at.theta(), parameters(), theta_slot(r, run));
                break;
            case Quantity::time:
                *scalar_slot(r, run) = state_.time[run];
                break;
            case Quantity::distance:
                *scalar_slot(r, run) = distance_now(at.theta());
                break;
            case Quantity::sup_distance:
                *scalar_slot(r, run) = state_.sup[run];
                break;
            case Quantity::batch_loss:
                break;  // written before the step
            case Quantity::update_norm:
                if (step_ > 0)
                    *scalar_slot(r, run) = std::sqrt(squared_distance(at.theta(), before_.data() + lane * parameters(),
                                                                      plan_.objective->num_params()));
                break;
            default:
                *scalar_slot(r, run) = at(record.quantity);
        }
    }

    double distance_now(const T* theta) const {
        const std::int64_t d = plan_.objective->num_params();
        return std::sqrt(squared_distance(theta, plan_.reference + plan_.reference_row(step_) * d, d));
    }

    void advance(std::int64_t count) {
        set_alphas(count);
        count = stepper_->advance(step_, count, alphas_.data(), distances_.data());
        if (count == 0) throw Interrupted();
        if (any_diverged(stepper_->diverged()) || any_left(count)) find_ends(count);
        for_alive([&](std::size_t lane, std::int64_t run) {
            add_time(run, count);
            note_distances(lane, run, count);
        });
        progress_.fetch_add(count * static_cast<std::int64_t>(runs_.size()), std::memory_order_relaxed);
        step_ += count;
    }

    void set_alphas(std::int64_t count) {
        const std::size_t width = scales_.size();
        for (std::size_t lane = 0; lane < width; ++lane)
            scales_[lane] = state_.scale[runs_[lane < runs_.size() ? lane : 0]];
        T* out = alphas_.data();
        for (std::int64_t s = 0; s < count; ++s, out += width) {
            const double alpha = plan_.step_size(step_ + s + 1);
            for (std::size_t lane = 0; lane < width; ++lane) out[lane] = static_cast<T>(alpha * scales_[lane]);
        }
    }

    void add_time(std::int64_t run, std::int64_t count) {
        if (!track_time_) return;
        for (std::int64_t s = 1; s <= count; ++s) state_.time[run] += plan_.step_size(step_ + s) * state_.scale[run];
    }

    bool any_diverged(std::uint64_t lanes) const {
        for (std::size_t lane = 0; lane < runs_.size(); ++lane)
            if (alive_[lane] && (lanes >> lane & 1)) return true;
        return false;
    }

    double squared_distance_after(std::size_t lane, std::int64_t s) const {
        return static_cast<double>(distances_[static_cast<std::size_t>(s * stepper_->width()) + lane]);
    }
    bool has_left(std::size_t lane, std::int64_t s) const {
        return plan_.reference && squared_distance_after(lane, s) > plan_.leave * plan_.leave;
    }
    bool any_left(std::int64_t count) {
        if (!(plan_.leave < std::numeric_limits<double>::infinity())) return false;
        bool left = false;
        for_alive([&](std::size_t lane, std::int64_t) {
            for (std::int64_t s = 0; s < count; ++s) left = left || has_left(lane, s);
        });
        return left;
    }
    // Takes the first `count` steps of the chunk into the largest distance.
    void note_distances(std::size_t lane, std::int64_t run, std::int64_t count) {
        if (!plan_.reference) return;
        double most = 0;
        for (std::int64_t s = 0; s < count; ++s) most = std::max(most, squared_distance_after(lane, s));
        state_.sup[run] = std::max(state_.sup[run], std::sqrt(most));
    }

    // The loss of a step's batch was written before the step, which then did not lead anywhere.
    void forget_batch_loss(std::int64_t run) const {
        for (std::size_t r = 0; r < plan_.records.size(); ++r)
            if (plan_.records[r].quantity == Quantity::batch_loss && next_record(r) == step_ + 1)
                *scalar_slot(r, run) = std::numeric_limits<double>::quiet_NaN();
    }

    // Makes a chunk again, one step at a time, and ends each diverging run at its last finite theta, each run that
    // leaves at its first theta outside.
    void find_ends(std::int64_t count) {
        const bool again = count > 1;
        if (again) stepper_->restore(start_state_);
        for (std::int64_t s = 0; s < count; ++s) {
            if (again) make_one_again(s);
            const std::uint64_t lanes = stepper_->diverged();
            for_alive([&](std::size_t lane, std::int64_t run) {
                const bool diverged = lanes >> lane & 1;
                if (!diverged && !has_left(lane, s)) return;
                const std::int64_t made = diverged ? s : s + 1;
                if (diverged) {
                    stepper_->store_saved(again ? last_state_ : start_state_, static_cast<int>(lane), state_, run);
                    forget_batch_loss(run);
                } else {
                    stepper_->store(static_cast<int>(lane), state_, run);
                }
                add_time(run, made);
                note_distances(lane, run, made);
                end(lane, diverged ? RunStatus::diverged : RunStatus::stopped, step_ + made);
            });
        }
    }

    void make_one_again(std::int64_t s) {
        stepper_->save(last_state_);
        const std::int64_t at = s * stepper_->width();
        T* const distances = plan_.reference ? distances_.data() + at : nullptr;
        if (stepper_->advance(step_ + s, 1, alphas_.data() + at, distances) == 0) throw Interrupted();
    }

    const DescentPlan<T>& plan_;
    const DescentState<T>& state_;
    std::vector<std::int64_t> runs_;
    std::int64_t until_;
    int threads_;
    Control& control_;
    Control patient_;  // a step once begun is finished, unless everything is dropped
    std::atomic<std::int64_t>& progress_;
    std::int64_t step_, chunk_;
    std::vector<bool> alive_;
    std::unique_ptr<Stepper<T>> stepper_;
    std::vector<double> scales_;
    Buffer<T> alphas_, before_, distances_, start_state_, last_state_;
    std::int64_t start_ = 0;  // where start_state_ and memories_ are from
    std::vector<Memory> memories_;
    std::vector<std::int64_t> cursors_;
    bool track_time_ = false, wants_gradient_ = false;
};

}  // namespace etaflow
