// Which observations a step of SGD sees.
//
// Every draw is a word of a Philox stream keyed by (seed, run), or is read off a permutation made from one, so that a
// batch depends on (seed, run, step) alone. With word(s, e, w) the word w of
// numpy.random.Philox(key=[seed, run], counter=[0, s, e, 0]).random_raw(), draw j = 0 … batch-1 of step k = 1, 2, …,
// at position p = (k-1) batch + j, is
//   all                  j
//   iid                  floor(word(0, 0, p) n / 2^64)
//   without_replacement  a_j after a_j <-> a_r with r = j + floor(word(0, 0, p) (n-j) / 2^64); a = 0 … n-1 at every
//   step reshuffle            perm_e[p mod n], e = floor(p / n); perm_e: the same swaps, j = 0 … n-2, with word(2, e,
//   j) shuffle_once         perm_0[p mod n] explicit_indices     what the caller gave for that step
// An index is uniform up to a bias of at most n / 2^64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "philox.hpp"
#include "streams.hpp"

namespace etaflow {

enum class Sampling { all, iid, without_replacement, shuffle_once, reshuffle, explicit_indices };

// Throws std::invalid_argument for a name it does not know. "explicit" names explicit_indices.
Sampling sampling_from_name(std::string_view name);

// The draws of one run. `fill` may be asked for any steps in any order; it allocates nothing.
class Sampler {
  public:
    // n < 2^31; batch <= n for without_replacement; batch 0 or n for all. explicit_indices: `indices` are this run's
    // rows (count, batch), which must outlive the sampler; row 0 belongs to step first_step + 1.
    Sampler(Sampling kind, std::int64_t n, std::int64_t batch, std::uint64_t seed, std::uint64_t run,
            const std::int64_t* indices = nullptr, std::int64_t first_step = 0);

    // Draw j of step first + 1 + s, for s = 0 … steps-1, goes to out[(s * batch + j) * stride].
    void fill(std::int64_t first, std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride);

    // The same draws for `count` runs side by side, which differ in nothing but their run number: those of runs[i] go
    // to out[(s * batch + j) * count + i]. Faster than `fill` of each where a vector holds a word of eight runs.
    static void fill_runs(Sampler* runs, int count, std::int64_t first, std::int64_t steps, std::int32_t* out);

    std::int64_t batch() const { return batch_; }

  private:
    void fill_all(std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride) const;
    void fill_iid(std::uint64_t position, std::int64_t count, std::int32_t* out, std::ptrdiff_t stride) const;
    void fill_without_replacement(std::uint64_t position, std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride);
    void fill_permuted(std::uint64_t position, std::int64_t count, std::int32_t* out, std::ptrdiff_t stride);
    void fill_explicit(std::int64_t first, std::int64_t steps, std::int32_t* out, std::ptrdiff_t stride) const;
    void permute(std::uint64_t epoch);

    Sampling kind_;
    std::int64_t n_, batch_;
    PhiloxKey key_;
    const std::int64_t* indices_;
    std::int64_t first_step_;
    std::vector<std::int32_t> order_;    // (n,): the epoch's permutation; for without_replacement 0 … n-1
    std::vector<std::int32_t> swapped_;  // (batch,): the positions a step has to put back
    std::uint64_t epoch_ = no_epoch;     // whose permutation `order_` is
    static constexpr std::uint64_t no_epoch = ~std::uint64_t{0};
};

}  // namespace etaflow
