// Quantities of many samples, kept between the pass that computes them and the products over samples that use them.
#pragma once

#include <vector>

#include "lane_product.hpp"
#include "objective.hpp"
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

// Cuts all observations into slices of panels, and these into blocks whose fields fit into `most_bytes` (at least one
// chunk of samples), all of it by the network and the number of samples alone.
template <class T>
class FieldBlocks {
  public:
    FieldBlocks(const Objective<T>& f, std::ptrdiff_t units, std::ptrdiff_t most_bytes) {
        const std::ptrdiff_t fitting = most_bytes / (units * vector_bytes);  // vectors
        const int most = static_cast<int>(std::clamp<std::ptrdiff_t>(fitting, chunk_vectors, f.panels().max_vectors()));
        const int step = most < f.panels().max_vectors() ? most / chunk_vectors * chunk_vectors : most;
        std::int64_t vectors = 0;
        for (std::int64_t p = 0; p < f.panels().count(); ++p) {
            const Panel<T> panel = f.panels().panel(p);
            for (int v0 = 0; v0 < panel.vectors; v0 += step) {
                const Panel<T> slice = slice_of(f, panel, v0, std::min(step, panel.vectors - v0));
                if (slices_.empty() || vectors + slice.vectors > fitting) {
                    starts_.push_back(static_cast<std::int64_t>(slices_.size()));
                    vectors = 0;
                }
                slices_.push_back(slice);
                offsets_.push_back(vectors * units * lanes<T>);
                vectors += slice.vectors;
                most_vectors_ = std::max(most_vectors_, vectors);
            }
        }
        starts_.push_back(static_cast<std::int64_t>(slices_.size()));
        thread_local Buffer<T> kept;
        const std::size_t size = static_cast<std::size_t>(most_vectors_ * units * lanes<T>);
        data_ = ensure(size * sizeof(T) <= most_kept_bytes ? kept : own_, size);
    }
    FieldBlocks(const FieldBlocks&) = delete;
    FieldBlocks& operator=(const FieldBlocks&) = delete;

    // f(first slice of a block, end, whether it is the first block)
    template <class F>
    void for_each(F f) const {
        for (std::size_t b = 0; b + 1 < starts_.size(); ++b) f(starts_[b], starts_[b + 1], b == 0);
    }
    const Panel<T>& slice(std::int64_t i) const { return slices_[i]; }
    // Valid for the slices of one block at a time.
    FieldPanel<T> fields(std::int64_t i) const { return {data_ + offsets_[i], slices_[i].samples, slices_[i].vectors}; }

  private:
    static constexpr std::size_t most_kept_bytes = std::size_t{32} << 20;  // between calls, by each thread

    static Panel<T> slice_of(const Objective<T>& f, Panel<T> panel, int v0, int vectors) {
        const std::ptrdiff_t first = std::ptrdiff_t{v0} * lanes<T>;
        panel.x += first * f.net().inputs();
        panel.y += first * target_rows(f.loss(), f.net().outputs());
        if (panel.indices)
            panel.indices += first;
        else if (panel.rows)
            panel.rows += first * panel.row_stride;
        panel.samples = static_cast<int>(std::min<std::ptrdiff_t>(vectors * lanes<T>, panel.samples - first));
        panel.vectors = vectors;
        return panel;
    }

    std::int64_t most_vectors_ = 0;
    std::vector<Panel<T>> slices_;
    std::vector<std::ptrdiff_t> offsets_;
    std::vector<std::int64_t> starts_;
    Buffer<T> own_;
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
