#include "arrays.hpp"
#include "bindings.hpp"
#include "signals.hpp"

namespace etaflow::bindings {

template <class T>
void bind_curvature(ObjectiveClass<T>&) {}

template void bind_curvature(ObjectiveClass<double>&);
template void bind_curvature(ObjectiveClass<float>&);

}  // namespace etaflow::bindings
