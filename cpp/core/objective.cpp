#include "objective.hpp"

#include <algorithm>
#include <numeric>

#include "panel_sum.hpp"
#include "propagate.hpp"
#include "sample_gradients.hpp"
#include "shallow.hpp"
#include "wave.hpp"

namespace etaflow {

namespace {

template <class T>
double squared_norm(const T* v, std::int64_t size) {
    double total = 0;
    for (std::int64_t i = 0; i < size; ++i) total += static_cast<double>(v[i]) * static_cast<double>(v[i]);
    return total;
}

}  // namespace

template <class T>
Objective<T>::Objective(Network net, const T* x, const T* y, std::int64_t n, Loss loss, bool mean, double l2)
    : net_(std::move(net)),
      loss_(loss),
      mean_(mean),
      l2_(l2),
      rows_(x, y, n, net_.inputs(), target_rows(loss, net_.outputs())),
      panels_(n, net_.inputs(), target_rows(loss, net_.outputs()), gradient_flops(1)) {
    panels_.fill(rows_, nullptr);
    const auto [low, high] = std::minmax_element(y, y + n * target_rows(loss, net_.outputs()));
    threshold_ = (static_cast<double>(*low) + static_cast<double>(*high)) / 2;
}

template <class T>
double Objective<T>::evaluate(const T* theta, const Panels<T>& data, const Evaluation<T>& what, int threads,
                              Control& control) const {
    const std::int64_t d = num_params();
    thread_local std::vector<double> losses, squares;  // of each panel
    losses.assign(static_cast<std::size_t>(data.count()), 0);
    squares.assign(what.squares ? losses.size() : 0, 0);
    double *const loss_of_panel = losses.data(), *const squares_of_panel = squares.data();
    const bool large = is_large_gradient<T>(net_), in_waves = what.gradient && large;
    const bool shallow = is_shallow<T>(net_) && !large && !what.squares;
    // The losses of panel p, and what else is wanted; its gradient is added to `partial` unless null.
    const auto visit = [&](std::int64_t p, Workspace<T>& ws, T* partial) {
        ws.prepare(net_, data.max_vectors(), 1);
        const Panel<T> panel = data.panel(p);
        const T* w = what.weights ? what.weights + data.first_sample(p) : nullptr;
        if (shallow) {
            loss_of_panel[p] = add_shallow_gradient(net_, loss_, theta, panel, w, what.want_loss, ws, partial);
            return;
        }
        loss_of_panel[p] = what.want_loss ? propagate<true>(net_, loss_, theta, panel, w, ws, what.gradient)
                                          : propagate<false>(net_, loss_, theta, panel, w, ws, what.gradient);
        if (what.squares) squares_of_panel[p] = squared_gradients(net_, panel, ws);
        if (partial) accumulate_gradient(net_, panel, ws, partial);
    };
    const auto finish = [&](std::int64_t begin, std::int64_t end) {
        const T factor = static_cast<T>(what.scale), pull = static_cast<T>(2 * what.l2);
        T* const g = what.gradient;
        if (what.l2 != 0)
            for (std::int64_t i = begin; i < end; ++i) g[i] = g[i] * factor + pull * theta[i];
        else if (what.scale != 1)
            for (std::int64_t i = begin; i < end; ++i) g[i] *= factor;
    };
    const Threads use = threads_for(gradient_flops(data.samples()), threads);
    if (in_waves) {
        const auto propagate_panel = [&](std::int64_t p, Workspace<T>& ws) { visit(p, ws, nullptr); };
        sum_in_waves(net_, data, what.gradient, use, control, propagate_panel, finish);
    } else {
        sum_over_panels(data, what.gradient ? d : 0, what.gradient, use, control, [&](std::int64_t p, T* partial) {
            thread_local Workspace<T> ws;
            visit(p, ws, partial);
        });
        if (what.gradient) finish(0, d);
    }
    if (what.squares) *what.squares = std::accumulate(squares.begin(), squares.end(), 0.0);
    if (!what.want_loss) return 0;
    const double total = std::accumulate(losses.begin(), losses.end(), 0.0);
    return total * what.scale + (what.l2 != 0 ? what.l2 * squared_norm(theta, d) : 0.0);
}

template <class T>
double Objective<T>::value(const T* theta, T* gradient, int threads, Control& control) const {
    return evaluate(theta, panels_, {true, gradient, nullptr, scale(size()), l2_}, threads, control);
}

template <class T>
void Objective<T>::weighted_gradient(const T* theta, const T* w, T* out, int threads, Control& control) const {
    Buffer<T> padded(panels_.padded(), T(0));
    std::copy(w, w + size(), padded.begin());
    evaluate(theta, panels_, {false, out, padded.data()}, threads, control);
}

template <class T>
double Objective<T>::noise_trace(const T* theta, T* gradient, int threads, Control& control) const {
    const double n = static_cast<double>(size());
    double squares = 0, mean2 = 0;
    Buffer<T> total(static_cast<std::size_t>(num_params()));
    evaluate(theta, panels_, {false, total.data(), nullptr, 1.0, 0.0, &squares}, threads, control);
    const T factor = static_cast<T>(scale(size())), pull = static_cast<T>(2 * l2_);
    for (std::int64_t j = 0; j < num_params(); ++j) {
        const double mean = static_cast<double>(total[j]) / n;
        mean2 += mean * mean;
        if (gradient) gradient[j] = total[j] * factor + pull * theta[j];
    }
    return std::max(0.0, squares / n - mean2);
}

template <class T>
void Objective<T>::losses(const T* theta, T* out, int threads, Control& control) const {
    parallel_for(threads_for(gradient_flops(size()) / 3, threads), panels_.count(), control, [&](std::int64_t p) {
        const Panel<T> panel = panels_.panel(p);
        Workspace<T>& ws = workspace<T>(net_, panel.vectors, 0);
        forward<0>(net_, theta, panel, ws);
        T* at = out + panels_.first_sample(p);
        for_each_output(net_, loss_, panel, ws, [&](int v, const OutputLayer<T>& output, std::ptrdiff_t, int) {
            const Vec<T> loss = output_terms<true, false, T>(loss_, output, nullptr);
            for (int i = 0; i < lanes<T> && v * lanes<T> + i < panel.samples; ++i) at[v * lanes<T> + i] = loss[i];
        });
    });
    control.throw_if_stopped();
}

template <class T>
double Objective<T>::accuracy(const T* theta, int threads, Control& control) const {
    const int units = net_.outputs();
    std::vector<std::int64_t> correct(panels_.count(), 0);
    const auto is_correct = [&](const OutputLayer<T>& out, int lane) {
        const auto at = [&](const Vec<T>* rows, int k) { return rows[k * out.stride][lane]; };
        if (loss_ == Loss::log) {
            for (int k = 0; k < units; ++k)
                if ((at(out.z, k) >= 0) != (at(out.y, k) == 1)) return false;
            return true;
        }
        if (loss_ == Loss::square && units == 1) return (at(out.a, 0) >= threshold_) == (at(out.y, 0) >= threshold_);
        int best = 0, target = 0;
        for (int k = 1; k < units; ++k) {
            if (at(out.a, k) > at(out.a, best)) best = k;
            if (loss_ == Loss::square && at(out.y, k) > at(out.y, target)) target = k;
        }
        if (loss_ == Loss::softmax) target = static_cast<int>(at(out.y, 0));
        return best == target;
    };
    parallel_for(threads_for(gradient_flops(size()) / 3, threads), panels_.count(), control, [&](std::int64_t p) {
        const Panel<T> panel = panels_.panel(p);
        Workspace<T>& ws = workspace<T>(net_, panel.vectors, 0);
        forward<0>(net_, theta, panel, ws);
        for_each_output(net_, loss_, panel, ws, [&](int v, const OutputLayer<T>& out, std::ptrdiff_t, int) {
            for (int i = 0; i < lanes<T> && v * lanes<T> + i < panel.samples; ++i) correct[p] += is_correct(out, i);
        });
    });
    control.throw_if_stopped();
    std::int64_t total = 0;
    for (const std::int64_t c : correct) total += c;
    return static_cast<double>(total) / static_cast<double>(size());
}

template <class T>
void Objective<T>::sample_gradients(const T* theta, std::int64_t begin, std::int64_t end, T* out, int threads,
                                    Control& control) const {
    const Panels<T>* data = &panels_;
    Panels<T> part;
    std::vector<std::int32_t> indices;
    if (begin != 0 || end != size()) {
        indices.resize(end - begin);
        std::iota(indices.begin(), indices.end(), static_cast<std::int32_t>(begin));
        gather(part, indices.data(), end - begin, threads, control);
        data = &part;
    }
    parallel_for(threads_for(gradient_flops(end - begin), threads), data->count(), control, [&](std::int64_t p) {
        write_sample_gradients(net_, data->panel(p), theta, loss_, out + data->first_sample(p) * num_params());
    });
    control.throw_if_stopped();
}

template <class T>
std::vector<LayerTrace> Objective<T>::backprop_trace(const T* theta, std::int64_t sample) const {
    const std::int32_t index = static_cast<std::int32_t>(sample);
    Panels<T> one;
    Control control;
    gather(one, &index, 1, 1, control);
    const Panel<T> panel = one.panel(0);
    Workspace<T>& ws = workspace<T>(net_, 1, 1);
    propagate<false, T>(net_, loss_, theta, panel, nullptr, ws);
    const auto first_lane = [](const T* rows, int units) {
        std::vector<double> values(units);
        for (int k = 0; k < units; ++k) values[k] = static_cast<double>(rows[k * lanes<T>]);
        return values;
    };
    std::vector<LayerTrace> trace{{{}, first_lane(panel.x, net_.inputs()), {}}};
    for (int l = 1; l <= net_.depth(); ++l) {
        const Layer& layer = net_.layers()[l - 1];
        std::vector<double> z(layer.out);  // forward overwrites hidden pre-activations: computed again from x
        for (int o = 0; o < layer.out; ++o) {
            T total = layer.bias ? theta[layer.biases + o] : T(0);
            for (int i = 0; i < layer.in; ++i)
                total = fma(theta[layer.weights + std::int64_t{o} * layer.in + i], static_cast<T>(trace.back().x[i]),
                            total);
            z[o] = static_cast<double>(total);
        }
        trace.push_back({z, first_lane(ws.a[l], layer.out), first_lane(ws.delta[l], layer.out)});
    }
    return trace;
}

template <class T>
void predict(const Network& net, const T* theta, const T* x, std::int64_t n, T* out, int threads, Control& control) {
    const int inputs = net.inputs(), units = net.outputs();
    constexpr int most = panel_samples;
    const double flops = 2.0 * static_cast<double>(net.num_params()) * static_cast<double>(n);
    parallel_for(threads_for(flops, threads), (n + most - 1) / most, control, [&](std::int64_t p) {
        const std::int64_t first = p * most;
        const int samples = static_cast<int>(std::min<std::int64_t>(most, n - first));
        const int vectors = (samples + lanes<T> - 1) / lanes<T>;
        thread_local Buffer<T> memory;
        T* const columns = ensure(memory, static_cast<std::size_t>(vectors) * lanes<T> * inputs);
        std::fill_n(columns, static_cast<std::size_t>(vectors) * lanes<T> * inputs, T(0));
        for_each_chunk(vectors, [&](int v0, int count) {
            T* chunk = columns + std::ptrdiff_t{v0} * lanes<T> * inputs;
            for (int i = 0; i < count * lanes<T> && v0 * lanes<T> + i < samples; ++i)
                for (int k = 0; k < inputs; ++k)
                    chunk[std::ptrdiff_t{k} * count * lanes<T> + i] = x[(first + v0 * lanes<T> + i) * inputs + k];
        });
        Workspace<T>& ws = workspace<T>(net, vectors, 0);
        forward<0>(net, theta, Panel<T>{samples, vectors, columns, nullptr}, ws);
        for_each_chunk(vectors, [&](int v0, int count) {
            const T* chunk = ws.a[net.depth()] + std::ptrdiff_t{v0} * lanes<T> * units;
            for (int i = 0; i < count * lanes<T> && v0 * lanes<T> + i < samples; ++i)
                for (int k = 0; k < units; ++k)
                    out[(first + v0 * lanes<T> + i) * units + k] = chunk[std::ptrdiff_t{k} * count * lanes<T> + i];
        });
    });
    control.throw_if_stopped();
}

template class Objective<double>;
template class Objective<float>;
template void predict(const Network&, const double*, const double*, std::int64_t, double*, int, Control&);
template void predict(const Network&, const float*, const float*, std::int64_t, float*, int, Control&);

}  // namespace etaflow
