// Every bind_* function; module.cpp calls them.
#pragma once

#include <pybind11/pybind11.h>

#include "core/objective.hpp"

namespace etaflow::bindings {

void bind_build_info(pybind11::module_& m);
void bind_network(pybind11::module_& m);
void bind_objective(pybind11::module_& m);
void bind_sampling(pybind11::module_& m);
void bind_vector_math(pybind11::module_& m);

template <class T>
using ObjectiveClass = pybind11::class_<Objective<T>>;

// Methods of one class that live in files of their own.
template <class T>
void bind_curvature(ObjectiveClass<T>& cls);
template <class T>
void bind_descent(ObjectiveClass<T>& cls);
template <class T>
void bind_flow(ObjectiveClass<T>& cls);

}  // namespace etaflow::bindings
