// The gradient of a network with one hidden layer and one output, a panel at a time.
//
// The error of hidden unit j is v_j delta phi'(z_j) there, a product: it is formed where the sums over the samples are,
// once for all of its unit's, and never stored. Nor is phi', where what is kept of the forward pass tells it.
#pragma once

#include "propagate.hpp"

namespace etaflow {

// With more inputs than this the sums over them outweigh what is saved.
inline constexpr int shallow_inputs = 16;

template <class T>
bool is_shallow(const Network& net) {
    return net.depth() == 2 && net.outputs() == 1 && net.inputs() <= shallow_inputs &&
           !inputs_fill_lanes<T>(net.inputs() + net.layers()[0].bias);
}

// g += the gradient of the panel's losses, each times its weight if given; g is laid out as theta, or null if only the
// losses are wanted. Returns their sum if wanted. `ws` is prepared for one derivative; its contents have no meaning
// afterwards.
template <class T>
double add_shallow_gradient(const Network& net, Loss loss, const T* theta, const Panel<T>& panel, const T* weights,
                            bool want_loss, Workspace<T>& ws, T* g);

extern template double add_shallow_gradient(const Network&, Loss, const double*, const Panel<double>&, const double*,
                                            bool, Workspace<double>&, double*);
extern template double add_shallow_gradient(const Network&, Loss, const float*, const Panel<float>&, const float*, bool,
                                            Workspace<float>&, float*);

}  // namespace etaflow
