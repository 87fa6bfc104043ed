#include "curvature.hpp"
namespace etaflow {
template <class T>
void hessian(const Objective<T>&, const T*, T*, int, Control&) {}
template void hessian(const Objective<double>&, const double*, double*, int, Control&);
template void hessian(const Objective<float>&, const float*, float*, int, Control&);
}
