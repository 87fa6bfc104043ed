// How theta moves: gradient descent, SGD and their relatives, for many runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "objective.hpp"
#include "rules.hpp"
#include "sampler.hpp"
#include "update.hpp"

namespace etaflow {

struct Record {
    Quantity quantity;
    const std::int64_t* steps;  // ascending
    std::int64_t count;
    void* out;  // (runs, count) double; theta: (runs, count, d) T
};

// What g_k is: the gradient of a batch, or that of f with Gaussian noise of covariance strength^2 R(theta), or of a
// multiple of the identity with the same trace.
enum class Estimator : std::int8_t { sampled, gaussian, isotropic };

template <class T>
struct DescentPlan {
    const Objective<T>* objective;
    const Objective<T>* validation = nullptr;
    std::int64_t runs;
    const std::int64_t* run_numbers;  // (runs)
    std::uint64_t seed;
    std::int64_t batch;  // 0: all observations
    Sampling sampling;
    const std::int64_t* indices = nullptr;  // (index_runs, index_count, batch); index_runs is 1 or runs
    std::int64_t index_runs = 0, index_count = 0;
    const T* draw_weights = nullptr;           // (batch) factors of the draws of a batch, or null
    Estimator estimator = Estimator::sampled;  // others go with batch 0
    double strength = 0;
    double correction = 0;     // this times Hessian times gradient is added to g_k; goes with batch 0
    std::int64_t first_step;   // steps before the first entry of step_sizes and indices
    const double* step_sizes;  // (step_size_count); one entry: constant
    std::int64_t step_size_count;
    Optimizer optimizer;
    Hyper hyper;
    double noise = 0;
    bool noise_on_sphere = false;
    const T* lower = nullptr;  // (d), both or none
    const T* upper = nullptr;
    const T* reference = nullptr;     // (reference_rows, d): where runs should be after first_step, first_step + 1, …
    std::int64_t reference_rows = 0;  // 1: always there
    double leave = std::numeric_limits<double>::infinity();  // a run ends at the first step to a greater distance
    std::vector<Rule> rules;
    std::vector<Quantity> means;
    std::vector<Record> records;

    double step_size(std::int64_t step) const { return step_sizes[step_size_count == 1 ? 0 : step - 1 - first_step]; }
    // The row of the reference that belongs to theta after `step` steps.
    std::int64_t reference_row(std::int64_t step) const { return reference_rows == 1 ? 0 : step - first_step; }
};

enum class RunStatus : std::int8_t { running = 0, diverged = 1, stopped = 2 };

// Everything a run needs to go on, one row per run.
template <class T>
struct DescentState {
    T* theta;  // (runs, d)
    T* slot1;  // (runs, d) where the optimizer has the slot
    T* slot2;
    std::int64_t* step;
    std::int8_t* status;
    double* scale;      // factor of the step size
    double* time;       // sum of the step sizes, kept where a record asks for it
    RuleMemory* rules;  // (runs, rules)
    double* sums;       // (runs, means)
    double* sup;        // largest distance to the reference so far
};

// Takes every running run from its own step to `until`, or as far as `control` allows; state and records are then
// valid for each run at its own step. `progress` counts the steps made, all runs together.
template <class T>
void descend(const DescentPlan<T>& plan, const DescentState<T>& state, std::int64_t until, int threads,
             Control& control, std::atomic<std::int64_t>& progress);

extern template void descend(const DescentPlan<double>&, const DescentState<double>&, std::int64_t, int, Control&,
                             std::atomic<std::int64_t>&);
extern template void descend(const DescentPlan<float>&, const DescentState<float>&, std::int64_t, int, Control&,
                             std::atomic<std::int64_t>&);

}  // namespace etaflow
