// Test hooks: the core's own elementary functions and activations, element by element.
#include "core/vector_math.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "bindings.hpp"
#include "core/activation.hpp"

namespace etaflow::bindings {

namespace py = pybind11;

namespace {

// f(vector, start, count) for every whole or padded vector of x.
template <class T, class F>
void for_each_vector(const py::array_t<T>& x, F f) {
    constexpr py::ssize_t width = lanes<T>;
    const T* data = x.data();
    for (py::ssize_t start = 0; start < x.size(); start += width) {
        const py::ssize_t count = std::min(width, x.size() - start);
        alignas(vector_bytes) T lane[width] = {};
        std::copy_n(data + start, count, lane);
        f(load(lane), start, count);
    }
}

template <class T>
void copy_lanes(Vec<T> v, py::ssize_t count, T* to) {
    for (py::ssize_t i = 0; i < count; ++i) to[i] = v[i];
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
using Contiguous = py::array_t<T, py::array::c_style>;

template <class T>
py::array_t<T> like(const Contiguous<T>& x) {
    return py::array_t<T>(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
}

template <class T>
Contiguous<T> vector_math(const std::string& name, const Contiguous<T>& x) {
    const Function<T> function = function_from_name<T>(name);
    py::array_t<T> result = like(x);
    T* to = result.mutable_data();
    for_each_vector<T>(x, [&](Vec<T> v, auto start, auto count) { copy_lanes<T>(function(v), count, to + start); });
    return result;
}

template <class T>
py::tuple activation(const std::string& name, double parameter, const Contiguous<T>& x) {
    const ActivationSpec spec = activation_from_name(name, parameter);
    py::array_t<T> a = like(x), s = like(x), c = like(x);
    T *to_a = a.mutable_data(), *to_s = s.mutable_data(), *to_c = c.mutable_data();
    for_each_vector<T>(x, [&](Vec<T> z, auto start, auto count) {
        Jet<T> jet;
        activate<2, T>(spec, 1, &z, &jet.a, &jet.s, &jet.c);
        copy_lanes<T>(jet.a, count, to_a + start);
        copy_lanes<T>(jet.s, count, to_s + start);
        copy_lanes<T>(jet.c, count, to_c + start);
    });
    return py::make_tuple(a, s, c);
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
