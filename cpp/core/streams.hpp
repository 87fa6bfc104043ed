// What the random numbers of a run are for: word 1 of the generator's counter, so that no two uses share a word.
#pragma once

#include <cstdint>

namespace etaflow {

inline constexpr std::uint64_t sampling_stream = 0;
inline constexpr std::uint64_t noise_stream = 1;
inline constexpr std::uint64_t permutation_stream = 2;
// 3 and 4 are used in Python: initial parameters, and the generic stochastic gradient method.
inline constexpr std::uint64_t surrogate_stream = 5;

}  // namespace etaflow
