// The hot loops, one at a time, for instruments that count instructions between entry to and exit from `measured`, or
// look again and again where the program is.
//
//   hot_loops               the names, one a line
//   hot_loops --compiler    what compiled it
//   hot_loops NAME          does that work on one thread and prints how many units of it: steps, gradients, matrices
//   hot_loops NAME SECONDS  does it again and again for so long, and prints the best time of a unit in nanoseconds
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string_view>
#include <vector>

#include "core/curvature.hpp"
#include "core/descent.hpp"
#include "core/flow.hpp"

using namespace etaflow;

extern "C" [[gnu::noinline]] void measured(void (*work)(void*), void* context) {
    work(context);
    asm volatile("" ::: "memory");  // not a jump: the function is left when the work is done
}

namespace {

// Called through a pointer that the compiler does not know: no copy of the function is made for a caller.
void (*volatile enter)(void (*work)(void*), void* context) = measured;

using Seconds = std::chrono::duration<double>;
Seconds duration{0};  // how long to repeat the work; 0: do it once
Seconds best{std::numeric_limits<double>::infinity()};

// Returns how often the work was done.
template <class F>
std::int64_t measure(F work) {
    using Clock = std::chrono::steady_clock;
    std::int64_t rounds = 0;
    const auto begin = Clock::now();
    auto now = begin;
    do {
        const auto before = now;
        enter([](void* at) { (*static_cast<F*>(at))(); }, &work);
        now = Clock::now();
        best = std::min<Seconds>(best, now - before);
        ++rounds;
    } while (now - begin < duration);
    return rounds;
}

template <class T>
std::vector<T> normal_values(std::int64_t size, unsigned seed, double scale = 1) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    std::vector<T> values(static_cast<std::size_t>(size));
    for (T& value : values) value = static_cast<T>(scale * normal(generator));
    return values;
}

struct Shape {
    std::vector<int> widths;
    Activation activation;
    Loss loss;
    std::int64_t n;
};

const Shape small{{10, 10, 1}, Activation::tanh, Loss::square, 500};
const Shape deep{{196, 10, 10, 10, 1}, Activation::relu, Loss::log, 1000};
const Shape circles{{2, 50, 1}, Activation::leaky_relu, Loss::log, 100};
const Shape wide{{784, 256, 10}, Activation::relu, Loss::softmax, 256};

Network network_of(const Shape& shape) {
    std::vector<ActivationSpec> layers(shape.widths.size() - 1, {shape.activation, 0.1});
    layers.back() = {shape.loss == Loss::log ? Activation::logistic : Activation::identity, 0};
    return {shape.widths, layers, true};
}

template <class T>
struct Problem {
    explicit Problem(const Shape& shape)
        : x(normal_values<T>(shape.n * shape.widths.front(), 1)),
          y(normal_values<T>(shape.n * target_rows(shape.loss, shape.widths.back()), 2)),
          theta(normal_values<T>(network_of(shape).num_params(), 3, 0.1)),
          f(network_of(shape), x.data(), with_labels(y, shape.loss), shape.n, shape.loss, true, 0) {}

    static const T* with_labels(std::vector<T>& y, Loss loss) {
        if (loss != Loss::square)
            for (T& value : y) value = value > 0;
        return y.data();
    }

    std::vector<T> x, y, theta;
    Objective<T> f;
    Control control;
};

// Steps of `runs` runs, all from the same start.
template <class T>
std::int64_t steps(const Shape& shape, std::int64_t runs, std::int64_t batch, std::int64_t count) {
    Problem<T> p(shape);
    const std::size_t rows = static_cast<std::size_t>(runs);
    std::vector<std::int64_t> numbers(rows), step(rows, 0);
    for (std::size_t r = 0; r < rows; ++r) numbers[r] = static_cast<std::int64_t>(r);
    std::vector<T> theta;
    for (std::size_t r = 0; r < rows; ++r) theta.insert(theta.end(), p.theta.begin(), p.theta.end());
    std::vector<std::int8_t> status(rows, 0);
    std::vector<double> scale(rows, 1), time(rows, 0), sup(rows, 0);
    const double step_size = 1e-3;
    DescentPlan<T> plan{};
    plan.objective = &p.f;
    plan.runs = runs;
    plan.run_numbers = numbers.data();
    plan.batch = batch;
    plan.sampling = batch == 0 ? Sampling::all : Sampling::iid;
    plan.step_sizes = &step_size;
    plan.step_size_count = 1;
    plan.optimizer = Optimizer::sgd;
    const DescentState<T> state{theta.data(), nullptr,     nullptr, step.data(), status.data(),
                                scale.data(), time.data(), nullptr, nullptr,     sup.data()};
    std::atomic<std::int64_t> made{0};
    std::int64_t until = 0;
    if (duration.count() > 0) count *= 25;  // what a call does before and after its steps is not asked for
    const std::int64_t rounds = measure([&] { descend(plan, state, until += count, 1, p.control, made); });
    return made / rounds;
}

template <class T>
std::int64_t gradients(const Shape& shape, std::int64_t count) {
    Problem<T> p(shape);
    std::vector<T> out(p.theta.size());
    measure([&] {
        for (std::int64_t i = 0; i < count; ++i) p.f.value(p.theta.data(), out.data(), 1, p.control);
    });
    return count;
}

std::int64_t sample_gradients(const Shape& shape) {
    Problem<double> p(shape);
    std::vector<double> out(p.theta.size() * static_cast<std::size_t>(shape.n));
    measure([&] { p.f.sample_gradients(p.theta.data(), 0, shape.n, out.data(), 1, p.control); });
    return 1;
}

template <class Matrix>
std::int64_t matrix(const Shape& shape, Matrix compute) {
    Problem<double> p(shape);
    std::vector<double> out(p.theta.size() * p.theta.size());
    measure([&] { compute(p.f, p.theta.data(), out.data(), 1, p.control); });
    return 1;
}

std::int64_t hessian_products(const Shape& shape) {
    Problem<double> p(shape);
    std::vector<double> out(p.theta.size());
    measure([&] { hessian_vector(p.f, p.theta.data(), p.theta.data(), out.data(), 1, p.control); });
    return 1;
}

std::int64_t flow_evaluations(const Shape& shape) {
    Problem<double> p(shape);
    std::atomic<double> progress{0};
    FlowOptions options{};
    options.end = 10;
    options.rtol = options.atol = 1e-6;
    options.max_steps = 1000;
    std::int64_t made = 0;
    measure([&] { made = follow_flow(p.f, p.theta.data(), options, 1, p.control, progress).evaluations; });
    return made;
}

struct Work {
    std::string_view name;
    std::int64_t (*run)();
};

const Work works[] = {
    {"chain-step", [] { return steps<double>(small, 1, 1, 4000); }},
    {"chain-step-float32", [] { return steps<float>(small, 1, 1, 4000); }},
    {"ensemble-step", [] { return steps<double>(small, 16, 1, 2000); }},
    {"ensemble-step-float32", [] { return steps<float>(small, 16, 1, 2000); }},
    {"ensemble-step-deep", [] { return steps<double>(deep, 16, 1, 256); }},
    {"descent-step-circles", [] { return steps<double>(circles, 1, 0, 100); }},
    {"minibatch-step-wide-float32", [] { return steps<float>(wide, 1, 128, 2); }},
    {"gradient", [] { return gradients<double>(small, 20); }},
    {"gradient-deep", [] { return gradients<double>(deep, 4); }},
    {"gradient-deep-float32", [] { return gradients<float>(deep, 4); }},
    {"sample-gradients", [] { return sample_gradients(small); }},
    {"sample-gradients-deep", [] { return sample_gradients(deep); }},
    {"covariance", [] { return matrix(small, gradient_covariance<double>); }},
    {"hessian", [] { return matrix(small, hessian<double>); }},
    {"hessian-vector", [] { return hessian_products(small); }},
    {"hessian-vector-deep", [] { return hessian_products(deep); }},
    {"flow-evaluation", [] { return flow_evaluations(small); }},
};

}  // namespace

int main(int count, char** arguments) {
    const std::string_view asked = count > 1 ? arguments[1] : "";
    if (asked == "--compiler") return std::puts(ETAFLOW_COMPILER) < 0;
    for (const Work& work : works) {
        if (asked.empty()) std::puts(work.name.data());
        if (asked != work.name) continue;
        if (count > 2) duration = Seconds(std::atof(arguments[2]));
        const std::int64_t units = work.run();
        if (count > 2) return std::printf("%.2f\n", best.count() * 1e9 / static_cast<double>(units)) < 0;
        return std::printf("%lld\n", static_cast<long long>(units)) < 0;
    }
    return asked.empty() ? 0 : 2;
}
