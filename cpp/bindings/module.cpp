#include "bindings.hpp"

PYBIND11_MODULE(ETAFLOW_MODULE_NAME, m) {
    using namespace etaflow::bindings;
    bind_build_info(m);
    bind_vector_math(m);
    bind_sampling(m);
    bind_network(m);
    bind_objective(m);
}
