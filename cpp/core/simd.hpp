// One native SIMD vector of the instruction set this build is compiled for.
//
// The only header with intrinsics. Everything above it is written once, in terms of Vec<T>, and compiled for every
// instruction set. Arithmetic, comparison and `mask ? a : b` come from the compiler's vector extensions; this header
// adds what those lack: fused multiply-add, IEEE min/max with x86 NaN rules, square root, shuffles.
//
// The whole core is compiled with -ffp-contract=off: a multiply-add is fused exactly where `fma` stands, so that two
// kernels which write the same sequence of operations give the same bits.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX2__) || defined(__SSE2__)
#if defined(__GNUC__) && !defined(__clang__)  // GCC bug 105593: its AVX-512 header warns about itself
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

namespace etaflow {

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
inline constexpr int vector_bytes = 64;
#define ETAFLOW_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr int vector_bytes = 32;
#define ETAFLOW_VECTOR_BYTES 32
#else
inline constexpr int vector_bytes = 16;
#define ETAFLOW_VECTOR_BYTES 16
#endif

template <class T>
using IntOf = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;

template <class T>
struct VecTypes {
    typedef T value __attribute__((vector_size(ETAFLOW_VECTOR_BYTES)));
    typedef IntOf<T> integer __attribute__((vector_size(ETAFLOW_VECTOR_BYTES)));
};
template <class T>
using Vec = typename VecTypes<T>::value;
// Also the type of a comparison: all bits of a lane set (-1) where true.
template <class T>
using IntVec = typename VecTypes<T>::integer;

// Number of elements in one vector.
template <class T>
inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class V>
using ElementOf = std::remove_cv_t<std::remove_reference_t<decltype(std::declval<V&>()[0])>>;

// f(std::integral_constant<int, i>) for i = 0 … n-1. Arrays indexed by constants become registers; in loops that the
// compiler unrolls by itself they stay in memory until late.
template <int n, class F>
[[gnu::always_inline]] inline void unrolled(F f) {
    [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
        (f(std::integral_constant<int, i>{}), ...);
    }(std::make_integer_sequence<int, n>{});
}

// ---------------------------------------------------------------- load, store, broadcast

template <class T>
[[gnu::always_inline]] inline Vec<T> set1(T a) {
    return a - Vec<T>{};  // a scalar operand is broadcast by the compiler; a - 0 keeps -0 and NaN
}
template <class T>
[[gnu::always_inline]] inline IntVec<T> set1_int(IntOf<T> a) {
    return a - IntVec<T>{};
}
template <class T>
[[gnu::always_inline]] inline Vec<T> load(const T* p) {  // p aligned to vector_bytes
    return *reinterpret_cast<const Vec<T>*>(__builtin_assume_aligned(p, vector_bytes));
}
template <class T>
[[gnu::always_inline]] inline void store(T* p, Vec<T> v) {
    *reinterpret_cast<Vec<T>*>(__builtin_assume_aligned(p, vector_bytes)) = v;
}
template <class T>
[[gnu::always_inline]] inline Vec<T> load_unaligned(const T* p) {
    Vec<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
[[gnu::always_inline]] inline void store_unaligned(T* p, Vec<T> v) {
    std::memcpy(p, &v, sizeof v);
}

// ---------------------------------------------------------------- arithmetic the language lacks

inline double fma(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}
inline float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

#if ETAFLOW_VECTOR_BYTES == 64
[[gnu::always_inline]] inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
    return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
[[gnu::always_inline]] inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
    return (Vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
[[gnu::always_inline]] inline Vec<double> min(Vec<double> a, Vec<double> b) {
    return (Vec<double>)_mm512_min_pd((__m512d)a, (__m512d)b);
}
[[gnu::always_inline]] inline Vec<float> min(Vec<float> a, Vec<float> b) {
    return (Vec<float>)_mm512_min_ps((__m512)a, (__m512)b);
}
[[gnu::always_inline]] inline Vec<double> max(Vec<double> a, Vec<double> b) {
    return (Vec<double>)_mm512_max_pd((__m512d)a, (__m512d)b);
}
[[gnu::always_inline]] inline Vec<float> max(Vec<float> a, Vec<float> b) {
    return (Vec<float>)_mm512_max_ps((__m512)a, (__m512)b);
}
[[gnu::always_inline]] inline Vec<double> sqrt(Vec<double> a) { return (Vec<double>)_mm512_sqrt_pd((__m512d)a); }
[[gnu::always_inline]] inline Vec<float> sqrt(Vec<float> a) { return (Vec<float>)_mm512_sqrt_ps((__m512)a); }
#elif ETAFLOW_VECTOR_BYTES == 32
[[gnu::always_inline]] inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
    return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
[[gnu::always_inline]] inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
    return (Vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
[[gnu::always_inline]] inline Vec<double> min(Vec<double> a, Vec<double> b) {
    return (Vec<double>)_mm256_min_pd((__m256d)a, (__m256d)b);
}
[[gnu::always_inline]] inline Vec<float> min(Vec<float> a, Vec<float> b) {
    return (Vec<float>)_mm256_min_ps((__m256)a, (__m256)b);
}
[[gnu::always_inline]] inline Vec<double> max(Vec<double> a, Vec<double> b) {
    return (Vec<double>)_mm256_max_pd((__m256d)a, (__m256d)b);
}
[[gnu::always_inline]] inline Vec<float> max(Vec<float> a, Vec<float> b) {
    return (Vec<float>)_mm256_max_ps((__m256)a, (__m256)b);
}
[[gnu::always_inline]] inline Vec<double> sqrt(Vec<double> a) { return (Vec<double>)_mm256_sqrt_pd((__m256d)a); }
[[gnu::always_inline]] inline Vec<float> sqrt(Vec<float> a) { return (Vec<float>)_mm256_sqrt_ps((__m256)a); }
#else
// Any processor: element by element, which compilers turn into the vector instruction where one exists.
template <class V, class F>
[[gnu::always_inline]] inline V elementwise(F f) {
    V r;
    for (std::size_t i = 0; i < sizeof(V) / sizeof(ElementOf<V>); ++i) r[i] = f(i);
    return r;
}
#if defined(__ARM_FEATURE_FMA)
[[gnu::always_inline]] inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
    return elementwise<Vec<double>>([&](std::size_t i) { return __builtin_fma(a[i], b[i], c[i]); });
}
[[gnu::always_inline]] inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
    return elementwise<Vec<float>>([&](std::size_t i) { return __builtin_fmaf(a[i], b[i], c[i]); });
}
#else
[[gnu::always_inline]] inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return a * b + c; }
[[gnu::always_inline]] inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return a * b + c; }
#endif
#if defined(__SSE2__)
[[gnu::always_inline]] inline Vec<double> min(Vec<double> a, Vec<double> b) {
    return (Vec<double>)_mm_min_pd((__m128d)a, (__m128d)b);
}
[[gnu::always_inline]] inline Vec<float> min(Vec<float> a, Vec<float> b) {
    return (Vec<float>)_mm_min_ps((__m128)a, (__m128)b);
}
[[gnu::always_inline]] inline Vec<double> max(Vec<double> a, Vec<double> b) {
    return (Vec<double>)_mm_max_pd((__m128d)a, (__m128d)b);
}
[[gnu::always_inline]] inline Vec<float> max(Vec<float> a, Vec<float> b) {
    return (Vec<float>)_mm_max_ps((__m128)a, (__m128)b);
}
[[gnu::always_inline]] inline Vec<double> sqrt(Vec<double> a) { return (Vec<double>)_mm_sqrt_pd((__m128d)a); }
[[gnu::always_inline]] inline Vec<float> sqrt(Vec<float> a) { return (Vec<float>)_mm_sqrt_ps((__m128)a); }
#else
[[gnu::always_inline]] inline Vec<double> min(Vec<double> a, Vec<double> b) { return a < b ? a : b; }
[[gnu::always_inline]] inline Vec<float> min(Vec<float> a, Vec<float> b) { return a < b ? a : b; }
[[gnu::always_inline]] inline Vec<double> max(Vec<double> a, Vec<double> b) { return a > b ? a : b; }
[[gnu::always_inline]] inline Vec<float> max(Vec<float> a, Vec<float> b) { return a > b ? a : b; }
[[gnu::always_inline]] inline Vec<double> sqrt(Vec<double> a) {
    return elementwise<Vec<double>>([&](std::size_t i) { return __builtin_sqrt(a[i]); });
}
[[gnu::always_inline]] inline Vec<float> sqrt(Vec<float> a) {
    return elementwise<Vec<float>>([&](std::size_t i) { return __builtin_sqrtf(a[i]); });
}
#endif
#endif
// min and max return their second operand when either is NaN: write min(limit, x) to let NaN through.

template <class T>
[[gnu::always_inline]] inline Vec<T> abs(Vec<T> a) {
    constexpr IntOf<T> mask = static_cast<IntOf<T>>(~(std::uint64_t{1} << (8 * sizeof(T) - 1)));
    return (Vec<T>)((IntVec<T>)a & mask);
}
[[gnu::always_inline]] inline Vec<double> abs(Vec<double> a) { return abs<double>(a); }
[[gnu::always_inline]] inline Vec<float> abs(Vec<float> a) { return abs<float>(a); }

// True where some lane of a comparison is set.
template <class T>
[[gnu::always_inline]] inline bool any(IntVec<T> mask) {
#if ETAFLOW_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 8) return _mm512_movepi64_mask((__m512i)mask) != 0;
    return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif ETAFLOW_VECTOR_BYTES == 32
    return _mm256_movemask_epi8((__m256i)mask) != 0;
#elif defined(__SSE2__)
    return _mm_movemask_epi8((__m128i)mask) != 0;
#else
    IntOf<T> r = 0;
    for (int i = 0; i < lanes<T>; ++i) r |= mask[i];
    return r != 0;
#endif
}

// ---------------------------------------------------------------- shuffles

namespace detail {

// Blocks of s elements: `low` keeps the even blocks of a and puts those of b between them, `high` does so for odd ones.
template <class V, int s, std::size_t... j>
[[gnu::always_inline]] inline V low(V a, V b, std::index_sequence<j...>) {
    constexpr int n = sizeof...(j);
    return __builtin_shufflevector(a, b, ((j & s) == 0 ? static_cast<int>(j) : n + static_cast<int>(j) - s)...);
}
template <class V, int s, std::size_t... j>
[[gnu::always_inline]] inline V high(V a, V b, std::index_sequence<j...>) {
    constexpr int n = sizeof...(j);
    return __builtin_shufflevector(a, b, ((j & s) == 0 ? static_cast<int>(j) + s : n + static_cast<int>(j))...);
}

template <class T, int s>
[[gnu::always_inline]] inline void transpose_stage(Vec<T>* r) {
    constexpr int n = lanes<T>;
    using Indices = std::make_index_sequence<n>;
    if constexpr (s < n) {
        for (int i = 0; i < n; ++i) {
            if (i & s) continue;
            const Vec<T> a = r[i], b = r[i + s];
            r[i] = low<Vec<T>, s>(a, b, Indices{});
            r[i + s] = high<Vec<T>, s>(a, b, Indices{});
        }
        transpose_stage<T, 2 * s>(r);
    }
}

template <class T, int s>
[[gnu::always_inline]] inline void reduce_stage(Vec<T>* r) {
    constexpr int n = lanes<T>;
    using Indices = std::make_index_sequence<n>;
    if constexpr (s < n) {
        for (int i = 0; i < n / (2 * s); ++i) {
            const Vec<T> a = r[2 * i], b = r[2 * i + 1];
            r[i] = low<Vec<T>, s>(a, b, Indices{}) + high<Vec<T>, s>(a, b, Indices{});
        }
        reduce_stage<T, 2 * s>(r);
    }
}

}  // namespace detail

// In place: a square of lanes x lanes elements.
template <class T>
[[gnu::always_inline]] inline void transpose(Vec<T>* rows) {
    detail::transpose_stage<T, 1>(rows);
}

// The sums of `lanes` vectors as one vector: result[i] = sum of rows[i]. Destroys rows.
template <class T>
[[gnu::always_inline]] inline Vec<T> reduce(Vec<T>* rows) {
    detail::reduce_stage<T, 1>(rows);
    return rows[0];
}

// f(std::integral_constant<int, i>, sum of v[i]) for every i.
template <class T, int count, class F>
[[gnu::always_inline]] inline void for_each_sum(const Vec<T> (&v)[count], F f) {
    constexpr int squares = (count + lanes<T> - 1) / lanes<T>;
    Vec<T> sums[squares];
    unrolled<squares>([&](auto part) __attribute__((always_inline)) {
        Vec<T> square[lanes<T>];
        unrolled<lanes<T>>([&](auto i) __attribute__((always_inline)) {
            constexpr int at = part * lanes<T> + i;
            square[i] = at < count ? v[at < count ? at : 0] : Vec<T>{};
        });
        sums[part] = reduce<T>(square);
    });
    unrolled<count>([&](auto i) __attribute__((always_inline)) { f(i, sums[i / lanes<T>][i % lanes<T>]); });
}

// Lane i gets what lane i ^ s holds.
template <class T, int s>
[[gnu::always_inline]] inline Vec<T> exchange(Vec<T> a) {
    return [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
        return __builtin_shufflevector(a, a, (static_cast<int>(i) ^ s)...);
    }(std::make_index_sequence<lanes<T>>{});
}

// The sum of the first n lanes in every lane: halves are added, then quarters, and so on.
template <class T, int n>
[[gnu::always_inline]] inline Vec<T> sum_first(Vec<T> a) {
    if constexpr (n > 1) {
        return sum_first<T, n / 2>(a + exchange<T, n / 2>(a));
    } else {
        return set1<T>(a[0]);
    }
}

// Sum of the lanes of one vector, in the order of `reduce`.
template <class T>
[[gnu::always_inline]] inline T sum(Vec<T> a) {
    T r[lanes<T>];
    std::memcpy(r, &a, sizeof a);
    for (int s = 1; s < lanes<T>; s *= 2)
        for (int i = 0; i < lanes<T>; i += 2 * s) r[i] = r[i] + r[i + s];
    return r[0];
}

}  // namespace etaflow
