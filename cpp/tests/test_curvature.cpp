#include "core/curvature.hpp"

#include <random>

#include "check.hpp"
#include "core/symmetric.hpp"

using namespace etaflow;

namespace {

using Values = std::vector<double>;

Values normal_values(std::int64_t size, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    Values values(static_cast<std::size_t>(size));
    for (double& value : values) value = normal(generator);
    return values;
}

double largest(const Values& values) {
    double result = 0;
    for (const double value : values) result = std::max(result, std::abs(value));
    return result;
}

struct Problem {
    Objective<double> f;
    Values theta, v;
    Control control;

    std::int64_t d() const { return f.num_params(); }
    std::size_t entries() const { return static_cast<std::size_t>(d() * d()); }
};

struct Shape {
    std::vector<int> widths;
    Loss loss;
    bool bias;
};

// One with few pairs of units, one with many; rows and columns that do not fill whole pieces; one without hidden layer.
const Shape shapes[] = {
    {{3, 2, 1}, Loss::square, true}, {{4, 3, 5, 2}, Loss::square, false}, {{2, 3, 2, 3, 4}, Loss::softmax, true},
    {{9, 14, 1}, Loss::log, true},   {{90, 1}, Loss::log, true},          {{30, 2}, Loss::softmax, false},
};

Problem problem_of(const Shape& shape, std::int64_t n, double l2 = 0.25, bool mean = true) {
    const int targets = target_rows(shape.loss, shape.widths.back());
    const Values x = normal_values(n * shape.widths.front(), 1);
    Values y = normal_values(n * targets, 2);
    if (shape.loss == Loss::log)
        for (double& value : y) value = value > 0;
    if (shape.loss == Loss::softmax)
        for (double& value : y) value = std::min(std::floor(std::abs(value)), shape.widths.back() - 1.0);
    std::vector<ActivationSpec> activations(shape.widths.size() - 1, {Activation::tanh, 0});
    activations.back().kind = shape.loss == Loss::log ? Activation::logistic : Activation::identity;
    if (shape.loss == Loss::square) activations.back().kind = Activation::arctan;
    Network net(shape.widths, activations, shape.bias);
    const Values theta = normal_values(net.num_params(), 3), v = normal_values(net.num_params(), 4);
    return {{net, x.data(), y.data(), n, shape.loss, mean, l2}, theta, v, {}};
}

// (gradient(theta + h v) - gradient(theta - h v)) / 2h
Values difference_of_gradients(Problem& problem, double h) {
    Values at[2] = {Values(problem.v.size()), Values(problem.v.size())};
    for (int side = 0; side < 2; ++side) {
        Values theta = problem.theta;
        for (std::size_t i = 0; i < theta.size(); ++i) theta[i] += (side ? -h : h) * problem.v[i];
        problem.f.value(theta.data(), at[side].data(), 1, problem.control);
    }
    for (std::size_t i = 0; i < problem.v.size(); ++i) at[0][i] = (at[0][i] - at[1][i]) / (2 * h);
    return at[0];
}

Values product(const Values& matrix, const Values& v) {
    Values result(v.size());
    for (std::size_t i = 0; i < v.size(); ++i)
        for (std::size_t j = 0; j < v.size(); ++j) result[i] += matrix[i * v.size() + j] * v[j];
    return result;
}

void check_near(const Values& actual, const Values& expected, double relative) {
    const double bound = relative * largest(expected);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK_NEAR(actual[i], expected[i], bound);
}

}  // namespace

TEST_CASE("the Hessian-vector product is the derivative of the gradient") {
    for (const Shape& shape : shapes) {
        Problem problem = problem_of(shape, 37);
        Values actual(problem.v.size());
        hessian_vector(problem.f, problem.theta.data(), problem.v.data(), actual.data(), 1, problem.control);
        check_near(actual, difference_of_gradients(problem, 1e-5), 1e-7);
    }
}

TEST_CASE("the Hessian is symmetric and multiplies as the Hessian-vector product") {
    for (const Shape& shape : shapes)
        for (const std::int64_t n : {1, 7, 64, 300}) {
            Problem problem = problem_of(shape, n, 0.25, false);
            Values matrix(problem.entries()), again(problem.entries()), expected(problem.v.size());
            hessian(problem.f, problem.theta.data(), matrix.data(), 1, problem.control);
            hessian(problem.f, problem.theta.data(), again.data(), 3, problem.control);
            CHECK(matrix == again);
            for (std::int64_t i = 0; i < problem.d(); ++i)
                for (std::int64_t j = 0; j < i; ++j) CHECK(matrix[i * problem.d() + j] == matrix[j * problem.d() + i]);
            hessian_vector(problem.f, problem.theta.data(), problem.v.data(), expected.data(), 1, problem.control);
            check_near(product(matrix, problem.v), expected, 1e-12);
        }
}

TEST_CASE("for a linear network with square loss, Gauss-Newton is the Hessian") {
    const Values x = normal_values(41 * 5, 1), y = normal_values(41 * 2, 2);
    const Network net({5, 2}, {{Activation::identity, 0}}, true);
    const Objective<double> f(net, x.data(), y.data(), 41, Loss::square, true, 0.5);
    const Values theta = normal_values(12, 3), v = normal_values(12, 4);
    Control control;
    Values actual(12), expected(12);
    gauss_newton_vector(f, theta.data(), v.data(), actual.data(), 1, control);
    hessian_vector(f, theta.data(), v.data(), expected.data(), 1, control);
    check_near(actual, expected, 1e-14);
}

TEST_CASE("the covariance is that of the sample gradients") {
    for (const Shape& shape : shapes)
        for (const std::int64_t n : {2, 9, 300}) {
            Problem problem = problem_of(shape, n);
            const std::int64_t d = problem.d();
            Values rows(static_cast<std::size_t>(n * d)), expected(problem.entries()), actual(problem.entries());
            problem.f.sample_gradients(problem.theta.data(), 0, n, rows.data(), 1, problem.control);
            for (std::int64_t j = 0; j < d; ++j) {
                double mean = 0;
                for (std::int64_t i = 0; i < n; ++i) mean += rows[i * d + j] / static_cast<double>(n);
                for (std::int64_t i = 0; i < n; ++i) rows[i * d + j] -= mean;
            }
            for (std::int64_t i = 0; i < n; ++i)
                for (std::int64_t j = 0; j < d; ++j)
                    for (std::int64_t k = 0; k < d; ++k)
                        expected[j * d + k] += rows[i * d + j] * rows[i * d + k] / static_cast<double>(n);
            gradient_covariance(problem.f, problem.theta.data(), actual.data(), 2, problem.control);
            check_near(actual, expected, 1e-12);
            Values vector(problem.v.size());
            covariance_vector(problem.f, problem.theta.data(), problem.v.data(), vector.data(), 2, problem.control);
            check_near(vector, product(expected, problem.v), 1e-12);
        }
}

TEST_CASE("observations that are kept in one layout alone") {
    const std::int64_t n = 900;
    const int inputs = 700;
    CHECK(static_cast<double>(n * inputs) * sizeof(double) > most_cached_bytes);
    Problem problem = problem_of({{inputs, 1}, Loss::log, true}, n);
    Values matrix(problem.entries()), expected(problem.v.size()), rows(static_cast<std::size_t>(n * problem.d()));
    hessian(problem.f, problem.theta.data(), matrix.data(), 2, problem.control);
    hessian_vector(problem.f, problem.theta.data(), problem.v.data(), expected.data(), 2, problem.control);
    check_near(product(matrix, problem.v), expected, 1e-12);
    gradient_covariance(problem.f, problem.theta.data(), matrix.data(), 2, problem.control);
    covariance_vector(problem.f, problem.theta.data(), problem.v.data(), expected.data(), 2, problem.control);
    check_near(product(matrix, problem.v), expected, 1e-12);
    problem.f.sample_gradients(problem.theta.data(), 0, n, rows.data(), 2, problem.control);
    const Values ones(static_cast<std::size_t>(n), 1.0);
    Values total(problem.v.size());
    for (std::size_t i = 0; i < rows.size(); ++i) total[i % total.size()] += rows[i];
    problem.f.weighted_gradient(problem.theta.data(), ones.data(), expected.data(), 2, problem.control);
    check_near(total, expected, 1e-12);
}

TEST_CASE("a large common part of the gradients does not disturb the covariance") {
    const std::int64_t n = 100;
    const Network net({1, 1}, {{Activation::identity, 0}}, true);
    const Values x = normal_values(n, 1);
    Values y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        y[i] = 1e6 + x[i];  // gradient by the bias: -2 (1e6 + x), x centred below
    const Objective<double> f(net, x.data(), y.data(), n, Loss::square, true, 0);
    const double theta[] = {0, 0};
    double mean = 0, variance = 0, covariance[4];
    for (const double value : x) mean += value / static_cast<double>(n);
    for (const double value : x) variance += 4 * (value - mean) * (value - mean) / static_cast<double>(n);
    Control control;
    gradient_covariance(f, theta, covariance, 1, control);
    CHECK_CLOSE(covariance[3], variance, 1e-9);  // subtracting afterwards would lose 12 digits
    const double bias_alone[] = {0, 1};
    double product_with_v[2];
    covariance_vector(f, theta, bias_alone, product_with_v, 1, control);
    CHECK_CLOSE(product_with_v[1], variance, 1e-9);
}

TEST_CASE("mirror_upper") {
    for (const std::int64_t size : {1, 2, 7, 8, 9, 63, 64, 65, 130, 201}) {
        Values matrix = normal_values(size * size, 5);
        const Values before = matrix;
        Control control;
        mirror_upper(matrix.data(), size, 2, control);
        for (std::int64_t i = 0; i < size; ++i)
            for (std::int64_t j = 0; j < size; ++j)
                CHECK(matrix[i * size + j] == before[std::min(i, j) * size + std::max(i, j)]);
    }
}
