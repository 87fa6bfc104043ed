// The three products of a panel against plain loops, for every remainder.
#include "core/panel.hpp"

#include <random>
#include <vector>

#include "check.hpp"
#include "core/samples.hpp"

using namespace etaflow;

namespace {

template <class T>
T close() {
    return sizeof(T) == 8 ? T(1e-13) : T(1e-4);
}

// units x (vectors * lanes) in panel layout, with a plain accessor.
template <class T>
struct PanelRows {
    int units, vectors;
    Buffer<T> data;

    PanelRows(int u, int v, std::mt19937& random)
        : units(u), vectors(v), data(static_cast<std::size_t>(u * v * lanes<T>)) {
        std::normal_distribution<double> normal;
        for (T& value : data) value = static_cast<T>(normal(random));
    }
    T at(int unit, int sample) const {
        const int v = sample / lanes<T>, first = v / chunk_vectors * chunk_vectors;
        const int count = std::min(chunk_vectors, vectors - first);
        return data[static_cast<std::size_t>((first * units + unit * count + v - first) * lanes<T> +
                                             sample % lanes<T>)];
    }
};

template <class T>
void gradient(int rows, int cols, int vectors, bool bias) {
    std::mt19937 random(1);
    const PanelRows<T> delta(rows, vectors, random), x(cols, vectors, random);
    std::vector<T> g(static_cast<std::size_t>(rows * cols), T(1)), g_bias(static_cast<std::size_t>(rows), T(2));
    for (const OutputRange of : {OutputRange{0, rows / 2}, OutputRange{rows / 2, rows - rows / 2}})
        if (of.count > 0)
            panel_gradient(of, rows, cols, vectors, delta.data.data(), x.data.data(), g.data(),
                           bias ? g_bias.data() : nullptr);
    for (int r = 0; r < rows; ++r) {
        T sum = 2;
        for (int c = 0; c < cols; ++c) {
            T expected = 1;
            for (int i = 0; i < vectors * lanes<T>; ++i) expected += delta.at(r, i) * x.at(c, i);
            CHECK_NEAR(g[static_cast<std::size_t>(r * cols + c)], expected, close<T>() * 100);
        }
        for (int i = 0; bias && i < vectors * lanes<T>; ++i) sum += delta.at(r, i);
        CHECK_NEAR(g_bias[static_cast<std::size_t>(r)], sum, close<T>() * 100);
    }
}

template <class T>
void product(int rows, int inner, int vectors) {
    std::mt19937 random(2);
    std::normal_distribution<double> normal;
    const PanelRows<T> x(inner, vectors, random), scale(rows, vectors, random);
    std::vector<T> w(static_cast<std::size_t>(rows * inner)), bias(static_cast<std::size_t>(rows));
    for (T& value : w) value = static_cast<T>(normal(random));
    for (T& value : bias) value = static_cast<T>(normal(random));
    PanelRows<T> z(rows, vectors, random), scaled(rows, vectors, random);
    chunk_product<false, T>(rows, inner, vectors, {w.data(), inner, 1}, bias.data(), x.data.data(), z.data.data());
    // The same matrix, stored by columns and read through its strides.
    std::vector<T> transposed(w.size());
    for (int r = 0; r < rows; ++r)
        for (int i = 0; i < inner; ++i)
            transposed[static_cast<std::size_t>(i * rows + r)] = w[static_cast<std::size_t>(r * inner + i)];
    chunk_product<Start::zero, T>(rows, inner, vectors, {transposed.data(), 1, rows}, nullptr, x.data.data(), nullptr,
                                  StoreScaled<T>{scaled.data.data(), scale.data.data()});
    for (int r = 0; r < rows; ++r)
        for (int s = 0; s < vectors * lanes<T>; ++s) {
            T expected = 0;
            for (int i = 0; i < inner; ++i) expected += w[static_cast<std::size_t>(r * inner + i)] * x.at(i, s);
            CHECK_NEAR(z.at(r, s), expected + bias[static_cast<std::size_t>(r)], close<T>() * 10);
            CHECK_NEAR(scaled.at(r, s), expected * scale.at(r, s), close<T>() * 10);
        }
}

template <class T>
void from_rows(int rows, int inputs, int n) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    std::vector<T> x(static_cast<std::size_t>(n * inputs)), y(static_cast<std::size_t>(n));
    for (T& value : x) value = static_cast<T>(normal(random));
    const Rows<T> data(x.data(), y.data(), n, inputs, 1);
    std::vector<std::int32_t> indices;
    for (int i = 0; i < n; ++i) indices.push_back((5 * i + 1) % n);
    Panels<T> panels(n, inputs, 1, 1);
    panels.fill(data, indices.data());
    const Panel<T> panel = panels.panel(0);
    const PanelRows<T> delta(rows, panel.vectors, random);
    const PanelDelta<T> one{panel, delta.data.data()};
    std::vector<T> g(static_cast<std::size_t>(rows * inputs), T(7)), g_bias(static_cast<std::size_t>(rows), T(7));
    const auto sum = [&](std::initializer_list<PanelDelta<T>> all, bool add) {
        for (const OutputRange of : {OutputRange{0, rows / 2}, OutputRange{rows / 2, rows - rows / 2}})
            if (of.count > 0)
                panel_gradient_from_rows<T>(of, rows, inputs, {all.begin(), all.size()}, add, g.data(), g_bias.data());
    };
    sum({one, one}, false);  // twice, instead of what is there
    sum({one}, true);        // and once more
    for (int r = 0; r < rows; ++r) {
        T total = 0;
        for (int c = 0; c < inputs; ++c) {
            T expected = 0;
            for (int i = 0; i < n; ++i)
                expected +=
                    delta.at(r, i) * x[static_cast<std::size_t>(indices[static_cast<std::size_t>(i)] * inputs + c)];
            CHECK_NEAR(g[static_cast<std::size_t>(r * inputs + c)], 3 * expected, close<T>() * 100);
        }
        for (int i = 0; i < n; ++i) total += delta.at(r, i);
        CHECK_NEAR(g_bias[static_cast<std::size_t>(r)], 3 * total, close<T>() * 100);
    }
}

}  // namespace

TEST_CASE("products of a chunk") {
    for (const int rows : {1, 2, 4, 5, 6, 10, 11, 13})
        for (const int inner : {1, 3, 8})
            for (int vectors = 1; vectors <= chunk_vectors; ++vectors) {
                product<double>(rows, inner, vectors);
                product<float>(rows, inner, vectors);
            }
}

TEST_CASE("gradient of a panel") {
    for (const int rows : {1, 3, 5, 6, 11})
        for (const int cols : {1, 2, 4, 5, 9, 10, 17})
            for (const int vectors : {1, 2, 4, 5, 9})
                for (const bool bias : {false, true}) {
                    gradient<double>(rows, cols, vectors, bias);
                    gradient<float>(rows, cols, vectors, bias);
                }
}

TEST_CASE("gradient of a panel from rows") {
    for (const int rows : {1, 7, 10, 23})
        for (const int inputs : {16, 31, 32, 33, 63, 64, 196})
            for (const int n : {1, 3, 16, 37}) {
                from_rows<double>(rows, inputs, n);
                from_rows<float>(rows, inputs, n);
            }
}

TEST_CASE("pieces are balanced") {
    std::vector<int> sizes;
    for_each_piece(10, 8, [&](int, int count) { sizes.push_back(count); });
    CHECK(sizes == std::vector<int>({5, 5}));
}
