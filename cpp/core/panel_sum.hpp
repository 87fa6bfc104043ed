// Sums over all panels of vectors laid out as theta, in one order for any number of threads.
#pragma once

#include "parallel.hpp"
#include "samples.hpp"

namespace etaflow {

// At most this many slabs of whole panels are summed apart and then added in order.
inline constexpr std::int64_t most_slabs = 16;

// out (size) = sum over panels p of what add(p, partial) adds to its second argument; null and size 0: panels are
// visited.
template <class T, class F>
void sum_over_panels(const Panels<T>& data, std::int64_t size, T* out, Threads threads, Control& control, F add) {
    const std::int64_t slabs = std::min(most_slabs, data.count());
    thread_local Buffer<T> memory;
    T* const others = slabs > 1 && size > 0 ? ensure(memory, static_cast<std::size_t>(size * (slabs - 1))) : nullptr;
    parallel_for(threads, slabs, control, [&](std::int64_t slab) {
        T* const partial = slab == 0 || size == 0 ? out : others + (slab - 1) * size;
        std::fill_n(partial, size, T(0));
        const std::int64_t end = data.count() * (slab + 1) / slabs;
        for (std::int64_t p = data.count() * slab / slabs; p < end && !control.stopped(); ++p) {
            add(p, partial);
            control.poll();
        }
    });
    control.throw_if_stopped();
    if (slabs == 1) return;
    constexpr std::int64_t piece = 1 << 14;
    parallel_for(threads, (size + piece - 1) / piece, control, [&](std::int64_t p) {
        for (std::int64_t slab = 1; slab < slabs; ++slab)
            for (std::int64_t i = p * piece; i < std::min(size, (p + 1) * piece); ++i)
                out[i] += others[(slab - 1) * size + i];
    });
}

}  // namespace etaflow
