// The random numbers of a run, for whoever wants to replay it, and for the tests.

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "core/noise.hpp"
#include "core/sampler.hpp"

namespace etaflow::bindings {

namespace {

void check_at_least(const char* name, std::int64_t value, std::int64_t least) {
    if (value < least)
        throw py::value_error(std::string(name) + " must be >= " + std::to_string(least) + " (got " +
                              std::to_string(value) + ")");
}

py::array_t<std::uint64_t> philox(std::uint64_t key0, std::uint64_t key1, const PhiloxBlock& counter,
                                  std::int64_t count) {
    check_at_least("count", count, 0);
    py::array_t<std::uint64_t> words(count);
    philox_words({key0, key1}, counter, 0, static_cast<std::size_t>(count), words.mutable_data());
    return words;
}

void check_batch(Sampling kind, std::int64_t n, std::int64_t batch) {
    const std::string got = " (got " + std::to_string(batch) + " with n = " + std::to_string(n) + ")";
    if (kind == Sampling::all) {
        if (batch != 0 && batch != n) throw py::value_error("batch must be 0 or n with sampling all" + got);
        return;
    }
    check_at_least("batch", batch, 1);
    if (kind == Sampling::without_replacement && batch > n)
        throw py::value_error("batch must be <= n without replacement" + got);
}

py::array_t<std::int64_t> sample_indices(std::int64_t n, std::int64_t batch, const std::string& sampling,
                                         std::uint64_t seed, std::uint64_t run, std::int64_t first_step,
                                         std::int64_t steps) {
    const Sampling kind = sampling_from_name(sampling);
    if (kind == Sampling::explicit_indices) throw py::value_error("sampling explicit has indices of its own");
    check_at_least("n", n, 1);
    if (n > std::numeric_limits<std::int32_t>::max())
        throw py::value_error("n must be < 2^31 (got " + std::to_string(n) + ")");
    check_batch(kind, n, batch);
    check_at_least("first_step", first_step, 0);
    check_at_least("steps", steps, 0);

    Sampler sampler(kind, n, batch, seed, run);
    py::array_t<std::int64_t> result({steps, sampler.batch()});
    std::int64_t* out = result.mutable_data();
    const std::int64_t at_once = std::max<std::int64_t>(1, 4096 / sampler.batch());
    std::vector<std::int32_t> buffer(static_cast<std::size_t>(at_once * sampler.batch()));
    const py::gil_scoped_release release;
    for (std::int64_t begin = 0; begin < steps; begin += at_once) {
        const std::int64_t size = std::min(at_once, steps - begin);
        sampler.fill(first_step + begin, size, buffer.data(), 1);
        out = std::copy_n(buffer.data(), size * sampler.batch(), out);
    }
    return result;
}

py::array_t<double> noise(const std::string& kind, std::uint64_t seed, std::uint64_t run, std::uint64_t step,
                          std::int64_t count) {
    check_at_least("count", count, 0);
    if (kind != "gaussian" && kind != "sphere" && kind != "surrogate")
        throw py::value_error("kind must be gaussian, sphere or surrogate (got " + kind + ")");
    py::array_t<double> values(count);
    const std::size_t size = static_cast<std::size_t>(count);
    if (kind == "sphere")
        sphere_noise(seed, run, step, size, values.mutable_data(), 1);
    else
        gaussian_noise(seed, run, step, size, values.mutable_data(), 1,
                       kind == "gaussian" ? noise_stream : surrogate_stream);
    return values;
}

}  // namespace

void bind_sampling(py::module_& m) {
    m.def("philox", &philox, py::arg("key0"), py::arg("key1"), py::arg("counter"), py::arg("count"),
          "The first words of numpy.random.Philox(key=[key0, key1], counter=counter).random_raw().");
    m.def("sample_indices", &sample_indices, py::arg("n"), py::arg("batch"), py::arg("sampling"), py::arg("seed"),
          py::arg("run"), py::arg("first_step"), py::arg("steps"),
          "The observations of steps first_step + 1, …: (steps, batch).");
    m.def("noise", &noise, py::arg("kind"), py::arg("seed"), py::arg("run"), py::arg("step"), py::arg("count"),
          "The noise of one step: gaussian or sphere, or what the surrogates of sampling noise take.");
}

}  // namespace etaflow::bindings
