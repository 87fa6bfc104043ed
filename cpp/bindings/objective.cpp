#include "core/objective.hpp"

#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "signals.hpp"

namespace etaflow::bindings {

namespace {

template <class T>
std::unique_ptr<Objective<T>> make_objective(const Network& net, const Array<T>& x, const Array<T>& y,
                                             const std::string& loss, bool mean, double l2) {
    const Loss kind = loss_from_name(loss);
    check_shape("x", x, {-1, net.inputs()});
    check_shape("y", y, {x.shape(0), target_rows(kind, net.outputs())});
    if (x.shape(0) < 1 || x.shape(0) >= (std::int64_t{1} << 31))
        throw py::value_error("the number of observations must be in 1 … 2^31 - 1, got " + std::to_string(x.shape(0)));
    return std::make_unique<Objective<T>>(net, x.data(), y.data(), x.shape(0), kind, mean, l2);
}

// compute(row of theta, run, threads inside the run, control) for every run, without the GIL.
template <class T, class F>
void each_run(const Objective<T>& f, const Array<T>& theta, int threads, F compute) {
    check_shape("theta", theta, {-1, f.num_params()});
    const T* const rows = theta.data();
    const std::int64_t runs = theta.shape(0), d = f.num_params();
    without_gil([&](Control& control) {
        for_runs(runs, f.gradient_flops(f.size()), resolve_threads(threads), control,
                 [&](std::int64_t r, int inner) { compute(rows + r * d, r, inner, control); });
    });
}

template <class T>
void bind(py::module_& m, const char* name) {
    using F = Objective<T>;
    const auto theta_arg = py::arg("theta").noconvert();
    const auto threads_arg = py::arg("threads") = 0;
    ObjectiveClass<T> cls(m, name, py::module_local());
    cls.def(py::init(&make_objective<T>), py::arg("network"), py::arg("x").noconvert(), py::arg("y").noconvert(),
            py::arg("loss"), py::arg("mean"), py::arg("l2"))
        .def_property_readonly("n", &F::size)
        .def_property_readonly("num_params", &F::num_params);
    cls.def(
        "value",
        [](const F& f, const Array<T>& theta, int threads) {
            Array<double> out(theta.ndim() ? theta.shape(0) : 0);
            double* const to = out.mutable_data();
            each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
                to[r] = f.value(row, nullptr, inner, control);
            });
            return out;
        },
        theta_arg, threads_arg);
    cls.def(
        "losses",
        [](const F& f, const Array<T>& theta, int threads) {
            Array<T> out({theta.ndim() ? theta.shape(0) : 0, static_cast<py::ssize_t>(f.size())});
            T* const to = out.mutable_data();
            each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
                f.losses(row, to + r * f.size(), inner, control);
            });
            return out;
        },
        theta_arg, threads_arg);
    cls.def(
        "accuracy",
        [](const F& f, const Array<T>& theta, int threads) {
            Array<double> out(theta.ndim() ? theta.shape(0) : 0);
            double* const to = out.mutable_data();
            each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
                to[r] = f.accuracy(row, inner, control);
            });
            return out;
        },
        theta_arg, threads_arg);
    cls.def(
        "noise_trace",
        [](const F& f, const Array<T>& theta, int threads) {
            Array<double> out(theta.ndim() ? theta.shape(0) : 0);
            double* const to = out.mutable_data();
            each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
                to[r] = f.noise_trace(row, nullptr, inner, control);
            });
            return out;
        },
        theta_arg, threads_arg);
    const auto value_and_gradient = [](const F& f, const Array<T>& theta, int threads) {
        Array<double> value(theta.ndim() ? theta.shape(0) : 0);
        Array<T> gradient({theta.ndim() ? theta.shape(0) : 0, static_cast<py::ssize_t>(f.num_params())});
        double* const values = value.mutable_data();
        T* const gradients = gradient.mutable_data();
        each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
            values[r] = f.value(row, gradients + r * f.num_params(), inner, control);
        });
        return py::make_tuple(value, gradient);
    };
    cls.def("value_and_gradient", value_and_gradient, theta_arg, threads_arg);
    cls.def(
        "gradient",
        [value_and_gradient](const F& f, const Array<T>& theta, int threads) {
            return py::object(value_and_gradient(f, theta, threads)[1]);
        },
        theta_arg, threads_arg);
    cls.def(
        "sample_gradients",
        [](const F& f, const Array<T>& theta, std::int64_t start, std::int64_t stop, int threads) {
            if (start < 0 || stop > f.size() || start >= stop)
                throw py::value_error("start and stop must satisfy 0 <= start < stop <= n");
            const std::int64_t rows = stop - start, d = f.num_params();
            Array<T> out(
                {theta.ndim() ? theta.shape(0) : 0, static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(d)});
            T* const to = out.mutable_data();
            each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
                f.sample_gradients(row, start, stop, to + r * rows * d, inner, control);
            });
            return out;
        },
        theta_arg, py::arg("start"), py::arg("stop"), threads_arg);
    cls.def(
        "weighted_gradient",
        [](const F& f, const Array<T>& theta, const Array<T>& w, int threads) {
            check_shape("w", w, {theta.ndim() ? theta.shape(0) : 0, f.size()});
            Array<T> out({w.shape(0), static_cast<py::ssize_t>(f.num_params())});
            const T* const weights = w.data();
            T* const to = out.mutable_data();
            each_run(f, theta, threads, [&](const T* row, std::int64_t r, int inner, Control& control) {
                f.weighted_gradient(row, weights + r * f.size(), to + r * f.num_params(), inner, control);
            });
            return out;
        },
        theta_arg, py::arg("w").noconvert(), threads_arg);
    cls.def(
        "backprop_trace",
        [](const F& f, const Array<T>& theta, std::int64_t i) {
            check_shape("theta", theta, {f.num_params()});
            if (i < 0 || i >= f.size()) throw py::index_error("i must be in 0 … n-1");
            py::list layers;
            for (const LayerTrace& layer : f.backprop_trace(theta.data(), i))
                layers.append(py::make_tuple(Array<double>(layer.z.size(), layer.z.data()),
                                             Array<double>(layer.x.size(), layer.x.data()),
                                             Array<double>(layer.delta.size(), layer.delta.data())));
            return layers;
        },
        theta_arg, py::arg("i"));
    bind_curvature<T>(cls);
    bind_descent<T>(cls);
    bind_flow<T>(cls);
}

}  // namespace

void bind_objective(py::module_& m) {
    bind<double>(m, "Objective64");
    bind<float>(m, "Objective32");
}

}  // namespace etaflow::bindings
