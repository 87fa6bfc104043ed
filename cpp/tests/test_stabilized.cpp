// The stabilised Runge-Kutta methods of the gradient flow: their order, their reach and their error estimate.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "core/stabilized_methods.hpp"

using namespace etaflow;

namespace {

using Row = std::vector<double>;

// All stages and, as the last row, the end of the step.
struct Tableau {
    std::vector<Row> a;

    explicit Tableau(const StabilizedMethod& m) {
        const std::size_t euler = static_cast<std::size_t>(m.stages - 4), stages = euler + 4;
        const auto& w = m.closing;
        const std::vector<Row> closing{{}, {w[0]}, {w[1], w[2]}, {w[3], w[4], w[5]}, {w[6], w[7], w[8], w[9]}};
        for (std::size_t i = 0; i <= stages; ++i) {
            Row row(stages + 1, 0.0);
            for (std::size_t j = 0; j < std::min(i, euler); ++j) row[j] = m.euler[j];
            if (i > euler)
                for (std::size_t j = 0; j < i - euler; ++j) row[euler + j] = closing[i - euler][j];
            a.push_back(row);
        }
    }
    Row times(const Row& v) const {
        Row out(v.size(), 0.0);
        for (std::size_t i = 0; i < v.size(); ++i)
            for (std::size_t j = 0; j < v.size(); ++j) out[i] += a[i][j] * v[j];
        return out;
    }
    // The elementary weights of the trees with up to `order` nodes for the weights b, in the order of `exact`.
    Row weights(const Row& b, int order) const {
        const Row ones(b.size(), 1.0), c = times(ones), ac = times(c);
        std::vector<Row> inner{ones, c, product(c, c), ac};
        if (order == 4) {
            const std::vector<Row> more{product(c, inner[2]), product(c, ac), times(inner[2]), times(ac)};
            inner.insert(inner.end(), more.begin(), more.end());
        }
        Row out;
        for (const Row& v : inner) {
            const Row terms = product(b, v);
            double total = 0;
            for (const double term : terms) total += term;
            out.push_back(total);
        }
        return out;
    }
    static Row product(const Row& u, const Row& v) {
        Row out(u.size());
        for (std::size_t i = 0; i < u.size(); ++i) out[i] = u[i] * v[i];
        return out;
    }
};

constexpr double exact[] = {1, 1.0 / 2, 1.0 / 3, 1.0 / 6, 1.0 / 4, 1.0 / 8, 1.0 / 12, 1.0 / 24};

// The factor by which a step multiplies the solution of y' = lambda y, z = h lambda.
double stability(const StabilizedMethod& m, double z) {
    double g = 1;
    for (int s = 0; s < m.stages - 4; ++s) g *= 1 + z * m.euler[static_cast<std::size_t>(s)];
    const auto& w = m.closing;
    const double k1 = z * g, k2 = z * (g + w[0] * k1), k3 = z * (g + w[1] * k1 + w[2] * k2);
    const double k4 = z * (g + w[3] * k1 + w[4] * k2 + w[5] * k3);
    return g + w[6] * k1 + w[7] * k2 + w[8] * k3 + w[9] * k4;
}

}  // namespace

TEST_CASE("a step meets the conditions of order 4") {
    for (const StabilizedMethod& m : stabilized_methods) {
        const Tableau tableau(m);
        const Row found = tableau.weights(tableau.a.back(), 4);
        for (std::size_t i = 0; i < found.size(); ++i) CHECK_NEAR(found[i], exact[i], 4e-15);
    }
}

TEST_CASE("the error estimate vanishes to order 3 and no farther") {
    for (const StabilizedMethod& m : stabilized_methods) {
        const Tableau tableau(m);
        Row b(tableau.a.size(), 0.0);
        for (std::size_t i = 0; i < 5; ++i) b[b.size() - 5 + i] = m.estimate[i];
        const Row found = tableau.weights(b, 4);
        double of_order_4 = 0;
        for (std::size_t i = 0; i < 4; ++i) CHECK_NEAR(found[i], 0.0, 4e-15);
        for (std::size_t i = 4; i < 8; ++i) of_order_4 = std::max(of_order_4, std::abs(found[i]));
        CHECK(of_order_4 > 1e-3);
    }
}

TEST_CASE("a step is stable as far as its method reaches, and not much farther") {
    for (const StabilizedMethod& m : stabilized_methods) {
        double most = 0;
        for (int i = 1; i <= 100'000; ++i) most = std::max(most, std::abs(stability(m, -m.reach * i / 100'000)));
        CHECK(most < 1);
        CHECK(std::abs(stability(m, -1.2 * m.reach)) > 1);
        CHECK_NEAR(stability(m, -0.01), std::exp(-0.01), 1e-12);
    }
}

TEST_CASE("the more stages, the farther each of them reaches") {
    for (std::size_t i = 1; i < stabilized_methods.size(); ++i) {
        const StabilizedMethod &shorter = stabilized_methods[i - 1], &longer = stabilized_methods[i];
        CHECK(longer.reach / longer.stages > shorter.reach / shorter.stages);
    }
}
