// The gradient of every sample by itself: in each layer the outer product of its deltas and its inputs.
#pragma once

#include "propagate.hpp"
#include "sample_rows.hpp"

namespace etaflow {

// delta[o] * x[i] for all o, i as one contiguous row-major block. x can be read up to whole vectors. Whole vectors are
// written where they fit before `end`: they may run over into what is written afterwards.
template <class T>
inline void outer_product(const T* delta, int rows, const T* x, int cols, T* out, const T* end) {
    constexpr int few = 2;  // vectors of x that stay in registers
    const std::ptrdiff_t padded = padded_to_lanes<T>(cols), room = end - out - padded;
    const int whole = room < 0 ? 0 : static_cast<int>(std::min<std::ptrdiff_t>(rows, room / cols + 1));
    int o = 0;
    if (padded <= few * lanes<T>) {
        with_constant<few>(static_cast<int>(padded) / lanes<T>, [&](auto vectors) {
            Vec<T> in[vectors];
            for (int v = 0; v < vectors; ++v) in[v] = load(x + v * lanes<T>);
            for (; o < whole; ++o, out += cols)
                for (int v = 0; v < vectors; ++v) store_unaligned(out + v * lanes<T>, set1<T>(delta[o]) * in[v]);
        });
    }
    for (; o < whole; ++o, out += cols) {
        const Vec<T> d = set1<T>(delta[o]);
        for (std::ptrdiff_t i = 0; i < padded; i += lanes<T>) store_unaligned(out + i, d * load(x + i));
    }
    for (; o < rows; ++o, out += cols) {
        const Vec<T> d = set1<T>(delta[o]);
        for (int i = 0; i + lanes<T> <= cols; i += lanes<T>) store_unaligned(out + i, d * load(x + i));
        if (cols >= lanes<T>)
            store_unaligned(out + cols - lanes<T>, d * load_unaligned(x + cols - lanes<T>));
        else
            for (int i = 0; i < cols; ++i) out[i] = delta[o] * x[i];
    }
}

// The deltas and inputs of the samples of one vector, as rows: what a layer's outer products read.
template <class T>
class LayerRows {
  public:
    explicit LayerRows(const Network& net) : net_(net) {
        for (const Layer& layer : net.layers()) {
            offsets_.push_back(stride_);
            stride_ += padded_to_lanes<T>(layer.out) + padded_to_lanes<T>(layer.in);
        }
        thread_local Buffer<T> memory;
        data_ = ensure(memory, static_cast<std::size_t>(stride_) * lanes<T>);
    }

    // Of vector v among `count` of the chunk that begins at v0. Inputs that the panel has as rows stay there.
    void fill(const Panel<T>& panel, const Workspace<T>& ws, int v0, int count, int v) {
        const auto transpose_units = [&](const T* from, int units, T* to) {
            to_sample_rows(from + (std::ptrdiff_t{v0} * units + v) * lanes<T>, units, std::ptrdiff_t{count} * lanes<T>,
                           SampleRows<T>{to, stride_}, 0);
        };
        for (int l = 1; l <= net_.depth(); ++l) {
            const Layer& layer = net_.layers()[l - 1];
            transpose_units(ws.delta[l], layer.out, delta(l, 0));
            if (l > 1 || !panel.rows) transpose_units(l > 1 ? ws.a[l - 1] : panel.x, layer.in, input(l, 0));
        }
    }
    T* delta(int l, int lane) const { return data_ + lane * stride_ + offsets_[l - 1]; }
    T* input(int l, int lane) const { return delta(l, lane) + padded_to_lanes<T>(net_.widths()[l]); }

  private:
    const Network& net_;
    std::vector<std::ptrdiff_t> offsets_;
    std::ptrdiff_t stride_ = 0;
    T* data_;
};

// Gradients of the samples of one panel as rows: out (panel.samples, d).
template <class T>
void write_sample_gradients(const Network& net, const Panel<T>& panel, const T* theta, Loss loss, T* out) {
    Workspace<T>& ws = workspace<T>(net, panel.vectors, 1);
    propagate<false, T>(net, loss, theta, panel, nullptr, ws);
    LayerRows<T> rows(net);
    const T one = 1;
    const T* const end = out + panel.samples * net.num_params();
    const auto write = [&](int sample, int lane) {
        T* const row = out + sample * net.num_params();
        for (int l = 1; l <= net.depth(); ++l) {
            const Layer& layer = net.layers()[l - 1];
            const T* const delta = rows.delta(l, lane);
            const T* const x = l == 1 && panel.rows ? panel.row(sample) : rows.input(l, lane);
            outer_product(delta, layer.out, x, layer.in, row + layer.weights, end);
            if (layer.bias) outer_product(&one, 1, delta, layer.out, row + layer.biases, end);
        }
    };
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        for (int v = 0; v < count; ++v) {
            const int first = (v0 + v) * lanes<T>, samples = std::min(lanes<T>, panel.samples - first);
            rows.fill(panel, ws, v0, count, v);
            for (int i = 0; i < samples; ++i) write(first + i, i);
        }
    });
}

}  // namespace etaflow
