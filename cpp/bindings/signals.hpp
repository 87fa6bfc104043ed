// Runs a computation without the GIL and listens for Ctrl-C meanwhile.
#pragma once

#include <pybind11/pybind11.h>

#include "core/parallel.hpp"

namespace etaflow::bindings {

// compute(control); a signal whose Python handler raised ends the computation and is raised here.
template <class F>
void without_gil(F compute) {
    namespace py = pybind11;
    Control control([] {
        const py::gil_scoped_acquire gil;
        return PyErr_CheckSignals() != 0;
    });
    {
        const py::gil_scoped_release release;
        try {
            compute(control);
        } catch (const Interrupted&) {}
    }
    if (PyErr_Occurred()) throw py::error_already_set();
}

// compute(run, threads inside the run) for every run: over runs where there are enough of them, else inside each.
template <class F>
void for_runs(std::int64_t runs, double flops_per_run, int threads, Control& control, F compute) {
    if (runs >= threads && runs > 1) {
        parallel_for(threads_for(flops_per_run * static_cast<double>(runs), threads), runs, control,
                     [&](std::int64_t r) { compute(r, 1); });
    } else {
        for (std::int64_t r = 0; r < runs && !control.stopped(); ++r) compute(r, threads);
    }
    control.throw_if_stopped();
}

}  // namespace etaflow::bindings
