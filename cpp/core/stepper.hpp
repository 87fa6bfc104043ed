// What makes the steps of a unit of runs: the interface, and the stepper of one run with the batch's samples in the
// lanes (lane_stepper.hpp has those for small batches).
#pragma once

#include <memory>
#include <vector>

#include "descent.hpp"
#include "noise.hpp"
#include "surrogate.hpp"
#include "tracking.hpp"

namespace etaflow {

// Batches below this size are served by steppers whose lanes are runs; larger ones fill the lanes themselves. The
// choice depends on the batch alone, so a run makes the same steps alone and in company.
inline constexpr std::int64_t panel_batch = 16;

template <class T>
class Stepper {
  public:
    virtual ~Stepper() = default;
    virtual int width() const = 0;  // entries of one step's `alphas`
    virtual void load(int lane, const DescentState<T>& state, std::int64_t run) = 0;
    virtual void store(int lane, const DescentState<T>& state, std::int64_t run) const = 0;
    virtual void theta(int lane, T* out) const = 0;  // (d)
    // Makes steps first + 1 … first + count; alphas is [step][lane]. With a reference, the squared distance after each
    // of them goes to `distances`, [step][lane]. Answers how many it made: fewer if `control` was stopped in one.
    virtual std::int64_t advance(std::int64_t first, std::int64_t count, const T* alphas, T* distances) = 0;
    // Bit i is set if the run in lane i has a NaN or an infinity.
    virtual std::uint64_t diverged() const = 0;
    // Copies the present state, returns to a copy, or stores one lane of it.
    virtual void save(Buffer<T>& copy) const = 0;
    virtual void restore(const Buffer<T>& copy) = 0;
    virtual void store_saved(const Buffer<T>& copy, int lane, const DescentState<T>& state, std::int64_t run) const = 0;
    // The gradient of the whole set at the present theta, where the next step computes it anyway, and the loss with it
    // unless null.
    virtual const T* full_gradient(double* /*loss*/) { return nullptr; }
    // The loss of the batch of step `step`, the next one, at the present theta.
    virtual double batch_loss(int lane, std::int64_t step) = 0;
};

template <class T>
Sampler make_sampler(const DescentPlan<T>& plan, std::int64_t run) {
    const std::int64_t* rows =
        plan.indices ? plan.indices + (plan.index_runs == 1 ? 0 : run) * plan.index_count * plan.batch : nullptr;
    return Sampler(plan.sampling, plan.objective->size(), plan.batch, plan.seed,
                   static_cast<std::uint64_t>(plan.run_numbers[run]), rows, plan.first_step);
}

// f estimated from the batch of one step.
template <class T>
double loss_of_batch(const DescentPlan<T>& plan, Sampler& sampler, const T* theta, std::int64_t step, int threads,
                     Control& control) {
    const Objective<T>& f = *plan.objective;
    if (plan.batch == 0) return f.value(theta, nullptr, threads, control);
    std::vector<std::int32_t> indices(plan.batch);
    sampler.fill(step - 1, 1, indices.data(), 1);
    Panels<T> panels;
    f.gather(panels, indices.data(), plan.batch, threads, control);
    return f.evaluate(theta, panels, {true, nullptr, nullptr, f.scale(plan.batch), f.l2()}, threads, control);
}

template <class T>
void step_noise(const DescentPlan<T>& plan, std::int64_t run, std::int64_t step, T* out) {
    const std::int64_t d = plan.objective->num_params();
    const auto run_number = static_cast<std::uint64_t>(plan.run_numbers[run]), k = static_cast<std::uint64_t>(step);
    if (plan.noise_on_sphere)
        sphere_noise(plan.seed, run_number, k, static_cast<std::size_t>(d), out, 1);
    else
        gaussian_noise(plan.seed, run_number, k, static_cast<std::size_t>(d), out, 1);
    const T sigma = static_cast<T>(plan.noise);
    for (std::int64_t j = 0; j < d; ++j) out[j] *= sigma;
}

// theta and the optimizer's slots in some order of parameters, as whole vectors.
template <class T>
struct Moving {
    std::int64_t vectors;
    Vec<T>* theta;
    Buffer<T> gradient, slot[2], noise, lower, upper;

    void prepare(const DescentPlan<T>& plan, std::int64_t size, bool with_gradient) {
        vectors = size;
        const std::size_t elements = static_cast<std::size_t>(size) * lanes<T>;
        if (with_gradient) gradient.assign(elements, T(0));
        for (int i = 0; i < slots_of(plan.optimizer); ++i) slot[i].assign(elements, T(0));
        if (plan.noise != 0) noise.assign(elements, T(0));
        if (plan.lower) lower.assign(elements, T(0));
        if (plan.lower) upper.assign(elements, T(0));
    }
    static Vec<T>* view(Buffer<T>& b) { return b.empty() ? nullptr : reinterpret_cast<Vec<T>*>(b.data()); }

    Parameters<T> parameters() {
        return {vectors, theta, view(gradient), view(slot[0]), view(slot[1]), view(noise), view(lower), view(upper)};
    }
    void step(const DescentPlan<T>& plan, Vec<T> alpha, T pull, std::int64_t k) {
        optimizer_step(plan.optimizer, parameters(), plan.hyper, alpha, pull, k);
    }
    // The same on several threads, where there are many parameters.
    void step(const DescentPlan<T>& plan, Vec<T> alpha, T pull, std::int64_t k, int threads) {
        constexpr std::int64_t piece = (1 << 18) / vector_bytes;
        if (threads <= 1 || vectors < 2 * piece) return step(plan, alpha, pull, k);
        const Parameters<T> all = parameters();
        Control whole;  // a step is made for all parameters or for none
        parallel_for(threads, (vectors + piece - 1) / piece, whole, [&](std::int64_t i) {
            const Parameters<T> part = all.part(i * piece, std::min(piece, vectors - i * piece));
            optimizer_step(plan.optimizer, part, plan.hyper, alpha, pull, k);
        });
    }

    std::size_t saved_size() const { return 3 * static_cast<std::size_t>(vectors) * lanes<T>; }
    void save(T* saved) const {
        const std::size_t size = saved_size() / 3;
        const T* from = reinterpret_cast<const T*>(theta);
        std::copy(from, from + size, saved);
        for (int i = 0; i < 2; ++i) std::copy(slot[i].begin(), slot[i].end(), saved + (i + 1) * size);
    }
    void restore(const T* saved) {
        const std::size_t size = saved_size() / 3;
        std::copy(saved, saved + size, reinterpret_cast<T*>(theta));
        for (int i = 0; i < 2; ++i) std::copy_n(saved + (i + 1) * size, slot[i].size(), slot[i].begin());
    }
};

template <class T>
class PanelStepper final : public Stepper<T> {
  public:
    PanelStepper(const DescentPlan<T>& plan, std::int64_t run, int threads, Control& control)
        : plan_(plan),
          run_(run),
          threads_(threads),
          control_(control),
          sampler_(make_sampler(plan, run)),
          surrogate_(plan, run, threads, control),
          d_(plan.objective->num_params()) {
        const std::int64_t vectors = (d_ + lanes<T> - 1) / lanes<T>;
        theta_.assign(static_cast<std::size_t>(vectors) * lanes<T>, T(0));
        moving_.theta = Moving<T>::view(theta_);
        moving_.prepare(plan, vectors, true);
        if (plan.lower) {
            std::copy_n(plan.lower, d_, moving_.lower.begin());
            std::copy_n(plan.upper, d_, moving_.upper.begin());
        }
        indices_.resize(static_cast<std::size_t>(plan.batch));
    }

    int width() const override { return 1; }
    void load(int, const DescentState<T>& state, std::int64_t run) override {
        std::copy_n(state.theta + run * d_, d_, theta_.begin());
        if (!moving_.slot[0].empty()) std::copy_n(state.slot1 + run * d_, d_, moving_.slot[0].begin());
        if (!moving_.slot[1].empty()) std::copy_n(state.slot2 + run * d_, d_, moving_.slot[1].begin());
        fresh_ = false;
    }
    void store(int, const DescentState<T>& state, std::int64_t run) const override {
        store_from(theta_.data(), moving_.slot[0].data(), moving_.slot[1].data(), state, run);
    }
    void theta(int, T* out) const override { std::copy_n(theta_.begin(), d_, out); }

    std::int64_t advance(std::int64_t first, std::int64_t count, const T* alphas, T* distances) override {
        for (std::int64_t s = 0; s < count; ++s) {
            const std::int64_t step = first + s + 1;
            try {
                find_gradient(step);
            } catch (const Interrupted&) { return s; }
            if (plan_.noise != 0) step_noise(plan_, run_, step, moving_.noise.data());
            moving_.step(plan_, set1<T>(alphas[s]), T(0), step, threads_);
            if (plan_.reference)
                distances[s] = static_cast<T>(
                    squared_distance(theta_.data(), plan_.reference + plan_.reference_row(step) * d_, d_));
        }
        return count;
    }

    std::uint64_t diverged() const override {
        const std::int64_t whole = d_ / lanes<T>;  // what fills up the last vector may be anything
        T zero = 0;
        for (std::int64_t j = whole * lanes<T>; j < d_; ++j) zero += theta_[j] * T(0);
        return zero != zero || nonfinite_lanes<T>(moving_.theta, whole) != 0;
    }
    void save(Buffer<T>& copy) const override { moving_.save(ensure(copy, moving_.saved_size())); }
    void restore(const Buffer<T>& copy) override {
        moving_.restore(copy.data());
        fresh_ = false;
    }
    void store_saved(const Buffer<T>& copy, int, const DescentState<T>& state, std::int64_t run) const override {
        const std::size_t size = theta_.size();
        store_from(copy.data(), copy.data() + size, copy.data() + 2 * size, state, run);
    }
    const T* full_gradient(double* loss) override {
        if (plan_.batch != 0) return nullptr;
        if (!fresh_) {
            const Objective<T>& f = *plan_.objective;
            loss_ = f.evaluate(theta_.data(), f.panels(),
                               {loss != nullptr, moving_.gradient.data(), nullptr, f.scale(f.size()), f.l2()}, threads_,
                               control_);
            fresh_ = loss != nullptr;  // a gradient alone is for the step that follows at once
        }
        if (loss) *loss = loss_;
        return moving_.gradient.data();
    }
    double batch_loss(int, std::int64_t step) override {
        return loss_of_batch(plan_, sampler_, theta_.data(), step, threads_, control_);
    }

  private:
    // g_k of step k.
    void find_gradient(std::int64_t step) {
        const Objective<T>& f = *plan_.objective;
        if (plan_.batch == 0 && is_exact()) {
            full_gradient(nullptr);
            fresh_ = false;
            return;
        }
        fresh_ = false;
        if (plan_.batch == 0) return surrogate_(theta_.data(), step, moving_.gradient.data());
        sampler_.fill(step - 1, 1, indices_.data(), 1);
        f.gather(batch_, indices_.data(), plan_.batch, threads_, control_);
        const T* weights = plan_.draw_weights ? padded_weights() : nullptr;
        f.evaluate(theta_.data(), batch_, {false, moving_.gradient.data(), weights, f.scale(plan_.batch), f.l2()},
                   threads_, control_);
    }
    bool is_exact() const { return plan_.estimator == Estimator::sampled && plan_.correction == 0; }
    const T* padded_weights() {
        weights_.assign(static_cast<std::size_t>(batch_.padded()), T(0));
        std::copy_n(plan_.draw_weights, plan_.batch, weights_.begin());
        return weights_.data();
    }
    void store_from(const T* theta, const T* slot1, const T* slot2, const DescentState<T>& state,
                    std::int64_t run) const {
        std::copy_n(theta, d_, state.theta + run * d_);
        if (!moving_.slot[0].empty()) std::copy_n(slot1, d_, state.slot1 + run * d_);
        if (!moving_.slot[1].empty()) std::copy_n(slot2, d_, state.slot2 + run * d_);
    }

    const DescentPlan<T>& plan_;
    std::int64_t run_;
    int threads_;
    Control& control_;
    Sampler sampler_;
    SurrogateGradient<T> surrogate_;
    std::int64_t d_;
    Buffer<T> theta_, weights_;
    Moving<T> moving_;
    std::vector<std::int32_t> indices_;
    Panels<T> batch_;
    double loss_ = 0;
    bool fresh_ = false;
};

}  // namespace etaflow
