#include <Eigen/Core>

#include <string>

#include "bindings.hpp"
#include "core/parallel.hpp"
#include "core/simd.hpp"

namespace etaflow::bindings {

namespace py = pybind11;

void bind_build_info(py::module_& m) {
    m.attr("isa") = ETAFLOW_ISA_NAME;
    m.def("default_threads", [] { return resolve_threads(0); });
    m.def("build_info", [] {
        py::dict info;
        info["version"] = ETAFLOW_VERSION;
        info["isa"] = ETAFLOW_ISA_NAME;
        info["compiler"] = __VERSION__;
        info["eigen"] = std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
                        std::to_string(EIGEN_MINOR_VERSION);
#if defined(_OPENMP)
        info["openmp"] = _OPENMP;
#else
        info["openmp"] = 0;
#endif
        info["lanes64"] = lanes<double>;
        info["lanes32"] = lanes<float>;
        return info;
    });
}

}  // namespace etaflow::bindings
