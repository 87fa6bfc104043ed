// Second derivatives of f(theta), and the covariance R(theta) of one sample's gradient.
//
// Every result is bitwise the same for any number of threads.
#pragma once

#include "objective.hpp"

namespace etaflow {

// The Hessian of f, l2 included: out (d, d), symmetric to the last bit.
template <class T>
void hessian(const Objective<T>& f, const T* theta, T* out, int threads, Control& control);

// The Hessian of f times v: out (d). It must not overlap theta or v.
template <class T>
void hessian_vector(const Objective<T>& f, const T* theta, const T* v, T* out, int threads, Control& control);

// The same with the Gauss-Newton matrix, in which the network counts as linear (see Curvature in loss.hpp).
template <class T>
void gauss_newton_vector(const Objective<T>& f, const T* theta, const T* v, T* out, int threads, Control& control);

// R(theta) = 1/n sum_i (g_i - g)(g_i - g)^T with g_i the gradient of L_i and g their mean: out (d, d), symmetric to the
// last bit. The gradients are centred before they are multiplied.
template <class T>
void gradient_covariance(const Objective<T>& f, const T* theta, T* out, int threads, Control& control);

// R(theta) v, without R: out (d). It must not overlap theta or v.
template <class T>
void covariance_vector(const Objective<T>& f, const T* theta, const T* v, T* out, int threads, Control& control);

}  // namespace etaflow
