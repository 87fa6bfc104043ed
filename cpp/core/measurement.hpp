// What is looked at between the steps of a run.
#pragma once

#include "curvature.hpp"
#include "stepper.hpp"

namespace etaflow {

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

}  // namespace etaflow
