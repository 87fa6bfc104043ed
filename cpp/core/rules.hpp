// Rules that watch a quantity along a run and stop it, or shrink its step size.
#pragma once

#include <cstdint>
#include <limits>

namespace etaflow {

enum class Quantity {
    loss,
    grad_norm2,
    batch_loss,
    theta,
    accuracy,
    update_norm,
    rayleigh,
    validation_loss,
    time,
    distance,
    sup_distance
};

enum class RuleKind {
    stop,   // ends the run when the value has not fallen by more than min_delta for `patience` evaluations
    scale,  // then multiplies the step size by `factor` and rests for `cooldown` evaluations
    below,  // ends the run when value <= threshold
    above,  // ends the run when value >= threshold
    leave,  // ends the run after the first step to a distance > threshold from the reference; it is never `due`
};

struct Rule {
    RuleKind kind;
    Quantity monitor;
    std::int64_t start;  // first evaluation after `start` steps,
    std::int64_t every;  // then every so many
    std::int64_t patience;
    double min_delta;
    std::int64_t cooldown;
    double factor;
    double threshold;

    bool due(std::int64_t step) const { return step >= start && (step - start) % every == 0; }
    std::int64_t next_due(std::int64_t step) const {  // the first due step after `step`
        return step < start ? start : start + ((step - start) / every + 1) * every;
    }
};

// What a rule remembers of one run; three doubles so that it is saved with the run.
struct RuleMemory {
    double best = std::numeric_limits<double>::infinity();
    double wait = 0;
    double cooldown = 0;
};

enum class RuleVerdict { go_on, shrink, stop };

// Bookkeeping of `scale` as in Keras' ReduceLROnPlateau, of `stop` as in its EarlyStopping.
inline RuleVerdict apply_rule(const Rule& rule, double value, RuleMemory& memory) {
    if (rule.kind == RuleKind::below) return value <= rule.threshold ? RuleVerdict::stop : RuleVerdict::go_on;
    if (rule.kind == RuleKind::above) return value >= rule.threshold ? RuleVerdict::stop : RuleVerdict::go_on;
    if (memory.cooldown > 0) {
        memory.cooldown -= 1;
        memory.wait = 0;
    }
    if (value < memory.best - rule.min_delta) {
        memory.best = value;
        memory.wait = 0;
        return RuleVerdict::go_on;
    }
    if (memory.cooldown > 0) return RuleVerdict::go_on;
    memory.wait += 1;
    if (memory.wait < static_cast<double>(rule.patience)) return RuleVerdict::go_on;
    memory.wait = 0;
    if (rule.kind == RuleKind::stop) return RuleVerdict::stop;
    memory.cooldown = static_cast<double>(rule.cooldown);
    return RuleVerdict::shrink;
}

}  // namespace etaflow
