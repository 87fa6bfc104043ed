#include "descent.hpp"

#include <algorithm>

#include "descent_unit.hpp"

namespace etaflow {

namespace {

bool needs_the_data(Quantity q) {
    return q != Quantity::theta && q != Quantity::time && q != Quantity::distance && q != Quantity::sup_distance;
}

// Looking at whole-set quantities costs far more than the steps: then a unit is one run, for balance over threads.
template <class T>
bool dominated_by_looking(const DescentPlan<T>& plan) {
    double looks = plan.means.empty() ? 0 : 1;
    for (const Rule& rule : plan.rules) looks += 1 / static_cast<double>(rule.every);
    for (const Record& record : plan.records)
        if (needs_the_data(record.quantity) && record.count > 2)
            looks += static_cast<double>(record.count) /
                     static_cast<double>(record.steps[record.count - 1] - record.steps[0]);
    return looks * static_cast<double>(plan.objective->size()) > 8.0 * lanes<T> * static_cast<double>(plan.batch);
}

template <class T>
std::vector<std::vector<std::int64_t>> make_units(const DescentPlan<T>& plan, const DescentState<T>& state,
                                                  std::int64_t until, std::int64_t most) {
    std::vector<std::vector<std::int64_t>> units;
    for (std::int64_t run = 0; run < plan.runs; ++run) {
        if (state.status[run] != static_cast<std::int8_t>(RunStatus::running)) continue;
        if (state.step[run] > until || (state.step[run] == until && until > 0)) continue;
        if (units.empty() || static_cast<std::int64_t>(units.back().size()) == most ||
            state.step[units.back().front()] != state.step[run])
            units.emplace_back();
        units.back().push_back(run);
    }
    return units;
}

// Steps that all units make before the first one goes on: with a long reference, so many that its rows for them stay in
// the second-level cache while one block of runs after the other passes through.
template <class T>
std::int64_t steps_together(const DescentPlan<T>& plan) {
    if (plan.reference_rows <= 1) return never;
    constexpr std::int64_t cache = std::int64_t{1} << 19;
    return std::max<std::int64_t>(chunk_steps, cache / (plan.objective->num_params() * std::int64_t{sizeof(T)}));
}

// Blocks of runs that make their steps side by side: two where the first-level cache holds them with the inputs of two
// steps, unless that would leave a thread without work for longer than it gains.
template <class T>
std::int64_t blocks_together(const DescentPlan<T>& plan, int threads) {
    constexpr double time_of_two = 1.86;  // in that of one
    const Objective<T>& f = *plan.objective;
    if (2 * (f.num_params() + 2 * f.rows().stride()) * vector_bytes > 32 * 1024) return 1;
    const auto rounds = [&](std::int64_t runs) {
        const std::int64_t units = (plan.runs + runs - 1) / runs;
        return static_cast<double>((units + threads - 1) / threads);
    };
    return time_of_two * rounds(2 * lanes<T>) <= rounds(lanes<T>) ? 2 : 1;
}

template <class T>
void work_until(const DescentPlan<T>& plan, const DescentState<T>& state, const LaneSetting<T>* setting,
                std::int64_t until, int threads, Control& control, std::atomic<std::int64_t>& progress) {
    const Objective<T>& f = *plan.objective;
    std::int64_t most = 1;
    if (setting && !dominated_by_looking(plan))
        most =
            std::clamp<std::int64_t>((plan.runs + threads - 1) / threads, 1, blocks_together(plan, threads) * lanes<T>);
    const auto units = make_units(plan, state, until, most);
    const auto work = [&](std::size_t u, int inner) {
        Unit<T>(plan, state, setting, units[u], until, inner, control, progress).run();
    };
    const double look = f.gradient_flops(setting || plan.batch == 0 ? f.size() : plan.batch);
    // Where every step passes over more data than a processor's cache holds, threads that share each pass over them
    // read a part each, and runs side by side would read all of them each.
    const bool reads_all = (plan.batch == 0 || dominated_by_looking(plan)) && !f.panels().is_cached();
    if (units.size() == 1 || reads_all || (static_cast<int>(units.size()) < threads && look >= waking_flops)) {
        for (std::size_t u = 0; u < units.size() && !control.stopped(); ++u) work(u, threads);
        return;
    }
    double flops = 0;
    for (const auto& unit : units)
        flops += static_cast<double>(unit.size()) * static_cast<double>(until - state.step[unit.front()]) *
                 f.gradient_flops(plan.batch > 0 ? plan.batch : f.size());
    const auto each = [&](std::int64_t u) { work(static_cast<std::size_t>(u), 1); };
    if (flops < waking_flops)  // a barrier would be felt
        parallel_for(threads_for(flops, threads), static_cast<std::int64_t>(units.size()), control, each);
    else
        parallel_runs(threads, static_cast<std::int64_t>(units.size()), control, each);
}

}  // namespace

template <class T>
void descend(const DescentPlan<T>& plan, const DescentState<T>& state, std::int64_t until, int threads,
             Control& control, std::atomic<std::int64_t>& progress) {
    const bool in_lanes = plan.batch > 0 && plan.batch < panel_batch;
    const auto setting = in_lanes ? std::make_unique<LaneSetting<T>>(plan) : nullptr;
    const std::int64_t together = steps_together(plan);
    std::int64_t behind = until;
    for (std::int64_t run = 0; run < plan.runs; ++run)
        if (state.status[run] == static_cast<std::int8_t>(RunStatus::running))
            behind = std::min(behind, state.step[run]);
    for (std::int64_t end = behind; end < until && !control.stopped();) {
        end = until - end > together ? end + together : until;
        work_until(plan, state, setting.get(), end, threads, control, progress);
    }
    if (until == 0) work_until(plan, state, setting.get(), until, threads, control, progress);  // records of the start
}

template void descend(const DescentPlan<double>&, const DescentState<double>&, std::int64_t, int, Control&,
                      std::atomic<std::int64_t>&);
template void descend(const DescentPlan<float>&, const DescentState<float>&, std::int64_t, int, Control&,
                      std::atomic<std::int64_t>&);

}  // namespace etaflow
