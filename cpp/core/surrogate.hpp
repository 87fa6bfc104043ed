// SGD whose sampling noise is replaced: by Gaussian noise of the same covariance, or by isotropic noise of the same
// trace.
//
// With R(theta) the covariance of one sample's gradient, (1/sqrt n) sum_i (xi_i - mean xi) dL_i has exactly the
// covariance R for standard normal xi: one pass with random weights, and R is never formed.
#pragma once

#include <cmath>

#include "curvature.hpp"
#include "descent.hpp"
#include "noise.hpp"

namespace etaflow {

// g_k of one run of a plan with batch 0.
template <class T>
class SurrogateGradient {
  public:
    SurrogateGradient(const DescentPlan<T>& plan, std::int64_t run, int threads, Control& control)
        : plan_(plan),
          f_(*plan.objective),
          run_(static_cast<std::uint64_t>(plan.run_numbers[run])),
          threads_(threads),
          control_(control) {
        if (plan.estimator == Estimator::gaussian)
            weights_.assign(static_cast<std::size_t>(f_.panels().padded()), T(0));
        if (plan.estimator == Estimator::isotropic) noise_.resize(static_cast<std::size_t>(f_.num_params()));
        if (plan.correction != 0) {
            plain_.resize(static_cast<std::size_t>(f_.num_params()));
            product_.resize(static_cast<std::size_t>(f_.num_params()));
        }
    }

    void operator()(const T* theta, std::int64_t step, T* out) {
        const std::int64_t d = f_.num_params();
        if (plan_.estimator == Estimator::gaussian) {
            draw_weights(step);
            evaluate(theta, weights_.data(), out);
            if (plan_.correction != 0) evaluate(theta, nullptr, plain_.data());
        } else {
            double trace = 0;
            if (plan_.estimator == Estimator::isotropic)
                trace = f_.noise_trace(theta, out, threads_, control_);
            else
                evaluate(theta, nullptr, out);
            if (plan_.correction != 0) std::copy_n(out, d, plain_.begin());
            if (plan_.estimator == Estimator::isotropic) add_isotropic(trace, step, out);
        }
        if (plan_.correction == 0) return;
        hessian_vector(f_, theta, plain_.data(), product_.data(), threads_, control_);
        const T factor = static_cast<T>(plan_.correction);
        for (std::int64_t j = 0; j < d; ++j) out[j] += factor * product_[j];
    }

  private:
    void evaluate(const T* theta, const T* weights, T* out) {
        f_.evaluate(theta, f_.panels(), {false, out, weights, f_.scale(f_.size()), f_.l2()}, threads_, control_);
    }

    // 1 + strength sqrt(n) (xi_i - mean xi)
    void draw_weights(std::int64_t step) {
        const std::int64_t n = f_.size();
        gaussian_noise(plan_.seed, run_, static_cast<std::uint64_t>(step), static_cast<std::size_t>(n), weights_.data(),
                       1, surrogate_stream);
        double mean = 0;
        for (std::int64_t i = 0; i < n; ++i) mean += static_cast<double>(weights_[i]);
        mean /= static_cast<double>(n);
        const double factor = plan_.strength * std::sqrt(static_cast<double>(n));
        for (std::int64_t i = 0; i < n; ++i)
            weights_[i] = static_cast<T>(1 + factor * (static_cast<double>(weights_[i]) - mean));
    }

    void add_isotropic(double trace, std::int64_t step, T* out) {
        const std::int64_t d = f_.num_params();
        gaussian_noise(plan_.seed, run_, static_cast<std::uint64_t>(step), static_cast<std::size_t>(d), noise_.data(),
                       1, surrogate_stream);
        const T sigma = static_cast<T>(plan_.strength * std::sqrt(trace / static_cast<double>(d)) *
                                       (f_.scale(f_.size()) * static_cast<double>(f_.size())));
        for (std::int64_t j = 0; j < d; ++j) out[j] += sigma * noise_[j];
    }

    const DescentPlan<T>& plan_;
    const Objective<T>& f_;
    std::uint64_t run_;
    int threads_;
    Control& control_;
    Buffer<T> weights_, noise_, plain_, product_;
};

}  // namespace etaflow
