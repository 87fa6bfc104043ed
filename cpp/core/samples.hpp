// Observations in the two layouts the kernels read: rows for random access, panels for passes over all of them.
#pragma once

#include <cstring>

#include "buffer.hpp"
#include "panel.hpp"

namespace etaflow {

// [x …, 1, y …, padding] per observation, padded to whole vectors: one contiguous read brings all a step needs.
template <class T>
class Rows {
  public:
    static constexpr int alignment = 16;  // elements; a multiple of the lanes of every build and type

    Rows(const T* x, const T* y, std::int64_t n, int inputs, int targets)
        : n_(n),
          inputs_(inputs),
          targets_(targets),
          stride_((inputs + 1 + targets + alignment - 1) / alignment * alignment) {
        data_.assign(static_cast<std::size_t>(n) * stride_ + alignment, T(0));  // a sweep may read past the last row
        for (std::int64_t i = 0; i < n; ++i) {
            T* row = data_.data() + i * stride_;
            std::memcpy(row, x + i * inputs, sizeof(T) * inputs);
            row[inputs] = T(1);
            std::memcpy(row + inputs + 1, y + i * targets, sizeof(T) * targets);
        }
    }

    std::int64_t size() const { return n_; }
    int inputs() const { return inputs_; }
    int targets() const { return targets_; }
    int stride() const { return stride_; }
    const T* row(std::int64_t i) const { return data_.data() + i * stride_; }
    const T* target(std::int64_t i) const { return row(i) + inputs_ + 1; }

  private:
    std::int64_t n_;
    int inputs_, targets_, stride_;
    Buffer<T> data_;
};

// Work that makes one panel large enough: beyond it a batch is cut further, for the threads.
inline constexpr double panel_flops = 8e7;

// Inputs beyond this many bytes come from memory at every pass, not from a cache: then they are read in one layout
// only.
inline constexpr double most_cached_bytes = 5e6;

// Any list of observations as a sequence of panels of nearly equal size.
template <class T>
class Panels {
  public:
    Panels() = default;
    // `flops` of work per sample bounds the size of a panel of a large network, so that threads can share a batch.
    Panels(std::int64_t n, int inputs, int targets, double flops) { resize(n, inputs, targets, flops); }

    void resize(std::int64_t n, int inputs, int targets, double flops) {
        n_ = n;
        inputs_ = inputs;
        targets_ = targets;
        total_ = (n + lanes<T> - 1) / lanes<T>;
        const double samples = std::clamp(panel_flops / flops, 4.0 * lanes<T>, double{panel_samples});
        const std::int64_t most = static_cast<std::int64_t>(samples) / lanes<T>;
        count_ = std::max<std::int64_t>(1, (total_ + most - 1) / most);
        ensure(x_, static_cast<std::size_t>(total_) * lanes<T> * inputs);
        ensure(y_, static_cast<std::size_t>(total_) * lanes<T> * targets);
    }

    // The panels are to hold row(0), row(1), …; indices may be null for "all, in order". Both must outlive what is
    // computed from the panels. Then fill_panel fills one after the other, or all at once on several threads.
    void start_filling(const Rows<T>& rows, const std::int32_t* indices) {
        rows_ = &rows;
        indices_ = indices;
    }
    void fill_panel(std::int64_t p) {
        const std::int64_t first = begin(p), vectors = begin(p + 1) - first;
        for_each_chunk(static_cast<int>(vectors), [&](int v0, int count) {
            for (int v = 0; v < count; ++v) fill_vector(first, v0, count, v);
        });
    }
    void fill(const Rows<T>& rows, const std::int32_t* indices) {
        start_filling(rows, indices);
        for (std::int64_t p = 0; p < count_; ++p) fill_panel(p);
    }

    std::int64_t samples() const { return n_; }
    std::int64_t count() const { return count_; }
    std::int64_t padded() const { return total_ * lanes<T>; }
    // First vector of panel p; begin(count()) is the end.
    std::int64_t begin(std::int64_t p) const { return total_ * p / count_; }
    std::int64_t first_sample(std::int64_t p) const { return begin(p) * lanes<T>; }
    int max_vectors() const { return static_cast<int>((total_ + count_ - 1) / count_); }

    // Whether the inputs stay in a processor's cache from one pass to the next.
    bool is_cached() const { return static_cast<double>(total_) * vector_bytes * inputs_ < most_cached_bytes; }

    Panel<T> panel(std::int64_t p) const {
        const std::int64_t first = begin(p), vectors = begin(p + 1) - first;
        const std::int64_t samples = std::min(vectors * lanes<T>, n_ - first * lanes<T>);
        const std::int64_t sample = first * lanes<T>;
        return {static_cast<int>(samples),
                static_cast<int>(vectors),
                x_.data() + sample * inputs_,
                y_.data() + sample * targets_,
                is_cached() ? rows_->row(indices_ ? 0 : sample) : nullptr,
                rows_->stride(),
                indices_ ? indices_ + sample : nullptr};
    }

  private:
    void fill_vector(std::int64_t first, int v0, int count, int v) {
        const std::int64_t sample = (first + v0 + v) * lanes<T>;
        const T* row[lanes<T>];
        for (int i = 0; i < lanes<T>; ++i) {
            const std::int64_t at = sample + i;
            row[i] = at < n_ ? rows_->row(indices_ ? indices_[at] : at) : nullptr;
        }
        T* x = x_.data() + (first + v0) * lanes<T> * inputs_ + v * lanes<T>;
        T* y = y_.data() + (first + v0) * lanes<T> * targets_ + v * lanes<T>;
        const std::ptrdiff_t step = std::ptrdiff_t{count} * lanes<T>;
        const int all = inputs_ + 1 + targets_;
        for (int k = 0; k < all; k += lanes<T>) {
            Vec<T> square[lanes<T>];
            for (int i = 0; i < lanes<T>; ++i) square[i] = row[i] ? load(row[i] + k) : Vec<T>{};
            transpose<T>(square);
            for (int j = 0; j < lanes<T> && k + j < all; ++j) {
                if (k + j < inputs_)
                    store(x + (k + j) * step, square[j]);
                else if (k + j > inputs_)
                    store(y + (k + j - inputs_ - 1) * step, square[j]);
            }
        }
    }

    std::int64_t n_ = 0, total_ = 0, count_ = 1;
    int inputs_ = 0, targets_ = 0;
    Buffer<T> x_, y_;
    const Rows<T>* rows_ = nullptr;
    const std::int32_t* indices_ = nullptr;
};

}  // namespace etaflow
