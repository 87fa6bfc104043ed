// NumPy arrays at the door of the core: exact dtype, C-contiguous, the right shape, or an error that says which.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

namespace etaflow::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline std::string shape_text(const py::array& a) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < a.ndim(); ++i) text += (i ? ", " : "") + std::to_string(a.shape(i));
    return text + (a.ndim() == 1 ? ",)" : ")");
}

// A negative entry of `expected` matches any length.
template <class T>
void check_shape(const char* name, const Array<T>& a, std::initializer_list<py::ssize_t> expected) {
    bool same = a.ndim() == static_cast<py::ssize_t>(expected.size());
    py::ssize_t axis = 0;
    std::string wanted;
    for (const py::ssize_t n : expected) {
        if (same && n >= 0 && a.shape(axis) != n) same = false;
        wanted += (axis++ ? ", " : "") + (n < 0 ? std::string("*") : std::to_string(n));
    }
    if (!same) throw py::value_error(std::string(name) + " must have shape (" + wanted + "), got " + shape_text(a));
}

// The array under `key` of a dict, checked for exact dtype and contiguity (py::array_t would convert silently).
template <class T>
Array<T> array_item(const py::dict& dict, const char* key) {
    const py::object item = dict[key];
    if (!Array<T>::check_(item))
        throw py::type_error(std::string(key) + " must be a C-contiguous array of the core's dtype");
    return py::reinterpret_borrow<Array<T>>(item);
}

}  // namespace etaflow::bindings
