// How far runs are from where they should be, after every step.
#pragma once

#include <cmath>
#include <memory>

#include "buffer.hpp"
#include "descent.hpp"
#include "lanes.hpp"

namespace etaflow {

// What all LaneSteppers of a plan share.
template <class T>
struct LaneSetting {
    LaneLayout layout;
    Buffer<T> reference;  // the plan's, each row in the order of the layout

    explicit LaneSetting(const DescentPlan<T>& plan) : layout(plan.objective->net()) {
        if (!plan.reference) return;
        const std::int64_t d = layout.vectors();
        reference.resize(static_cast<std::size_t>(plan.reference_rows * d));
        for (std::int64_t row = 0; row < plan.reference_rows; ++row)
            layout.arrange(plan.reference + row * d, reference.data() + row * d);
    }

    const T* row(const DescentPlan<T>& plan, std::int64_t step) const {
        return reference.data() + plan.reference_row(step) * layout.vectors();
    }
};

// The squared distance of every lane to a reference in the same order.
template <class T>
Vec<T> squared_distance(const Vec<T>* theta, const T* reference, std::int64_t vectors) {
    Vec<T> far[4] = {};
    std::int64_t j = 0;
    for (; j + 4 <= vectors; j += 4)
        for (int i = 0; i < 4; ++i) far[i] = detail::add_square(theta[j + i], reference[j + i], far[i]);
    for (int i = 0; j < vectors; ++i, ++j) far[i] = detail::add_square(theta[j], reference[j], far[i]);
    return (far[0] + far[1]) + (far[2] + far[3]);
}

// The same of one run.
template <class T>
double squared_distance(const T* theta, const T* reference, std::int64_t size) {
    double total = 0;
    for (std::int64_t j = 0; j < size; ++j) {
        const double difference = static_cast<double>(theta[j]) - static_cast<double>(reference[j]);
        total += difference * difference;
    }
    return total;
}

}  // namespace etaflow
