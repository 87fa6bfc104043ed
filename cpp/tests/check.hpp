// A test framework of one page (the registries that a fresh machine reaches have none that is kept and light).
//
//   #include "check.hpp"
//
//   TEST_CASE("logistic stays in (0, 1)") {
//     for (double z : {-800.0, 0.0, 800.0}) {
//       CHECK(logistic(z) >= 0.0);                  // goes on after a failure and prints the line
//       CHECK_EQUAL(logistic(0.0), 0.5);            // prints both values
//       CHECK_CLOSE(logistic(z), oracle(z), 1e-15); // |a - b| <= rel * |b|, or both NaN, or both the same infinity
//       CHECK_NEAR(logistic(z), oracle(z), 1e-15);  // |a - b| <= abs
//     }
//     REQUIRE(pointer != nullptr);                  // ends this test case on failure
//     CHECK_THROWS_AS(logistic_of("x"), std::invalid_argument);
//   }
//
// Every cpp/tests/test_*.cpp is one executable and one ctest test; main() is in main.cpp. An argument selects the cases
// whose name contains it.
#pragma once

#include <cmath>
#include <exception>
#include <iostream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace check {

struct Case {
    std::string_view name;
    void (*body)();
};

struct RequireFailed {};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

inline long& checks() {
    static long count = 0;
    return count;
}

struct Register {
    Register(std::string_view name, void (*body)()) { cases().push_back({name, body}); }
};

template <class Value>
std::string show(const Value& value) {
    std::ostringstream out;
    if constexpr (std::is_floating_point_v<Value>) { out.precision(std::numeric_limits<Value>::max_digits10); }
    if constexpr (requires { out << value; }) {
        out << value;
    } else {
        out << "(no text form)";
    }
    return out.str();
}

inline void report(bool holds, std::string_view file, int line, std::string_view expression, std::string_view detail) {
    ++checks();
    if (holds) { return; }
    ++failures();
    std::cerr << file << ':' << line << ": " << expression << (detail.empty() ? "" : "\n    ") << detail << '\n';
}

inline bool same_special(double actual, double expected) {
    return (std::isnan(actual) && std::isnan(expected)) || actual == expected;
}

inline void near(double actual, double expected, double bound, std::string_view file, int line,
                 std::string_view expression) {
    const bool holds = same_special(actual, expected) || std::abs(actual - expected) <= bound;
    report(holds, file, line, expression,
           show(actual) + " against " + show(expected) + ", off by " + show(std::abs(actual - expected)) + " > " +
               show(bound));
}

// Runs the cases whose name contains `filter`; the number of failed checks is the answer.
inline int run(std::string_view filter) {
    int cases_run = 0;
    for (const Case& test : cases()) {
        if (test.name.find(filter) == std::string_view::npos) { continue; }
        ++cases_run;
        const int failures_before = failures();
        try {
            test.body();
        } catch (const RequireFailed&) {  // already reported
        } catch (const std::exception& error) { report(false, "(exception)", 0, error.what(), ""); }
        if (failures() != failures_before) { std::cerr << "FAILED: " << test.name << '\n'; }
    }
    std::cout << cases_run << " cases, " << checks() << " checks, " << failures() << " failed\n";
    return failures() + (cases_run == 0 ? 1 : 0);
}

}  // namespace check

#define CHECK_CONCAT_(a, b) a##b
#define CHECK_CONCAT(a, b) CHECK_CONCAT_(a, b)

#define TEST_CASE(name) TEST_CASE_AS(CHECK_CONCAT(test_case_, __LINE__), name)
#define TEST_CASE_AS(function, name)                                                  \
    static void function();                                                           \
    static const check::Register CHECK_CONCAT(function, _registered){name, function}; \
    static void function()

#define CHECK(...) check::report(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, "CHECK(" #__VA_ARGS__ ")", "")

#define REQUIRE(...)                                                                     \
    do {                                                                                 \
        const bool check_holds = static_cast<bool>(__VA_ARGS__);                         \
        check::report(check_holds, __FILE__, __LINE__, "REQUIRE(" #__VA_ARGS__ ")", ""); \
        if (!check_holds) { throw check::RequireFailed{}; }                              \
    } while (false)

#define CHECK_EQUAL(actual, expected)                                                                                \
    do {                                                                                                             \
        const auto& check_actual = (actual);                                                                         \
        const auto& check_expected = (expected);                                                                     \
        check::report(check_actual == check_expected, __FILE__, __LINE__, "CHECK_EQUAL(" #actual ", " #expected ")", \
                      check::show(check_actual) + " against " + check::show(check_expected));                        \
    } while (false)

#define CHECK_NEAR(actual, expected, bound) \
    check::near((actual), (expected), (bound), __FILE__, __LINE__, "CHECK_NEAR(" #actual ", " #expected ", " #bound ")")

#define CHECK_CLOSE(actual, expected, relative)                                                          \
    do {                                                                                                 \
        const double check_expected = (expected);                                                        \
        check::near((actual), check_expected, (relative) * std::abs(check_expected), __FILE__, __LINE__, \
                    "CHECK_CLOSE(" #actual ", " #expected ", " #relative ")");                           \
    } while (false)

#define CHECK_THROWS_AS(expression, type)                                                                   \
    do {                                                                                                    \
        bool check_thrown = false;                                                                          \
        try {                                                                                               \
            static_cast<void>(expression);                                                                  \
        } catch (const type&) { check_thrown = true; }                                                      \
        check::report(check_thrown, __FILE__, __LINE__, "CHECK_THROWS_AS(" #expression ", " #type ")", ""); \
    } while (false)
