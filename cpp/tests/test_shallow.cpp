// The gradient of networks with one hidden layer and one output against the passes for any network.
#include "core/shallow.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "check.hpp"
#include "core/samples.hpp"

using namespace etaflow;

namespace {

struct Shape {
    int inputs, hidden, n;
    Activation activation;
    Loss loss;
    bool bias, weighted;
};

template <class T>
void same_gradient(const Shape& shape) {
    const ActivationSpec output{shape.loss == Loss::log ? Activation::logistic : Activation::tanh, 0};
    const Network net({shape.inputs, shape.hidden, 1}, {{shape.activation, 0.2}, output}, shape.bias);
    std::mt19937 random(static_cast<unsigned>(shape.inputs * 1000 + shape.hidden * 10 + shape.n));
    std::normal_distribution<double> normal;
    const auto draw = [&](std::int64_t size) {
        std::vector<T> values(static_cast<std::size_t>(size));
        for (T& value : values) value = static_cast<T>(normal(random));
        return values;
    };
    const std::vector<T> x = draw(shape.n * shape.inputs), theta = draw(net.num_params());
    std::vector<T> y = draw(shape.n);
    if (shape.loss == Loss::log)
        for (T& value : y) value = value > 0;
    const Rows<T> rows(x.data(), y.data(), shape.n, shape.inputs, 1);
    Panels<T> panels(shape.n, shape.inputs, 1, 1);
    panels.fill(rows, nullptr);
    const Panel<T> panel = panels.panel(0);
    std::vector<T> weights = draw(panels.padded());
    const T* const w = shape.weighted ? weights.data() : nullptr;
    Workspace<T> ws;
    const std::vector<T> before = draw(net.num_params());
    std::vector<T> expected = before, found = before;
    ws.prepare(net, panel.vectors, 1);
    const double loss = propagate<true>(net, shape.loss, theta.data(), panel, w, ws);
    accumulate_gradient(net, panel, ws, expected.data());
    const double same = add_shallow_gradient(net, shape.loss, theta.data(), panel, w, true, ws, found.data());
    CHECK_NEAR(same, loss, std::abs(loss) * (sizeof(T) == 8 ? 1e-14 : 5e-6));
    // Whoever asks for the gradient too sees the same loss.
    CHECK(add_shallow_gradient<T>(net, shape.loss, theta.data(), panel, w, true, ws, nullptr) == same);
    double largest = 1;
    for (std::size_t i = 0; i < found.size(); ++i)
        largest = std::max(largest, std::abs(static_cast<double>(expected[i] - before[i])));
    const double close = largest * (sizeof(T) == 8 ? 1e-14 : 5e-6);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK_NEAR(found[i], expected[i], close);
    std::vector<T> again = before;
    CHECK(add_shallow_gradient(net, shape.loss, theta.data(), panel, w, false, ws, again.data()) == 0);
    CHECK(again == found);
}

void both(const Shape& shape) {
    same_gradient<double>(shape);
    same_gradient<float>(shape);
}

}  // namespace

TEST_CASE("every number of inputs, of hidden units and of samples") {
    for (int inputs = 1; inputs <= shallow_inputs; ++inputs)
        for (const int hidden : {1, 2, 3, 5, 8, 9, 13, 50})
            for (const int n : {1, 7, 31, 33, 100, 256})
                for (const Activation activation : {Activation::tanh, Activation::leaky_relu})
                    both({inputs, hidden, n, activation, Loss::square, true, false});
}

TEST_CASE("every activation and loss, with and without bias and weights") {
    for (const Activation activation :
         {Activation::identity, Activation::logistic, Activation::tanh, Activation::arctan, Activation::relu,
          Activation::leaky_relu, Activation::softplus, Activation::gelu, Activation::sin})
        for (const Loss loss : {Loss::square, Loss::log})
            for (const bool bias : {false, true})
                for (const bool weighted : {false, true})
                    for (const int inputs : {2, 7}) both({inputs, 11, 45, activation, loss, bias, weighted});
}

TEST_CASE("only one hidden layer, one output and few inputs are shallow") {
    const ActivationSpec tanh{Activation::tanh, 0};
    CHECK(is_shallow<double>(Network({2, 3, 1}, {tanh, tanh}, true)));
    CHECK(!is_shallow<double>(Network({2, 3, 2}, {tanh, tanh}, true)));
    CHECK(!is_shallow<double>(Network({2, 1}, {tanh}, true)));
    CHECK(!is_shallow<double>(Network({2, 3, 3, 1}, {tanh, tanh, tanh}, true)));
    CHECK(!is_shallow<double>(Network({shallow_inputs + 1, 3, 1}, {tanh, tanh}, true)));
}
