#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "signals.hpp"

namespace etaflow::bindings {

namespace {

Network make_network(const std::vector<int>& widths, const std::vector<std::pair<std::string, double>>& activations,
                     bool bias) {
    std::vector<ActivationSpec> specs;
    for (const auto& [name, parameter] : activations) specs.push_back(activation_from_name(name, parameter));
    return Network(widths, specs, bias);
}

template <class T>
Array<T> predict_runs(const Network& net, const Array<T>& theta, const Array<T>& x, int threads) {
    check_shape("theta", theta, {-1, net.num_params()});
    check_shape("x", x, {-1, net.inputs()});
    const py::ssize_t runs = theta.shape(0), n = x.shape(0);
    Array<T> out({runs, n, static_cast<py::ssize_t>(net.outputs())});
    const T* const th = theta.data();
    const T* const xs = x.data();
    T* const to = out.mutable_data();
    without_gil([&](Control& control) {
        const double flops = 2.0 * static_cast<double>(net.num_params()) * static_cast<double>(n);
        for_runs(runs, flops, resolve_threads(threads), control, [&](std::int64_t r, int inner) {
            predict(net, th + r * net.num_params(), xs, n, to + r * n * net.outputs(), inner, control);
        });
    });
    return out;
}

}  // namespace

void bind_network(py::module_& m) {
    py::class_<Network>(m, "Network", py::module_local())
        .def(py::init(&make_network), py::arg("widths"), py::arg("activations"), py::arg("bias"))
        .def_property_readonly("num_params", &Network::num_params);
    m.def("predict", &predict_runs<double>, py::arg("network"), py::arg("theta").noconvert(), py::arg("x").noconvert(),
          py::arg("threads") = 0);
    m.def("predict", &predict_runs<float>, py::arg("network"), py::arg("theta").noconvert(), py::arg("x").noconvert(),
          py::arg("threads") = 0);
}

}  // namespace etaflow::bindings
