// Test hooks: the core's own elementary functions and activations, element by element.
#include "core/vector_math.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bindings.hpp"
#include "core/activation.hpp"
#include "core/buffer.hpp"
#include "core/vector_trigonometry.hpp"

namespace etaflow::bindings {

namespace py = pybind11;

namespace {

template <class T>
using Contiguous = py::array_t<T, py::array::c_style>;

// Room for n elements in whole vectors.
template <class T>
struct Vectors {
    int count;
    Buffer<T> memory;
    explicit Vectors(py::ssize_t n)
        : count(static_cast<int>((n + lanes<T> - 1) / lanes<T>)), memory(static_cast<std::size_t>(count) * lanes<T>) {}
    Vec<T>* data() { return reinterpret_cast<Vec<T>*>(memory.data()); }
};

template <class T>
Vectors<T> padded(const Contiguous<T>& x) {
    Vectors<T> vectors(x.size());
    std::copy_n(x.data(), x.size(), vectors.memory.data());
    return vectors;
}

template <class T>
py::array_t<T> shaped_like(const Contiguous<T>& x, const Vectors<T>& vectors) {
    py::array_t<T> result(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
    std::copy_n(vectors.memory.data(), x.size(), result.mutable_data());
    return result;
}

template <class T>
using Function = Vec<T> (*)(Vec<T>);

template <class T>
Function<T> function_from_name(std::string_view name) {
    using V = Vec<T>;
    const struct {
        std::string_view name;
        Function<T> call;
    } known[] = {
        {"exp", [](V x) { return exp(x); }},           {"log", [](V x) { return log(x); }},
        {"log1p", [](V x) { return log1p(x); }},       {"tanh", [](V x) { return tanh(x); }},
        {"logistic", [](V x) { return logistic(x); }}, {"softplus", [](V x) { return softplus(x); }},
        {"atan", [](V x) { return atan(x); }},         {"sin", [](V x) { return sin(x); }},
        {"cos", [](V x) { return cos(x); }},
    };
    for (const auto& entry : known)
        if (entry.name == name) return entry.call;
    throw py::value_error("unknown function " + std::string(name));
}

template <class T>
py::array_t<T> vector_math(const std::string& name, const Contiguous<T>& x) {
    const Function<T> function = function_from_name<T>(name);
    Vectors<T> vectors = padded(x);
    for (int i = 0; i < vectors.count; ++i) vectors.data()[i] = function(vectors.data()[i]);
    return shaped_like(x, vectors);
}

template <class T>
py::tuple activation(const std::string& name, double parameter, const Contiguous<T>& x) {
    const ActivationSpec spec = activation_from_name(name, parameter);
    Vectors<T> z = padded(x), a(x.size()), s(x.size()), c(x.size());
    activate<2, T>(spec, z.count, z.data(), a.data(), s.data(), c.data());
    return py::make_tuple(shaped_like(x, a), shaped_like(x, s), shaped_like(x, c));
}

template <class T>
void bind(py::module_& m) {
    m.def("vector_math", &vector_math<T>, py::arg("name"), py::arg("x").noconvert());
    m.def("activation", &activation<T>, py::arg("name"), py::arg("parameter"), py::arg("x").noconvert());
}

}  // namespace

void bind_vector_math(py::module_& m) {
    bind<double>(m);
    bind<float>(m);
}

}  // namespace etaflow::bindings
