#include "curvature.hpp"
namespace etaflow {
template <class T>
void gradient_covariance(const Objective<T>&, const T*, T*, int, Control&) {}
template void gradient_covariance(const Objective<double>&, const double*, double*, int, Control&);
template void gradient_covariance(const Objective<float>&, const float*, float*, int, Control&);
}
