// Quantities of many samples, kept between the pass that computes them and the products over samples that use them.
#pragma once

#include <span>
#include <vector>

#include "objective.hpp"
#include "propagate.hpp"
#include "row_product.hpp"

namespace etaflow {

// `units` numbers of every sample; with padding, `stride`. The field begins `first` numbers per sample into a slice.
struct Field {
    std::ptrdiff_t first = 0;
    int units = 0;
    std::ptrdiff_t stride = 0;
};

// The fields kept of every sample. Layers count from 1.
template <class T>
struct SampleFields {
    std::vector<Field> input, delta;  // a_{l-1} and, for the bias, a constant 1; dL/dz_l
    std::ptrdiff_t units = 0;         // of all fields, with padding

    explicit SampleFields(const Network& net) : input(1), delta(1) {
        for (const Layer& layer : net.layers()) {
            input.push_back(add(layer.in + layer.bias));
            delta.push_back(add(layer.out));
        }
    }
    // A row takes an odd number of cache lines: others would leave part of the cache unused.
    Field add(int count) {
        constexpr std::ptrdiff_t line = 64 / sizeof(T);
        const Field field{units, count, (((count + line - 1) / line) | 1) * line};
        units += field.stride;
        return field;
    }
};

// The fields of one slice, each a row per sample.
template <class T>
struct FieldRows {
    T* data;
    int samples;
    int vectors;  // there are rows for all lanes of these

    SampleRows<T> rows(Field field) const { return {data + field.first * vectors * lanes<T>, field.stride}; }
    SampleRows<const T> rows(Field field, int sample, int unit) const {
        return {rows(field).row(sample) + unit, field.stride};
    }
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
        // Rows may be read a vector beyond their end.
        const std::size_t size = static_cast<std::size_t>(most_vectors_ * units * lanes<T> + lanes<T>);
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
    FieldRows<T> fields(std::int64_t i) const { return {data_ + offsets_[i], slices_[i].samples, slices_[i].vectors}; }

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

// Some samples of a slice, as many as a product takes at a time.
struct Portion {
    std::int64_t slice;
    int first, samples;
};

template <class T>
std::vector<Portion> portions_of(const FieldBlocks<T>& kept, std::int64_t first, std::int64_t end) {
    std::vector<Portion> portions;
    for (std::int64_t p = first; p < end; ++p)
        for_each_piece(kept.slice(p).samples, product_samples,
                       [&](int i, int samples) { portions.push_back({p, i, samples}); });
    return portions;
}

// out (size) from sum(item, some portions, own, to) for every item, which writes its sums over them to its own places
// of `to`. Few items share the samples too, so that threads have something to share: two parts are summed apart,
// whatever the number of threads. The second part is alone in `to` (`own`).
template <class T, class F>
void sum_parts(std::int64_t items, const std::vector<Portion>& portions, std::int64_t size, T* out, auto threads,
               Control& control, F sum) {
    constexpr std::int64_t few = 8;
    const std::span<const Portion> all(portions);
    const std::size_t half = items < few ? (all.size() + 1) / 2 : all.size();
    const std::int64_t parts = half < all.size() ? 2 : 1;
    thread_local Buffer<T> memory;
    T* const other = ensure(memory, parts == 2 ? static_cast<std::size_t>(size) : 0);
    parallel_for(threads, items * parts, control, [&](std::int64_t i) {
        if (i % parts == 0)
            sum(i / parts, all.first(half), false, out);
        else
            sum(i / parts, all.subspan(half), true, other);
    });
    control.throw_if_stopped();
    if (parts == 2)
        for (std::int64_t i = 0; i < size; ++i) out[i] += other[i];  // where nothing was written, without a meaning
}

// Copies inputs and deltas of every layer.
template <class T>
void keep_layers(const Network& net, const SampleFields<T>& fields, const Panel<T>& panel, const Workspace<T>& ws,
                 const FieldRows<T>& to) {
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        const auto keep = [&](const T* from, int units, Field field) {
            for (int v = 0; v < count; ++v)
                to_sample_rows(from + (std::ptrdiff_t{v0} * units + v) * lanes<T>, units,
                               std::ptrdiff_t{count} * lanes<T>, to.rows(field), std::ptrdiff_t{v0 + v} * lanes<T>);
        };
        for (int l = 1; l <= net.depth(); ++l) {
            const Layer& layer = net.layers()[l - 1];
            keep(ws.delta[l], layer.out, fields.delta[l]);
            if (l > 1 || !panel.rows) keep(l > 1 ? ws.a[l - 1] : panel.x, layer.in, fields.input[l]);
        }
    });
    for (int l = 1; l <= net.depth(); ++l) {
        const Layer& layer = net.layers()[l - 1];
        for (int i = 0; i < panel.samples; ++i) {
            T* const input = to.rows(fields.input[l]).row(i);
            if (l == 1 && panel.rows) std::copy_n(panel.row(i), layer.in, input);
            if (layer.bias) input[layer.in] = T(1);
        }
    }
}

}  // namespace etaflow
