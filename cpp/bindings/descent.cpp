#include "core/descent.hpp"

#include <pybind11/stl.h>

#include <map>

#include "arrays.hpp"
#include "bindings.hpp"

namespace etaflow::bindings {

namespace {

const std::map<std::string, Quantity> quantities{{"loss", Quantity::loss},
                                                 {"grad_norm2", Quantity::grad_norm2},
                                                 {"theta", Quantity::theta},
                                                 {"batch_loss", Quantity::batch_loss},
                                                 {"accuracy", Quantity::accuracy},
                                                 {"update_norm", Quantity::update_norm},
                                                 {"rayleigh", Quantity::rayleigh},
                                                 {"validation_loss", Quantity::validation_loss},
                                                 {"time", Quantity::time},
                                                 {"distance", Quantity::distance},
                                                 {"sup_distance", Quantity::sup_distance}};

const std::map<std::string, RuleKind> rule_kinds{{"stop", RuleKind::stop},
                                                 {"scale", RuleKind::scale},
                                                 {"below", RuleKind::below},
                                                 {"above", RuleKind::above},
                                                 {"leave", RuleKind::leave}};

const std::map<std::string, Estimator> estimators{
    {"sampled", Estimator::sampled}, {"gaussian", Estimator::gaussian}, {"isotropic", Estimator::isotropic}};

template <class Value>
Value named(const char* what, const std::map<std::string, Value>& table, const std::string& name) {
    const auto found = table.find(name);
    if (found == table.end()) throw py::value_error(std::string("unknown ") + what + " '" + name + "'");
    return found->second;
}

template <class V>
V item(const py::dict& dict, const char* key) {
    return dict[key].cast<V>();
}

Rule make_rule(const py::dict& d) {
    Rule rule{named("rule", rule_kinds, item<std::string>(d, "kind")),
              named("quantity", quantities, item<std::string>(d, "monitor")),
              item<std::int64_t>(d, "start"),
              item<std::int64_t>(d, "every"),
              item<std::int64_t>(d, "patience"),
              item<double>(d, "min_delta"),
              item<std::int64_t>(d, "cooldown"),
              item<double>(d, "factor"),
              item<double>(d, "threshold")};
    if (rule.every < 1 || rule.start < 0) throw py::value_error("a rule needs every >= 1 and start >= 0");
    if (rule.kind == RuleKind::leave) rule.start = std::numeric_limits<std::int64_t>::max();  // never due
    return rule;
}

template <class V>
Array<V> kept_array(const py::dict& dict, const char* key, std::initializer_list<py::ssize_t> shape, py::list& keep) {
    const Array<V> a = array_item<V>(dict, key);
    check_shape(key, a, shape);
    keep.append(a);
    return a;
}

template <class V>
V* state_array(const py::dict& dict, const char* key, std::initializer_list<py::ssize_t> shape) {
    Array<V> a = array_item<V>(dict, key);
    check_shape(key, a, shape);
    return a.mutable_data();
}

// A plan whose pointers stay valid while `keep` holds the arrays.
template <class T>
DescentPlan<T> make_plan(const Objective<T>& f, const py::dict& dict, py::list& keep) {
    DescentPlan<T> plan{};
    plan.objective = &f;
    const auto run_numbers = kept_array<std::int64_t>(dict, "run_numbers", {-1}, keep);
    plan.runs = run_numbers.shape(0);
    plan.run_numbers = run_numbers.data();
    plan.seed = item<std::uint64_t>(dict, "seed");
    plan.batch = item<std::int64_t>(dict, "batch");
    plan.sampling = sampling_from_name(item<std::string>(dict, "sampling"));
    if (plan.batch < 0 || (plan.batch == 0) != (plan.sampling == Sampling::all))
        throw py::value_error("batch 0 goes with sampling 'all', and only with it");
    if (plan.sampling == Sampling::without_replacement && plan.batch > f.size())
        throw py::value_error("a batch without replacement cannot be larger than n");
    plan.first_step = item<std::int64_t>(dict, "first_step");
    if (plan.sampling == Sampling::explicit_indices) {
        const auto indices = kept_array<std::int64_t>(dict, "indices", {-1, -1, plan.batch}, keep);
        plan.indices = indices.data();
        plan.index_runs = indices.shape(0);
        plan.index_count = indices.shape(1);
        if (plan.index_runs != 1 && plan.index_runs != plan.runs)
            throw py::value_error("indices must have one row of batches, or one per run");
        for (py::ssize_t i = 0; i < indices.size(); ++i)
            if (plan.indices[i] < 0 || plan.indices[i] >= f.size()) throw py::value_error("indices must be in 0 … n-1");
    }
    const auto step_sizes = kept_array<double>(dict, "step_sizes", {-1}, keep);
    plan.step_sizes = step_sizes.data();
    plan.step_size_count = step_sizes.shape(0);
    plan.optimizer = optimizer_from_name(item<std::string>(dict, "optimizer"));
    const auto hyper = kept_array<double>(dict, "hyper", {3}, keep);
    plan.hyper = {hyper.data()[0], hyper.data()[1], hyper.data()[2]};
    plan.noise = item<double>(dict, "noise");
    plan.noise_on_sphere = item<std::string>(dict, "noise_kind") == "sphere";
    if (!dict["lower"].is_none()) {
        plan.lower = kept_array<T>(dict, "lower", {f.num_params()}, keep).data();
        plan.upper = kept_array<T>(dict, "upper", {f.num_params()}, keep).data();
    }
    if (!dict["draw_weights"].is_none())
        plan.draw_weights = kept_array<T>(dict, "draw_weights", {plan.batch}, keep).data();
    plan.estimator = named("estimator", estimators, item<std::string>(dict, "estimator"));
    plan.strength = item<double>(dict, "strength");
    plan.correction = item<double>(dict, "correction");
    if (plan.batch != 0 && (plan.estimator != Estimator::sampled || plan.correction != 0))
        throw py::value_error("a surrogate of the sampling noise goes with batch 0");
    if (!dict["reference"].is_none()) {
        const auto reference = kept_array<T>(dict, "reference", {-1, f.num_params()}, keep);
        plan.reference = reference.data();
        plan.reference_rows = reference.shape(0);
    }
    for (const py::handle rule : dict["rules"]) {
        plan.rules.push_back(make_rule(py::cast<py::dict>(rule)));
        if (plan.rules.back().kind == RuleKind::leave) plan.leave = std::min(plan.leave, plan.rules.back().threshold);
    }
    for (const py::handle name : dict["mean"])
        plan.means.push_back(named("quantity", quantities, py::cast<std::string>(name)));
    if (!dict["validation"].is_none()) plan.validation = item<const Objective<T>*>(dict, "validation");
    return plan;
}

template <class T>
void add_records(DescentPlan<T>& plan, const py::dict& steps, const py::dict& records, py::list& keep) {
    for (const auto& [key, value] : steps) {
        const std::string name = py::cast<std::string>(key);
        const Array<std::int64_t> at = array_item<std::int64_t>(steps, name.c_str());
        Record record{named("quantity", quantities, name), at.data(), at.shape(0), nullptr};
        if (record.quantity == Quantity::theta) {
            Array<T> out = array_item<T>(records, name.c_str());
            check_shape("records['theta']", out, {plan.runs, record.count, plan.objective->num_params()});
            record.out = out.mutable_data();
        } else {
            Array<double> out = array_item<double>(records, name.c_str());
            check_shape("records", out, {plan.runs, record.count});
            record.out = out.mutable_data();
        }
        keep.append(at);
        plan.records.push_back(record);
    }
}

template <class T>
DescentState<T> make_state(const DescentPlan<T>& plan, const py::dict& dict) {
    const py::ssize_t runs = plan.runs, d = plan.objective->num_params();
    const int slots = slots_of(plan.optimizer);
    const py::ssize_t rules = static_cast<py::ssize_t>(plan.rules.size());
    DescentState<T> state{};
    state.theta = state_array<T>(dict, "theta", {runs, d});
    if (slots > 0) state.slot1 = state_array<T>(dict, "slot1", {runs, d});
    if (slots > 1) state.slot2 = state_array<T>(dict, "slot2", {runs, d});
    state.step = state_array<std::int64_t>(dict, "step", {runs});
    state.status = state_array<std::int8_t>(dict, "status", {runs});
    state.scale = state_array<double>(dict, "scale", {runs});
    state.time = state_array<double>(dict, "time", {runs});
    static_assert(sizeof(RuleMemory) == 3 * sizeof(double));
    state.rules = reinterpret_cast<RuleMemory*>(state_array<double>(dict, "rules", {runs, rules, 3}));
    state.sup = state_array<double>(dict, "sup", {runs});
    state.sums = state_array<double>(dict, "sums", {runs, static_cast<py::ssize_t>(plan.means.size())});
    return state;
}

template <class T>
void check_reach(const DescentPlan<T>& plan, const DescentState<T>& state, std::int64_t until) {
    for (std::int64_t run = 0; run < plan.runs; ++run)
        if (state.step[run] < 0 || (state.status[run] == 0 && state.step[run] < plan.first_step))
            throw py::value_error("state['step'] lies before plan['first_step']");
    const std::int64_t reach = until - plan.first_step;
    if (plan.step_size_count != 1 && plan.step_size_count < reach)
        throw py::value_error("step_sizes ends before the last step");
    if (plan.indices && plan.index_count < reach) throw py::value_error("indices ends before the last step");
    if (plan.reference && plan.reference_rows != 1 && plan.reference_rows <= reach)
        throw py::value_error("reference ends before the last step");
    bool wants_reference = plan.leave < std::numeric_limits<double>::infinity();
    for (const Record& record : plan.records)
        wants_reference |= record.quantity == Quantity::distance || record.quantity == Quantity::sup_distance;
    if (wants_reference && !plan.reference) throw py::value_error("a distance needs a reference");
}

template <class T>
std::string run_descent(const Objective<T>& f, const py::dict& plan_dict, const py::dict& state_dict,
                        const py::dict& records, std::int64_t until, double seconds, int threads,
                        const py::object& progress) {
    py::list keep;
    DescentPlan<T> plan = make_plan(f, plan_dict, keep);
    add_records(plan, py::cast<py::dict>(plan_dict["record"]), records, keep);
    const DescentState<T> state = make_state(plan, state_dict);
    check_reach(plan, state, until);

    std::int64_t done = 0, total = 0;
    for (std::int64_t run = 0; run < plan.runs; ++run) {
        total += until;
        done += state.status[run] == 0 ? std::min(state.step[run], until) : until;
    }
    std::atomic<std::int64_t> made{done};
    const auto begin = Control::Clock::now();
    auto last_report = begin;
    bool interrupted = false;
    Control control([&] {
        const auto now = Control::Clock::now();
        const py::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) return interrupted = true;
        if (!progress.is_none() && now - last_report > std::chrono::milliseconds(100)) {
            last_report = now;
            try {
                progress(std::min(
                    1.0, static_cast<double>(made.load()) / static_cast<double>(std::max<std::int64_t>(1, total))));
            } catch (py::error_already_set& error) {
                error.restore();
                return interrupted = true;
            }
        }
        if (seconds > 0 && std::chrono::duration<double>(now - begin).count() > seconds) control.stop();
        return false;
    });
    {
        const py::gil_scoped_release release;
        descend(plan, state, until, resolve_threads(threads), control, made);
    }
    if (interrupted) {
        // Ctrl-C is an answer, not an error: the state is valid and can go on. Anything else is raised.
        if (!PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) throw py::error_already_set();
        PyErr_Clear();
        return "interrupted";
    }
    if (control.stopped()) return "time";
    if (!progress.is_none()) progress(1.0);
    return "done";
}

}  // namespace

template <class T>
void bind_descent(ObjectiveClass<T>& cls) {
    cls.def("descend", &run_descent<T>, py::arg("plan"), py::arg("state"), py::arg("records"), py::arg("until"),
            py::arg("seconds"), py::arg("threads"), py::arg("progress"));
}

template void bind_descent(ObjectiveClass<double>&);
template void bind_descent(ObjectiveClass<float>&);

}  // namespace etaflow::bindings
