#include "core/curvature.hpp"

#include "arrays.hpp"
#include "bindings.hpp"
#include "signals.hpp"

namespace etaflow::bindings {

namespace {

template <class T>
py::ssize_t runs_of(const Array<T>& theta) {
    return theta.ndim() ? theta.shape(0) : 0;
}

// A method theta (runs, d) -> (runs, d, d) that calls matrix(f, row of theta, out, threads, control).
template <class T, class Matrix>
auto matrix_method(double operations_per_sample_and_entry, Matrix matrix) {
    return [=](const Objective<T>& f, const Array<T>& theta, int threads) {
        const py::ssize_t runs = runs_of(theta), d = f.num_params();
        check_shape("theta", theta, {-1, d});
        Array<T> out({runs, d, d});
        const T* const rows = theta.data();
        T* const to = out.mutable_data();
        without_gil([&](Control& control) {
            const double entries = static_cast<double>(d) * static_cast<double>(d);
            const double flops = operations_per_sample_and_entry * entries * static_cast<double>(f.size());
            for_runs(runs, flops, resolve_threads(threads), control,
                     [&](std::int64_t r, int inner) { matrix(f, rows + r * d, to + r * d * d, inner, control); });
        });
        return out;
    };
}

// A method theta (runs, d), v (runs, d) -> (runs, d) that calls product(f, row of theta, row of v, out, threads,
// control).
template <class T, class Product>
auto product_method(Product product) {
    return [=](const Objective<T>& f, const Array<T>& theta, const Array<T>& v, int threads) {
        const py::ssize_t runs = runs_of(theta), d = f.num_params();
        check_shape("theta", theta, {-1, d});
        check_shape("v", v, {runs, d});
        Array<T> out({runs, d});
        const T* const rows = theta.data();
        const T* const vectors = v.data();
        T* const to = out.mutable_data();
        without_gil([&](Control& control) {
            for_runs(runs, 2 * f.gradient_flops(f.size()), resolve_threads(threads), control,
                     [&](std::int64_t r, int inner) {
                         product(f, rows + r * d, vectors + r * d, to + r * d, inner, control);
                     });
        });
        return out;
    };
}

}  // namespace

template <class T>
void bind_curvature(ObjectiveClass<T>& cls) {
    const auto theta = py::arg("theta").noconvert();
    const auto v = py::arg("v").noconvert();
    const auto threads = py::arg("threads") = 0;
    cls.def("hessian", matrix_method<T>(1, hessian<T>), theta, threads);
    cls.def("gradient_covariance", matrix_method<T>(1, gradient_covariance<T>), theta, threads);
    cls.def("hessian_vector", product_method<T>(hessian_vector<T>), theta, v, threads);
    cls.def("gauss_newton_vector", product_method<T>(gauss_newton_vector<T>), theta, v, threads);
    cls.def("covariance_vector", product_method<T>(covariance_vector<T>), theta, v, threads);
}

template void bind_curvature(ObjectiveClass<double>&);
template void bind_curvature(ObjectiveClass<float>&);

}  // namespace etaflow::bindings
