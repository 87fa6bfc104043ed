// Copies one triangle of a symmetric matrix onto the other.
#pragma once

#include <algorithm>

#include "parallel.hpp"
#include "simd.hpp"

namespace etaflow {

// to[j][i] = from[i][j] for i < rows, j < cols; rows of both matrices are `stride` elements apart.
template <class T>
void copy_transposed(const T* from, int rows, int cols, T* to, std::ptrdiff_t stride) {
    int i = 0;
    for (; i + lanes<T> <= rows; i += lanes<T>) {
        int j = 0;
        for (; j + lanes<T> <= cols; j += lanes<T>) {
            Vec<T> square[lanes<T>];
            for (int k = 0; k < lanes<T>; ++k) square[k] = load_unaligned(from + (i + k) * stride + j);
            transpose<T>(square);
            for (int k = 0; k < lanes<T>; ++k) store_unaligned(to + (j + k) * stride + i, square[k]);
        }
        for (; j < cols; ++j)
            for (int k = 0; k < lanes<T>; ++k) to[j * stride + i + k] = from[(i + k) * stride + j];
    }
    for (; i < rows; ++i)
        for (int j = 0; j < cols; ++j) to[j * stride + i] = from[i * stride + j];
}

inline constexpr int mirror_rows = 64;

// a (size, size) with rows `stride` apart: rows [first, first + mirror_rows) left of the diagonal, from above it.
template <class T>
void mirror_upper(T* a, std::ptrdiff_t stride, std::int64_t size, std::int64_t first) {
    const int rows = static_cast<int>(std::min<std::int64_t>(mirror_rows, size - first));
    for (std::int64_t j = 0; j < first; j += mirror_rows)
        copy_transposed(a + j * stride + first, mirror_rows, rows, a + first * stride + j, stride);
    for (int block = 0; block < rows; block += lanes<T>) {  // squares on and beside the diagonal of the last block
        T* const corner = a + (first + block) * stride + first;
        const int count = std::min(lanes<T>, rows - block);
        copy_transposed(a + first * stride + first + block, block, count, corner, stride);
        for (int i = 0; i < count; ++i)
            for (int j = 0; j < i; ++j) corner[i * stride + block + j] = corner[j * stride + block + i];
    }
}

// The lower triangle of a (size, size) from the upper one.
template <class T>
void mirror_upper(T* a, std::int64_t size, Threads threads, Control& control) {
    parallel_for(threads, (size + mirror_rows - 1) / mirror_rows, control,
                 [&](std::int64_t block) { mirror_upper(a, size, size, block * mirror_rows); });
    control.throw_if_stopped();
}

}  // namespace etaflow
