// f(theta): the mean (or sum) of a loss over observations, and its first derivatives.
#pragma once

#include <cstdint>
#include <vector>

#include "loss.hpp"
#include "network.hpp"
#include "parallel.hpp"
#include "samples.hpp"

namespace etaflow {

struct LayerTrace {
    std::vector<double> z, x, delta;
};

// A sum over samples: f = scale * sum_i L_i + l2 ||theta||^2 and its gradient.
template <class T>
struct Evaluation {
    bool want_loss = false;
    T* gradient = nullptr;       // (d), or null
    const T* weights = nullptr;  // one factor per sample's gradient, padded to whole vectors, or null
    double scale = 1;
    double l2 = 0;
    double* squares = nullptr;  // sum over the samples of their gradients' squared norms, or null; needs `gradient`
};

template <class T>
class Objective {
  public:
    // x (n, d_0) and y (n, target_rows) row-major; softmax labels are whole numbers 0 … d_L - 1.
    Objective(Network net, const T* x, const T* y, std::int64_t n, Loss loss, bool mean, double l2);

    Objective(const Objective&) = delete;  // panels point to rows
    Objective& operator=(const Objective&) = delete;

    const Network& net() const { return net_; }
    Loss loss() const { return loss_; }
    std::int64_t size() const { return rows_.size(); }
    std::int64_t num_params() const { return net_.num_params(); }
    double l2() const { return l2_; }
    // Factor of the sum over `samples` draws that makes it an unbiased estimate of f.
    double scale(std::int64_t samples) const {
        return mean_ ? 1.0 / static_cast<double>(samples) : static_cast<double>(size()) / static_cast<double>(samples);
    }
    const Rows<T>& rows() const { return rows_; }
    const Panels<T>& panels() const { return panels_; }
    // Fills `batch` with the observations of `count` indices, which must outlive it.
    void gather(Panels<T>& batch, const std::int32_t* indices, std::int64_t count, int threads,
                Control& control) const {
        batch.resize(count, rows_.inputs(), rows_.targets(), gradient_flops(1));
        batch.start_filling(rows_, indices);
        parallel_for(threads_for(gradient_flops(count), threads), batch.count(), control,
                     [&](std::int64_t p) { batch.fill_panel(p); });
        control.throw_if_stopped();
    }
    // Floating-point operations of one gradient over `samples` observations.
    double gradient_flops(std::int64_t samples) const {
        return 6.0 * static_cast<double>(num_params()) * static_cast<double>(samples);
    }

    // The one pass behind value, gradient and weighted gradient, over any panels of this objective's observations.
    // Returns f when wanted. The order of summation does not depend on `threads`.
    double evaluate(const T* theta, const Panels<T>& data, const Evaluation<T>& what, int threads,
                    Control& control) const;

    // f(theta); the gradient too where `gradient` is not null.
    double value(const T* theta, T* gradient, int threads, Control& control) const;
    void losses(const T* theta, T* out, int threads, Control& control) const;                         // (n)
    double accuracy(const T* theta, int threads, Control& control) const;                             // share of n
    void weighted_gradient(const T* theta, const T* w, T* out, int threads, Control& control) const;  // w (n)
    // tr R(theta), R the covariance of one sample's gradient; the gradient of f too where not null.
    double noise_trace(const T* theta, T* gradient, int threads, Control& control) const;
    // Gradients of samples [begin, end): out (end - begin, d).
    void sample_gradients(const T* theta, std::int64_t begin, std::int64_t end, T* out, int threads,
                          Control& control) const;
    std::vector<LayerTrace> backprop_trace(const T* theta, std::int64_t sample) const;

  private:
    Network net_;
    Loss loss_;
    bool mean_;
    double l2_;
    double threshold_;  // between the two targets of a square loss with one output
    Rows<T> rows_;
    Panels<T> panels_;
};

// h(x, theta): x (n, d_0), out (n, d_L).
template <class T>
void predict(const Network& net, const T* theta, const T* x, std::int64_t n, T* out, int threads, Control& control);

extern template class Objective<double>;
extern template class Objective<float>;

}  // namespace etaflow
