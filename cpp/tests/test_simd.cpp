#include "core/simd.hpp"

#include <limits>

#include "check.hpp"

using namespace etaflow;

namespace {

template <class T>
void squares() {
    Vec<T> rows[lanes<T>], again[lanes<T>];
    for (int i = 0; i < lanes<T>; ++i)
        for (int j = 0; j < lanes<T>; ++j) rows[i][j] = again[i][j] = static_cast<T>(100 * i + j);
    transpose<T>(rows);
    for (int i = 0; i < lanes<T>; ++i)
        for (int j = 0; j < lanes<T>; ++j) CHECK_EQUAL(rows[i][j], static_cast<T>(100 * j + i));
    const Vec<T> sums = reduce<T>(again);
    for (int i = 0; i < lanes<T>; ++i) {
        T expected = 0;
        for (int j = 0; j < lanes<T>; ++j) expected += static_cast<T>(100 * i + j);
        CHECK_EQUAL(sums[i], expected);
    }
}

template <class T>
void not_a_number() {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    const Vec<T> x = set1<T>(nan);
    CHECK(min(set1<T>(1), x)[0] != min(set1<T>(1), x)[0]);  // the second operand passes
    CHECK(max(set1<T>(1), x)[0] != max(set1<T>(1), x)[0]);
    CHECK_EQUAL(min(x, set1<T>(1))[0], T(1));
    CHECK(any<T>(x != x));
    CHECK(!any<T>(set1<T>(1) != set1<T>(1)));
    CHECK(std::signbit(set1<T>(T(-0.0))[0]));
}

}  // namespace

TEST_CASE("transpose and reduce") {
    squares<double>();
    squares<float>();
}

TEST_CASE("NaN and the sign of zero pass through") {
    not_a_number<double>();
    not_a_number<float>();
}

TEST_CASE("the sum of one vector has the order of reduce") {
    Vec<double> rows[lanes<double>] = {}, one;
    for (int j = 0; j < lanes<double>; ++j) one[j] = 1.0 / (3 + j);
    rows[0] = one;
    CHECK_EQUAL(sum<double>(one), reduce<double>(rows)[0]);
}
