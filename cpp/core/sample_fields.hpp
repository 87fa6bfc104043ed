// Quantities of many samples, kept between the pass that computes them and the products over samples that use them.
#pragma once

#include <vector>

#include "lane_product.hpp"
#include "propagate.hpp"

namespace etaflow {

// `units` rows of lanes; the first is row `first` of a panel.
struct Field {
    std::ptrdiff_t first;
    int units;
};

// The fields kept of every sample, in the panel layout. Layers count from 1.
struct SampleFields {
    std::vector<Field> input, delta;  // a_{l-1} and, for the bias, a constant 1; dL/dz_l
    std::ptrdiff_t units = 0;

    explicit SampleFields(const Network& net) : input(1), delta(1) {
        for (const Layer& layer : net.layers()) {
            input.push_back(add(layer.in + layer.bias));
            delta.push_back(add(layer.out));
        }
    }
    Field add(int count) {
        const Field field{units, count};
        units += count;
        return field;
    }
};

// The fields of one panel.
template <class T>
struct FieldPanel {
    T* data;
    int samples;
    int vectors;

    T* at(Field field) const { return data + field.first * vectors * lanes<T>; }
    // Rows of the chunk that begins at vector v0.
    T* chunk(Field field, int v0) const { return at(field) + std::ptrdiff_t{v0} * field.units * lanes<T>; }
    LaneRows<T> rows(Field field, int first) const { return {at(field), field.units, first}; }
};

// A sequence of whole panels whose fields fit into a bounded memory. The sequences depend on the network and the number
// of samples alone.
template <class T>
class FieldBlocks {
  public:
    static constexpr std::ptrdiff_t most_bytes = std::ptrdiff_t{16} << 20;

    FieldBlocks(const Panels<T>& panels, std::ptrdiff_t units) : panels_(panels), units_(units) {
        const std::ptrdiff_t panel_bytes = units * panels.max_vectors() * vector_bytes;
        per_block_ = std::clamp<std::int64_t>(most_bytes / panel_bytes, 1, panels.count());
        thread_local Buffer<T> memory;
        data_ = ensure(memory, static_cast<std::size_t>(per_block_ * panels.max_vectors() * units * lanes<T>));
    }
    // f(first panel, end, whether it is the first block)
    template <class F>
    void for_each(F f) const {
        for (std::int64_t p = 0; p < panels_.count(); p += per_block_)
            f(p, std::min(panels_.count(), p + per_block_), p == 0);
    }
    // Panel p of the block that begins with panel `first`.
    FieldPanel<T> panel(std::int64_t first, std::int64_t p) const {
        const Panel<T> panel = panels_.panel(p);
        return {data_ + (panels_.begin(p) - panels_.begin(first)) * units_ * lanes<T>, panel.samples, panel.vectors};
    }

  private:
    const Panels<T>& panels_;
    std::ptrdiff_t units_;
    std::int64_t per_block_;
    T* data_;
};

// Copies inputs and deltas of every layer.
template <class T>
void keep_layers(const Network& net, const SampleFields& fields, const Panel<T>& panel, const Workspace<T>& ws,
                 const FieldPanel<T>& to) {
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>, row = std::ptrdiff_t{count} * lanes<T>;
        for (int l = 1; l <= net.depth(); ++l) {
            const Layer& layer = net.layers()[l - 1];
            const T* const a = (l == 1 ? panel.x : ws.a[l - 1]) + at * layer.in;
            T* const input = std::copy_n(a, layer.in * row, to.chunk(fields.input[l], v0));
            if (layer.bias) std::fill_n(input, row, T(1));
            std::copy_n(ws.delta[l] + at * layer.out, layer.out * row, to.chunk(fields.delta[l], v0));
        }
    });
}

}  // namespace etaflow
