// The block kernel against plain loops, and against the chain kernel to the last bit.
#include "core/lane_team.hpp"

#include <random>

#include "check.hpp"
#include "core/chain.hpp"

using namespace etaflow;

namespace {

template <class T>
struct Problem {
    Network net;
    Rows<T> rows;
    std::vector<T> theta;

    static Problem make(const std::vector<int>& widths, Activation hidden, Loss loss, bool bias, int n) {
        std::vector<ActivationSpec> activations(widths.size() - 1, {hidden, 0.1});
        activations.back() = {loss == Loss::log ? Activation::logistic : Activation::identity, 0};
        Network net(widths, activations, bias);
        std::mt19937 random(7);
        std::normal_distribution<double> normal;
        const int targets = target_rows(loss, net.outputs());
        std::vector<T> x(static_cast<std::size_t>(n * net.inputs())), y(static_cast<std::size_t>(n * targets));
        for (T& value : x) value = static_cast<T>(normal(random));
        for (T& value : y) value = static_cast<T>(random() % 2);
        std::vector<T> theta(static_cast<std::size_t>(net.num_params()));
        for (T& value : theta) value = static_cast<T>(0.5 * normal(random));
        return {net, Rows<T>(x.data(), y.data(), n, net.inputs(), targets), theta};
    }
};

template <class T>
void same_bits(const std::vector<int>& widths, Activation hidden, Loss loss, bool bias) {
    constexpr int n = 13, steps = 50, blocks = 2, last = blocks * lanes<T> - 1;
    const auto problem = Problem<T>::make(widths, hidden, loss, bias, n);
    const LaneLayout layout(problem.net);
    LaneTeam<T> team(problem.net, layout, problem.rows, loss, blocks);
    for (int lane = 0; lane < team.width(); ++lane)
        layout.load(problem.theta.data(), lane % lanes<T>, team.block(lane / lanes<T>).data());
    ChainBlock<T> chain(problem.net, problem.rows, loss);
    chain.load(problem.theta.data());
    const T alpha = T(0.01);
    for (int s = 0; s < steps; ++s) {
        std::int32_t index[blocks * lanes<T>];
        T alphas[blocks * lanes<T>];
        for (int lane = 0; lane < team.width(); ++lane) {
            index[lane] = (5 * s + 3 * lane) % n;
            alphas[lane] = lane == last ? alpha : T(0.02);
        }
        team.sgd_step(index, alphas, T(1));
        chain.sgd_step(index[last], alpha, T(1));
        if (s % 7 == 0) {  // a look in between changes nothing
            team.flush(nullptr);
            chain.flush();
        }
    }
    team.flush(nullptr);
    chain.flush();
    std::vector<T> in_block(problem.theta.size()), in_chain(problem.theta.size());
    layout.store(team.block(blocks - 1).data(), lanes<T> - 1, in_block.data());
    chain.store(chain.weights().data(), in_chain.data());
    bool moved = false;
    for (std::size_t j = 0; j < in_block.size(); ++j) {
        CHECK_EQUAL(in_block[j], in_chain[j]);
        moved = moved || in_block[j] != problem.theta[j];
    }
    CHECK(moved);
}

}  // namespace

TEST_CASE("a run alone and a run in a block have the same bits") {
    for (const bool bias : {true, false}) {
        for (const int width : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33}) {
            same_bits<double>({3, width, 1}, Activation::tanh, Loss::square, bias);
            same_bits<float>({3, width, 2}, Activation::gelu, Loss::square, bias);
            same_bits<double>({width, 6, width, 1}, Activation::relu, Loss::log, bias);
            same_bits<float>({width, 4, 4, 5}, Activation::sin, Loss::square, bias);
        }
        same_bits<double>({10, 3}, Activation::tanh, Loss::log, bias);
        same_bits<double>({10, 12}, Activation::tanh, Loss::square, bias);
        same_bits<double>({5, 9, 2}, Activation::softplus, Loss::softmax, bias);
    }
}

TEST_CASE("one step of a linear network is the formula") {
    const auto problem = Problem<double>::make({4, 1}, Activation::identity, Loss::square, true, 3);
    const LaneLayout layout(problem.net);
    LaneTeam<double> team(problem.net, layout, problem.rows, Loss::square, 1);
    for (int lane = 0; lane < lanes<double>; ++lane) layout.load(problem.theta.data(), lane, team.block(0).data());
    std::int32_t index[lanes<double>];
    double alpha[lanes<double>];
    for (int lane = 0; lane < lanes<double>; ++lane) {
        index[lane] = lane % 3;
        alpha[lane] = 0.1;
    }
    team.sgd_step(index, alpha, 1.0);
    team.flush(nullptr);
    for (int lane = 0; lane < lanes<double>; ++lane) {
        std::vector<double> theta(5);
        layout.store(team.block(0).data(), lane, theta.data());
        const double* x = problem.rows.row(lane % 3);
        double residual = -problem.rows.target(lane % 3)[0];
        for (int i = 0; i < 5; ++i) residual += problem.theta[static_cast<std::size_t>(i)] * x[i];
        for (int i = 0; i < 5; ++i) {
            const std::size_t at = static_cast<std::size_t>(i);
            CHECK_CLOSE(theta[at], problem.theta[at] - 0.1 * 2 * residual * x[i], 1e-13);
        }
    }
}

TEST_CASE("every parameter has a place of its own in a block") {
    const auto problem = Problem<double>::make({7, 11, 3, 9, 2}, Activation::tanh, Loss::square, true, 2);
    const LaneLayout layout(problem.net);
    Buffer<double> block(static_cast<std::size_t>(layout.vectors()) * lanes<double>, -1.0);
    layout.load(problem.theta.data(), 1, block.data());
    std::vector<double> back(problem.theta.size());
    layout.store(block.data(), 1, back.data());
    CHECK(back == problem.theta);
    layout.store(block.data(), 0, back.data());
    for (const double value : back) CHECK_EQUAL(value, -1.0);
}
