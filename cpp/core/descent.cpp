#include "descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "curvature.hpp"
#include "lane_stepper.hpp"

namespace etaflow {

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
// Steps between two looks at the clock and at divergence: at most so many, of so many draws, and about so many
// operations.
constexpr std::int64_t chunk_steps = 256, chunk_draws = 1024;
constexpr double chunk_flops = 1e9;

template <class T>
std::int64_t steps_of_chunk(const DescentPlan<T>& plan, std::size_t runs) {
    const std::int64_t samples = plan.batch > 0 ? plan.batch : plan.objective->size();
    const double step = plan.objective->gradient_flops(samples) * static_cast<double>(runs);
    const std::int64_t most =
        std::clamp<std::int64_t>(chunk_draws / std::max<std::int64_t>(plan.batch, 1), 1, chunk_steps);
    return static_cast<std::int64_t>(std::clamp(chunk_flops / step, 1.0, static_cast<double>(most)));
}

bool about_the_next_step(Quantity q) { return q == Quantity::batch_loss || q == Quantity::update_norm; }

// Quantities at one theta, each computed when first asked for.
template <class T>
class Measurement {
  public:
    Measurement(const DescentPlan<T>& plan, Stepper<T>& stepper, int lane, std::int64_t step, int threads,
                Control& control)
        : plan_(plan), stepper_(stepper), lane_(lane), step_(step), threads_(threads), control_(control) {}

    double operator()(Quantity q) {
        switch (q) {
            case Quantity::loss:
                return loss();
            case Quantity::grad_norm2:
                return dot(gradient(), gradient());
            case Quantity::accuracy:
                return plan_.objective->accuracy(theta(), threads_, control_);
            case Quantity::validation_loss:
                return plan_.validation->value(theta(), nullptr, threads_, control_);
            case Quantity::batch_loss:
                return stepper_.batch_loss(lane_, step_ + 1);
            case Quantity::rayleigh:
                return rayleigh();
            default:
                return std::numeric_limits<double>::quiet_NaN();
        }
    }

    const T* theta() {
        if (theta_.empty()) {
            theta_.resize(size());
            stepper_.theta(lane_, theta_.data());
        }
        return theta_.data();
    }
    // Announces that the gradient will be asked for too, so that one pass serves both.
    void want_gradient() { gradient(); }

  private:
    std::size_t size() const { return static_cast<std::size_t>(plan_.objective->num_params()); }

    double dot(const T* u, const T* v) const {
        double total = 0;
        for (std::size_t j = 0; j < size(); ++j) total += static_cast<double>(u[j]) * static_cast<double>(v[j]);
        return total;
    }
    double loss() {
        if (!has_loss_) {
            if (!stepper_.full_gradient(&loss_)) loss_ = plan_.objective->value(theta(), nullptr, threads_, control_);
            has_loss_ = true;
        }
        return loss_;
    }
    const T* gradient() {
        if (gradient_) return gradient_;
        gradient_ = stepper_.full_gradient(&loss_);
        if (!gradient_) {
            gradient_memory_.resize(size());
            loss_ = plan_.objective->value(theta(), gradient_memory_.data(), threads_, control_);
            gradient_ = gradient_memory_.data();
        }
        has_loss_ = true;
        return gradient_;
    }
    // g'Hg / g'g (Fleischmann 2021, eq. 4.28)
    double rayleigh() {
        Buffer<T> product(size());
        const T* g = gradient();
        hessian_vector(*plan_.objective, theta(), g, product.data(), threads_, control_);
        return dot(g, product.data()) / dot(g, g);
    }

    const DescentPlan<T>& plan_;
    Stepper<T>& stepper_;
    int lane_;
    std::int64_t step_;
    int threads_;
    Control& control_;
    Buffer<T> theta_, gradient_memory_;
    const T* gradient_ = nullptr;
    double loss_ = 0;
    bool has_loss_ = false;
};

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

bool needs_the_data(Quantity q) {
    return q != Quantity::theta && q != Quantity::time && q != Quantity::distance && q != Quantity::sup_distance;
}

// Looking at whole-set quantities costs far more than the steps: then a unit is one run, for balance over threads.
template <class T>
bool dominated_by_looking(const DescentPlan<T>& plan) {
    double looks = plan.means.empty() ? 0 : 1;
    for (const Rule& rule : plan.rules) looks += 1 / static_cast<double>(rule.every);
    for (const Record& record : plan.records)
        if (needs_the_data(record.quantity) && record.count > 2)
            looks += static_cast<double>(record.count) /
                     static_cast<double>(record.steps[record.count - 1] - record.steps[0]);
    return looks * static_cast<double>(plan.objective->size()) > 8.0 * lanes<T> * static_cast<double>(plan.batch);
}

template <class T>
std::vector<std::vector<std::int64_t>> make_units(const DescentPlan<T>& plan, const DescentState<T>& state,
                                                  std::int64_t until, std::int64_t most) {
    std::vector<std::vector<std::int64_t>> units;
    for (std::int64_t run = 0; run < plan.runs; ++run) {
        if (state.status[run] != static_cast<std::int8_t>(RunStatus::running)) continue;
        if (state.step[run] > until || (state.step[run] == until && until > 0)) continue;
        if (units.empty() || static_cast<std::int64_t>(units.back().size()) == most ||
            state.step[units.back().front()] != state.step[run])
            units.emplace_back();
        units.back().push_back(run);
    }
    return units;
}

// Steps that all units make before the first one goes on: with a long reference, so many that its rows for them stay in
// the second-level cache while one block of runs after the other passes through.
template <class T>
std::int64_t steps_together(const DescentPlan<T>& plan) {
    if (plan.reference_rows <= 1) return never;
    constexpr std::int64_t cache = std::int64_t{1} << 19;
    return std::max<std::int64_t>(chunk_steps, cache / (plan.objective->num_params() * std::int64_t{sizeof(T)}));
}

// Blocks of runs that make their steps side by side: two where the first-level cache holds them with the inputs of two
// steps, unless that would leave a thread without work for longer than it gains.
template <class T>
std::int64_t blocks_together(const DescentPlan<T>& plan, int threads) {
    constexpr double time_of_two = 1.86;  // in that of one
    const Objective<T>& f = *plan.objective;
    if (2 * (f.num_params() + 2 * f.rows().stride()) * vector_bytes > 32 * 1024) return 1;
    const auto rounds = [&](std::int64_t runs) {
        const std::int64_t units = (plan.runs + runs - 1) / runs;
        return static_cast<double>((units + threads - 1) / threads);
    };
    return time_of_two * rounds(2 * lanes<T>) <= rounds(lanes<T>) ? 2 : 1;
}

template <class T>
void work_until(const DescentPlan<T>& plan, const DescentState<T>& state, const LaneSetting<T>* setting,
                std::int64_t until, int threads, Control& control, std::atomic<std::int64_t>& progress) {
    const Objective<T>& f = *plan.objective;
    std::int64_t most = 1;
    if (setting && !dominated_by_looking(plan))
        most =
            std::clamp<std::int64_t>((plan.runs + threads - 1) / threads, 1, blocks_together(plan, threads) * lanes<T>);
    const auto units = make_units(plan, state, until, most);
    const auto work = [&](std::size_t u, int inner) {
        Unit<T>(plan, state, setting, units[u], until, inner, control, progress).run();
    };
    const double look = f.gradient_flops(setting || plan.batch == 0 ? f.size() : plan.batch);
    if (units.size() == 1 || (static_cast<int>(units.size()) < threads && look >= waking_flops)) {
        for (std::size_t u = 0; u < units.size() && !control.stopped(); ++u) work(u, threads);
        return;
    }
    double flops = 0;
    for (const auto& unit : units)
        flops += static_cast<double>(unit.size()) * static_cast<double>(until - state.step[unit.front()]) *
                 f.gradient_flops(plan.batch > 0 ? plan.batch : f.size());
    const auto each = [&](std::int64_t u) { work(static_cast<std::size_t>(u), 1); };
    if (flops < waking_flops)  // a barrier would be felt
        parallel_for(threads_for(flops, threads), static_cast<std::int64_t>(units.size()), control, each);
    else
        parallel_runs(threads, static_cast<std::int64_t>(units.size()), control, each);
}

}  // namespace

template <class T>
void descend(const DescentPlan<T>& plan, const DescentState<T>& state, std::int64_t until, int threads,
             Control& control, std::atomic<std::int64_t>& progress) {
    const bool in_lanes = plan.batch > 0 && plan.batch < panel_batch;
    const auto setting = in_lanes ? std::make_unique<LaneSetting<T>>(plan) : nullptr;
    const std::int64_t together = steps_together(plan);
    std::int64_t behind = until;
    for (std::int64_t run = 0; run < plan.runs; ++run)
        if (state.status[run] == static_cast<std::int8_t>(RunStatus::running))
            behind = std::min(behind, state.step[run]);
    for (std::int64_t end = behind; end < until && !control.stopped();) {
        end = until - end > together ? end + together : until;
        work_until(plan, state, setting.get(), end, threads, control, progress);
    }
    if (until == 0) work_until(plan, state, setting.get(), until, threads, control, progress);  // records of the start
}

template void descend(const DescentPlan<double>&, const DescentState<double>&, std::int64_t, int, Control&,
                      std::atomic<std::int64_t>&);
template void descend(const DescentPlan<float>&, const DescentState<float>&, std::int64_t, int, Control&,
                      std::atomic<std::int64_t>&);

}  // namespace etaflow
