// The steppers for small batches: many runs in the lanes of a team of blocks, or one run with a layer's units in the
// lanes, which makes the same bits.
#pragma once

#include "chain.hpp"
#include "lane_team.hpp"
#include "stepper.hpp"

namespace etaflow {

// The cases LaneTeam::sgd_step and ChainBlock serve; all others need the gradient by itself.
template <class T>
bool is_plain_sgd(const DescentPlan<T>& plan) {
    return plan.optimizer == Optimizer::sgd && plan.batch == 1 && plan.noise == 0 && !plan.lower &&
           plan.objective->l2() == 0;
}

template <class T>
class LaneStepper final : public Stepper<T> {
  public:
    LaneStepper(const DescentPlan<T>& plan, const LaneSetting<T>& setting, const std::vector<std::int64_t>& runs,
                int threads, Control& control)
        : plan_(plan),
          setting_(setting),
          layout_(setting.layout),
          runs_(runs),
          used_(static_cast<int>(runs.size())),
          threads_(threads),
          control_(control),
          team_(plan.objective->net(), layout_, plan.objective->rows(), plan.objective->loss(),
                static_cast<int>((runs.size() + lanes<T> - 1) / lanes<T>)),
          moving_(static_cast<std::size_t>(team_.blocks())) {
        fused_ = is_plain_sgd(plan);
        runs_.resize(static_cast<std::size_t>(width()), runs.front());
        for (const std::int64_t run : runs_) samplers_.push_back(make_sampler(plan, run));
        for (int b = 0; b < team_.blocks(); ++b) {
            Moving<T>& moving = moving_[static_cast<std::size_t>(b)];
            moving.theta = team_.block(b).weights();
            moving.prepare(plan, layout_.vectors(), !fused_);
            gradients_.push_back(Moving<T>::view(moving.gradient));
            for (int lane = 0; plan.lower && lane < lanes<T>; ++lane) {
                layout_.load(plan.lower, lane, moving.lower.data());
                layout_.load(plan.upper, lane, moving.upper.data());
            }
        }
        flat_.resize(static_cast<std::size_t>(layout_.vectors()));
    }

    int width() const override { return team_.width(); }

    void load(int lane, const DescentState<T>& state, std::int64_t run) override {
        const std::int64_t d = layout_.vectors();
        for (int to = 0; to < width(); ++to) {
            if (to != lane && (lane > 0 || to < used_)) continue;  // the first run also fills the lanes without one
            Moving<T>& moving = moving_of(to);
            layout_.load(state.theta + run * d, to % lanes<T>, team_.block(to / lanes<T>).data());
            if (!moving.slot[0].empty()) layout_.load(state.slot1 + run * d, to % lanes<T>, moving.slot[0].data());
            if (!moving.slot[1].empty()) layout_.load(state.slot2 + run * d, to % lanes<T>, moving.slot[1].data());
        }
    }
    void store(int lane, const DescentState<T>& state, std::int64_t run) const override {
        const Moving<T>& moving = moving_of(lane);
        store_from(team_.block(lane / lanes<T>).data(), moving.slot[0].data(), moving.slot[1].data(), lane, state, run);
    }
    void theta(int lane, T* out) const override {
        layout_.store(team_.block(lane / lanes<T>).data(), lane % lanes<T>, out);
    }

    std::int64_t advance(std::int64_t first, std::int64_t count, const T* alphas, T* distances) override {
        const std::int64_t draws = plan_.batch * width();
        indices_.resize(static_cast<std::size_t>(count * draws));
        Sampler::fill_runs(samplers_.data(), width(), first, count, indices_.data());
        const T factor = static_cast<T>(plan_.objective->scale(plan_.batch));
        for (std::int64_t s = 0; s < count; ++s) {
            const std::int32_t* index = indices_.data() + s * draws;
            const T* alpha = alphas + s * width();
            const T* reference = plan_.reference ? setting_.row(plan_, first + s + 1) : nullptr;
            if (!fused_) {
                team_.gradient(index, plan_.batch, factor, plan_.draw_weights, gradients_.data());
                move(first + s + 1, alpha, reference, reference ? distances + s * width() : nullptr);
            } else if (reference) {
                team_.tracked_sgd_step(index, alpha, factor, reference,
                                       s > 0 ? distances + (s - 1) * width() : nullptr);
            } else {
                team_.sgd_step(index, alpha, factor);
            }
        }
        team_.flush(fused_ && plan_.reference ? distances + (count - 1) * width() : nullptr);
        return count;
    }

    std::uint64_t diverged() const override {
        std::uint64_t bits = 0;
        for (std::size_t b = 0; b < moving_.size(); ++b)
            bits |= nonfinite_lanes<T>(moving_[b].theta, moving_[b].vectors) << (b * lanes<T>);
        return bits;
    }
    void save(Buffer<T>& copy) const override {
        T* const to = ensure(copy, moving_.size() * block_size());
        for (std::size_t b = 0; b < moving_.size(); ++b) moving_[b].save(to + b * block_size());
    }
    void restore(const Buffer<T>& copy) override {
        for (std::size_t b = 0; b < moving_.size(); ++b) moving_[b].restore(copy.data() + b * block_size());
    }
    void store_saved(const Buffer<T>& copy, int lane, const DescentState<T>& state, std::int64_t run) const override {
        const std::size_t part = block_size() / 3;
        const T* const saved = copy.data() + static_cast<std::size_t>(lane / lanes<T>) * block_size();
        store_from(saved, saved + part, saved + 2 * part, lane, state, run);
    }
    double batch_loss(int lane, std::int64_t step) override {
        theta(lane, flat_.data());
        return loss_of_batch(plan_, samplers_[static_cast<std::size_t>(lane)], flat_.data(), step, threads_, control_);
    }

  private:
    std::size_t block_size() const { return moving_.front().saved_size(); }  // of a copy
    Moving<T>& moving_of(int lane) { return moving_[static_cast<std::size_t>(lane / lanes<T>)]; }
    const Moving<T>& moving_of(int lane) const { return moving_[static_cast<std::size_t>(lane / lanes<T>)]; }

    void store_from(const T* theta, const T* slot1, const T* slot2, int lane, const DescentState<T>& state,
                    std::int64_t run) const {
        const std::int64_t d = layout_.vectors();
        const int at = lane % lanes<T>;
        layout_.store(theta, at, state.theta + run * d);
        if (!moving_of(lane).slot[0].empty()) layout_.store(slot1, at, state.slot1 + run * d);
        if (!moving_of(lane).slot[1].empty()) layout_.store(slot2, at, state.slot2 + run * d);
    }

    // The optimizer's step along the gradients.
    void move(std::int64_t step, const T* alpha, const T* reference, T* distances) {
        const T pull = static_cast<T>(2 * plan_.objective->l2());
        if (plan_.noise != 0) draw_noise(step);
        for (std::size_t b = 0; b < moving_.size(); ++b) {
            Moving<T>& moving = moving_[b];
            moving.step(plan_, load_unaligned(alpha + b * lanes<T>), pull, step);
            if (reference)
                store_unaligned(distances + b * lanes<T>, squared_distance<T>(moving.theta, reference, moving.vectors));
        }
    }
    void draw_noise(std::int64_t step) {
        for (int lane = 0; lane < width(); ++lane) {
            step_noise(plan_, runs_[static_cast<std::size_t>(lane)], step, flat_.data());
            layout_.load(flat_.data(), lane % lanes<T>, moving_of(lane).noise.data());
        }
    }

    const DescentPlan<T>& plan_;
    const LaneSetting<T>& setting_;
    const LaneLayout& layout_;
    std::vector<std::int64_t> runs_;  // of every lane; those without a run of their own repeat the first one
    int used_;                        // lanes with a run of their own
    int threads_;
    Control& control_;
    LaneTeam<T> team_;
    std::vector<Moving<T>> moving_;  // of every block
    std::vector<Vec<T>*> gradients_;
    bool fused_;
    std::vector<Sampler> samplers_;
    std::vector<std::int32_t> indices_;
    Buffer<T> flat_;
};

template <class T>
class ChainStepper final : public Stepper<T> {
  public:
    ChainStepper(const DescentPlan<T>& plan, std::int64_t run, int threads, Control& control)
        : plan_(plan),
          threads_(threads),
          control_(control),
          sampler_(make_sampler(plan, run)),
          block_(plan.objective->net(), plan.objective->rows(), plan.objective->loss()),
          flat_(static_cast<std::size_t>(plan.objective->num_params())) {}

    int width() const override { return 1; }
    void load(int, const DescentState<T>& state, std::int64_t run) override {
        block_.load(state.theta + run * plan_.objective->num_params());
    }
    void store(int, const DescentState<T>& state, std::int64_t run) const override { theta(0, row(state, run)); }
    void theta(int, T* out) const override { block_.store(block_.weights().data(), out); }
    std::int64_t advance(std::int64_t first, std::int64_t count, const T* alphas, T*) override {  // without a reference
        indices_.resize(static_cast<std::size_t>(count));
        sampler_.fill(first, count, indices_.data(), 1);
        const T factor = static_cast<T>(plan_.objective->scale(1));
        for (std::int64_t s = 0; s < count; ++s)
            block_.sgd_step(indices_[static_cast<std::size_t>(s)], alphas[s], factor);
        block_.flush();
        return count;
    }
    std::uint64_t diverged() const override {
        const Buffer<T>& w = block_.weights();
        return nonfinite_lanes<T>(reinterpret_cast<const Vec<T>*>(w.data()),
                                  static_cast<std::int64_t>(w.size()) / lanes<T>) != 0;
    }
    void save(Buffer<T>& copy) const override { copy = block_.weights(); }
    void restore(const Buffer<T>& copy) override { block_.weights() = copy; }
    void store_saved(const Buffer<T>& copy, int, const DescentState<T>& state, std::int64_t run) const override {
        block_.store(copy.data(), row(state, run));
    }
    double batch_loss(int, std::int64_t step) override {
        theta(0, flat_.data());
        return loss_of_batch(plan_, sampler_, flat_.data(), step, threads_, control_);
    }

  private:
    T* row(const DescentState<T>& state, std::int64_t run) const {
        return state.theta + run * plan_.objective->num_params();
    }

    const DescentPlan<T>& plan_;
    int threads_;
    Control& control_;
    Sampler sampler_;
    ChainBlock<T> block_;
    std::vector<std::int32_t> indices_;
    Buffer<T> flat_;
};

}  // namespace etaflow
