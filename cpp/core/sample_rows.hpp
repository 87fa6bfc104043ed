// Quantities of samples as rows, one sample after another: for loops whose lanes are the units of one sample.
#pragma once

#include "simd.hpp"

namespace etaflow {

template <class T>
struct SampleRows {
    T* data;
    std::ptrdiff_t stride;

    T* row(std::ptrdiff_t i) const { return data + i * stride; }
};

template <class T>
constexpr std::ptrdiff_t padded_to_lanes(std::ptrdiff_t units) {
    return (units + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// The samples of one vector, from a chunk of the panel layout: row `first` and the rest of a vector's, up to whole
// vectors of units. `from` is the vector of the first unit, the next unit's is `step` elements away.
template <class T>
void to_sample_rows(const T* from, int units, std::ptrdiff_t step, SampleRows<T> to, std::ptrdiff_t first) {
    for (int k = 0; k < units; k += lanes<T>) {
        Vec<T> square[lanes<T>];
        for (int i = 0; i < lanes<T>; ++i) square[i] = k + i < units ? load(from + (k + i) * step) : Vec<T>{};
        transpose<T>(square);
        for (int i = 0; i < lanes<T>; ++i) store(to.row(first + i) + k, square[i]);
    }
}

}  // namespace etaflow
