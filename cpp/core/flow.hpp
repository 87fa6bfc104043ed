// The gradient flow theta' = -grad f(theta): the explicit Runge-Kutta pair 5(4) of Dormand & Prince (1980), with step
// size control, dense output of order 4 and the stiffness test of Hairer, Norsett & Wanner (Solving ODEs I and II:
// DOPRI5). Where stability would shorten its steps, which is soon so on the way into a minimum, explicit methods of
// order 4 that are stable along the negative axis take over (stabilized_methods.hpp), with as many stages as a step of
// the length that accuracy allows needs.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "objective.hpp"

namespace etaflow {

struct FlowOptions {
    double end;
    double rtol, atol;       // of every parameter, in the root mean square
    double grad_norm = 0;    // the flow ends where |grad f| has fallen to this
    std::int64_t max_steps;  // accepted ones
    double stiff_steps = 0;  // a stiff flow ends where it would take more steps than this to the end; 0: never
};

enum class FlowStatus : std::int8_t { finished, stopped, stiff, diverged, exhausted, interrupted };

// A flow as far as it came. Within step i, at time mesh[i] + s (mesh[i + 1] - mesh[i]), theta is
// r0 + s (r1 + (1 - s) (r2 + s (r3 + (1 - s) r4))) with the step's five rows r of `coefficients`.
template <class T>
struct FlowPath {
    std::vector<double> mesh{0.0};
    std::vector<T> coefficients;  // (steps, 5, d)
    std::vector<T> theta;         // at `time`
    double time = 0;              // mesh.back(), or inside the last step if the flow was stopped
    double grad_norm = 0;         // at theta
    FlowStatus status = FlowStatus::finished;
    std::int64_t evaluations = 0, rejected = 0;
};

template <class T>
FlowPath<T> follow_flow(const Objective<T>& f, const T* theta0, const FlowOptions& options, int threads,
                        Control& control, std::atomic<double>& progress);

extern template FlowPath<double> follow_flow(const Objective<double>&, const double*, const FlowOptions&, int, Control&,
                                             std::atomic<double>&);
extern template FlowPath<float> follow_flow(const Objective<float>&, const float*, const FlowOptions&, int, Control&,
                                            std::atomic<double>&);

}  // namespace etaflow
