// Memory aligned for every SIMD vector, reused between calls.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace etaflow {

template <class T>
struct AlignedAllocator {
    using value_type = T;
    static constexpr std::align_val_t alignment{64};
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, alignment); }
    template <class U>
    bool operator==(const AlignedAllocator<U>&) const {
        return true;
    }
};

template <class T>
using Buffer = std::vector<T, AlignedAllocator<T>>;

// A pointer to at least `size` elements; the contents are whatever was there before.
template <class T>
T* ensure(Buffer<T>& buffer, std::size_t size) {
    if (buffer.size() < size) buffer.resize(size);
    return buffer.data();
}

}  // namespace etaflow
