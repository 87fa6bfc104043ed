#include "sampler.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

namespace etaflow {

namespace {

constexpr std::size_t chunk = 256;  // words made at a time: 2 KB of stack

// Calls use(i, word) for the words first + i, i = 0 … count-1, of a stream.
template <class Use>
[[gnu::always_inline]] inline void for_each_word(PhiloxKey key, PhiloxBlock counter, std::uint64_t first,
                                                 std::size_t count, Use use) {
    std::uint64_t words[chunk];
    for (std::size_t begin = 0; begin < count; begin += chunk) {
        const std::size_t size = std::min(chunk, count - begin);
        philox_words(key, counter, first + begin, size, words);
        for (std::size_t i = 0; i < size; ++i) use(begin + i, words[i]);
    }
}

#if ETAFLOW_PHILOX_VECTOR

using detail::Words;
typedef std::int32_t Indices __attribute__((vector_size(32)));

// iid draws position … position+count-1 of eight runs, a lane each, to rows of `out` that are `stride` apart.
void fill_iid_of_eight(const PhiloxKey* keys, std::uint64_t n, std::uint64_t position, std::uint64_t count,
                       std::int32_t* out, std::ptrdiff_t stride) {
    constexpr int group = 4;  // counters in flight
    Words seed, run;
    for (int i = 0; i < 8; ++i) {
        seed[i] = keys[i].seed;
        run[i] = keys[i].run;
    }
    const std::uint64_t end = position + count;
    for (std::uint64_t block = position / 4; 4 * block < end; block += group) {
        Words c[group][4];
        for (std::uint64_t i = 0; i < group; ++i) {
            c[i][0] = detail::words(block + i + 1);
            c[i][1] = detail::words(sampling_stream);
            c[i][2] = c[i][3] = Words{};
        }
        detail::philox_vector_rounds<group>(seed, run, c);
        for (std::uint64_t i = 0; i < 4 * group; ++i) {
            const std::uint64_t draw = 4 * block + i;
            if (draw < position || draw >= end) continue;
            const auto indices = __builtin_convertvector(detail::uniform_below(c[i / 4][i % 4], n), Indices);
            std::memcpy(out + static_cast<std::ptrdiff_t>(draw - position) * stride, &indices, sizeof indices);
        }
    }
}

#endif

}  // namespace

Sampling sampling_from_name(std::string_view name) {
    constexpr std::pair<std::string_view, Sampling> names[] = {
        {"all", Sampling::all},
        {"iid", Sampling::iid},
        {"without_replacement", Sampling::without_replacement},
        {"shuffle_once", Sampling::shuffle_once},
        {"reshuffle", Sampling::reshuffle},
        {"explicit", Sampling::explicit_indices},
    };
    for (const auto& [known, sampling] : names)
        if (name == known) return sampling;
    throw std::invalid_argument(
        "sampling must be all, iid, without_replacement, shuffle_once, reshuffle or explicit (got " +
        std::string(name) + ")");
}

Sampler::Sampler(Sampling kind, std::int64_t n, std::int64_t batch, std::uint64_t seed, std::uint64_t run,
                 const std::int64_t* indices, std::int64_t first_step)
    : kind_(kind),
      n_(n),
      batch_(kind == Sampling::all ? n : batch),
      key_{seed, run},
      indices_(indices),
      first_step_(first_step) {
    assert(n > 0 && n < (std::int64_t{1} << 31) && batch_ > 0);
    assert(kind != Sampling::all || batch == 0 || batch == n);
    assert(kind != Sampling::without_replacement || batch <= n);
    assert(kind != Sampling::explicit_indices || indices != nullptr);
    const bool permuted = kind == Sampling::shuffle_once || kind == Sampling::reshuffle;
    if (permuted || kind == Sampling::without_replacement) {
        order_.resize(static_cast<std::size_t>(n));
        std::iota(order_.begin(), order_.end(), 0);
    }
    if (kind == Sampling::without_replacement) swapped_.resize(static_cast<std::size_t>(batch));
}

void Sampler::fill(std::int64_t first, std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride) {
    const std::uint64_t position = static_cast<std::uint64_t>(first) * static_cast<std::uint64_t>(batch_);
    switch (kind_) {
        case Sampling::all:
            return fill_all(steps, out, stride);
        case Sampling::iid:
            return fill_iid(position, steps * batch_, out, stride);
        case Sampling::without_replacement:
            return fill_without_replacement(position, steps, out, stride);
        case Sampling::shuffle_once:
        case Sampling::reshuffle:
            return fill_permuted(position, steps * batch_, out, stride);
        case Sampling::explicit_indices:
            return fill_explicit(first, steps, out, stride);
    }
}

void Sampler::fill_runs(Sampler* runs, int count, std::int64_t first, std::int64_t steps, std::int32_t* out) {
    int done = 0;
#if ETAFLOW_PHILOX_VECTOR
    for (; runs->kind_ == Sampling::iid && count - done >= 8; done += 8) {
        PhiloxKey keys[8];
        for (int i = 0; i < 8; ++i) keys[i] = runs[done + i].key_;
        const std::uint64_t batch = static_cast<std::uint64_t>(runs->batch_);
        fill_iid_of_eight(keys, static_cast<std::uint64_t>(runs->n_), static_cast<std::uint64_t>(first) * batch,
                          static_cast<std::uint64_t>(steps) * batch, out + done, count);
    }
#endif
    for (; done < count; ++done) runs[done].fill(first, steps, out + done, count);
}

void Sampler::fill_all(std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride) const {
    for (std::int64_t s = 0; s < steps; ++s)
        for (std::int64_t j = 0; j < n_; ++j, out += stride) *out = static_cast<std::int32_t>(j);
}

void Sampler::fill_iid(std::uint64_t position, std::int64_t count, std::int32_t* out, std::ptrdiff_t stride) const {
    const std::uint64_t n = static_cast<std::uint64_t>(n_);
    for_each_word(key_, {0, sampling_stream, 0, 0}, position, static_cast<std::size_t>(count),
                  [=](std::size_t i, std::uint64_t word) {
                      out[static_cast<std::ptrdiff_t>(i) * stride] = static_cast<std::int32_t>(uniform_below(word, n));
                  });
}

void Sampler::fill_without_replacement(std::uint64_t position, std::int64_t steps, std::int32_t* out,
                                       std::ptrdiff_t stride) {
    std::int32_t* const a = order_.data();
    std::int32_t* const swapped = swapped_.data();
    const std::int64_t batch = batch_;
    std::int64_t j = 0;
    for_each_word(key_, {0, sampling_stream, 0, 0}, position, static_cast<std::size_t>(steps * batch),
                  [&](std::size_t, std::uint64_t word) {
                      const auto r =
                          j + static_cast<std::int64_t>(uniform_below(word, static_cast<std::uint64_t>(n_ - j)));
                      std::swap(a[j], a[r]);
                      *out = a[j];
                      out += stride;
                      swapped[j] = static_cast<std::int32_t>(r);
                      if (++j < batch) return;
                      for (j = 0; j < batch; ++j) {
                          a[j] = static_cast<std::int32_t>(j);
                          a[swapped[j]] = swapped[j];
                      }
                      j = 0;
                  });
}

void Sampler::fill_permuted(std::uint64_t position, std::int64_t count, std::int32_t* out, std::ptrdiff_t stride) {
    const std::uint64_t n = static_cast<std::uint64_t>(n_);
    std::uint64_t epoch = position / n;
    std::int64_t at = static_cast<std::int64_t>(position % n);
    while (count > 0) {
        permute(kind_ == Sampling::reshuffle ? epoch : 0);
        const std::int64_t size = std::min(count, n_ - at);
        for (std::int64_t i = 0; i < size; ++i, out += stride) *out = order_[static_cast<std::size_t>(at + i)];
        count -= size;
        at = 0;
        ++epoch;
    }
}

void Sampler::permute(std::uint64_t epoch) {
    if (epoch == epoch_) return;
    std::int32_t* const a = order_.data();
    const std::uint64_t n = static_cast<std::uint64_t>(n_);
    std::iota(a, a + n, 0);
    for_each_word(key_, {0, permutation_stream, epoch, 0}, 0, n - 1,
                  [=](std::size_t j, std::uint64_t word) { std::swap(a[j], a[j + uniform_below(word, n - j)]); });
    epoch_ = epoch;
}

void Sampler::fill_explicit(std::int64_t first, std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride) const {
    assert(first >= first_step_);
    const std::int64_t* rows = indices_ + (first - first_step_) * batch_;
    for (std::int64_t i = 0; i < steps * batch_; ++i, out += stride) *out = static_cast<std::int32_t>(rows[i]);
}

}  // namespace etaflow
