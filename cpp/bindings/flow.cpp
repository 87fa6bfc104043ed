#include "core/flow.hpp"

#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "signals.hpp"

namespace etaflow::bindings {

namespace {

const char* name_of(FlowStatus status) {
    constexpr const char* names[] = {"finished", "stopped", "stiff", "diverged", "exhausted", "interrupted"};
    return names[static_cast<int>(status)];
}

template <class T>
py::dict to_dict(const FlowPath<T>& path, py::ssize_t d) {
    const py::ssize_t points = static_cast<py::ssize_t>(path.mesh.size());
    py::dict out;
    out["mesh"] = Array<double>(points, path.mesh.data());
    out["coefficients"] = Array<T>({points - 1, py::ssize_t{5}, d}, path.coefficients.data());
    out["theta"] = Array<T>(d, path.theta.data());
    out["time"] = path.time;
    out["grad_norm"] = path.grad_norm;
    out["status"] = name_of(path.status);
    out["evaluations"] = path.evaluations;
    out["rejected"] = path.rejected;
    return out;
}

// One dict per start. Ctrl-C is an answer, not an error: flows under way end where they are.
template <class T>
py::list flow(const Objective<T>& f, const Array<T>& theta0, double end, double rtol, double atol, double grad_norm,
              std::int64_t max_steps, double stiff_steps, int threads, const py::object& progress) {
    check_shape("theta0", theta0, {-1, f.num_params()});
    const std::int64_t starts = theta0.shape(0), d = f.num_params();
    const FlowOptions options{end, rtol, atol, grad_norm, max_steps, stiff_steps};
    const T* const from = theta0.data();
    std::vector<FlowPath<T>> paths(static_cast<std::size_t>(starts));
    for (std::int64_t r = 0; r < starts; ++r) {  // of those that are never begun
        paths[static_cast<std::size_t>(r)].theta.assign(from + r * d, from + (r + 1) * d);
        paths[static_cast<std::size_t>(r)].status = FlowStatus::interrupted;
    }
    std::atomic<double> made{0};
    bool interrupted = false;
    Control control([&] {
        const py::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) return interrupted = true;
        if (progress.is_none()) return false;
        try {
            progress(std::min(1.0, made.load() / static_cast<double>(starts)));
        } catch (py::error_already_set& error) {
            error.restore();
            return interrupted = true;
        }
        return false;
    });
    {
        const py::gil_scoped_release release;
        try {
            // Hundreds of gradients at least, so that threads pay even for a small one.
            for_runs(starts, 1000 * f.gradient_flops(f.size()), resolve_threads(threads), control,
                     [&](std::int64_t r, int inner) {
                         paths[static_cast<std::size_t>(r)] =
                             follow_flow(f, from + r * d, options, inner, control, made);
                     });
        } catch (const Interrupted&) {}
    }
    if (interrupted) {
        if (!PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) throw py::error_already_set();
        PyErr_Clear();
    } else if (!progress.is_none()) {
        progress(1.0);
    }
    py::list out;
    for (const FlowPath<T>& path : paths) out.append(to_dict(path, d));
    return out;
}

}  // namespace

template <class T>
void bind_flow(ObjectiveClass<T>& cls) {
    cls.def("flow", &flow<T>, py::arg("theta0").noconvert(), py::arg("end"), py::arg("rtol"), py::arg("atol"),
            py::arg("grad_norm"), py::arg("max_steps"), py::arg("stiff_steps"), py::arg("threads"),
            py::arg("progress"));
}

template void bind_flow(ObjectiveClass<double>&);
template void bind_flow(ObjectiveClass<float>&);

}  // namespace etaflow::bindings
