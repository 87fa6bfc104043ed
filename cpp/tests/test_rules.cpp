#include "core/rules.hpp"

#include <vector>

#include "check.hpp"

using namespace etaflow;

namespace {

Rule rule_of(RuleKind kind, std::int64_t patience, double min_delta, std::int64_t cooldown) {
    return {kind, Quantity::loss, 0, 1, patience, min_delta, cooldown, 0.5, 1.0};
}

// The evaluations at which a rule speaks.
std::vector<int> spoken(const Rule& rule, const std::vector<double>& values) {
    RuleMemory memory;
    std::vector<int> at;
    for (std::size_t i = 0; i < values.size(); ++i)
        if (apply_rule(rule, values[i], memory) != RuleVerdict::go_on) at.push_back(static_cast<int>(i));
    return at;
}

}  // namespace

TEST_CASE("a plateau is `patience` evaluations without a sufficient fall") {
    CHECK(spoken(rule_of(RuleKind::stop, 3, 0, 0), {5, 4, 4, 4, 4}) == std::vector<int>({4}));
    CHECK(spoken(rule_of(RuleKind::stop, 3, 0.5, 0), {5, 4.8, 4.6, 4.4, 4.2}) ==
          std::vector<int>({}));  // 4.4 is enough
    CHECK(spoken(rule_of(RuleKind::stop, 2, 0.5, 0), {5, 4.8, 4.6, 4.4}) == std::vector<int>({2}));
}

TEST_CASE("after shrinking the rule rests, then counts anew") {
    const std::vector<double> flat(12, 1.0);
    CHECK(spoken(rule_of(RuleKind::scale, 2, 0, 0), flat) == std::vector<int>({2, 4, 6, 8, 10}));
    CHECK(spoken(rule_of(RuleKind::scale, 2, 0, 3), flat) == std::vector<int>({2, 6, 10}));
}

TEST_CASE("thresholds") {
    CHECK(spoken(rule_of(RuleKind::below, 1, 0, 0), {3, 2, 1, 0.5}) == std::vector<int>({2, 3}));
    CHECK(spoken(rule_of(RuleKind::above, 1, 0, 0), {3, 0.5, 1}) == std::vector<int>({0, 2}));
}

TEST_CASE("when a rule is due") {
    Rule rule = rule_of(RuleKind::stop, 1, 0, 0);
    rule.start = 10;
    rule.every = 4;
    for (std::int64_t step = 0; step < 40; ++step) {
        CHECK_EQUAL(rule.due(step), step >= 10 && (step - 10) % 4 == 0);
        std::int64_t next = step + 1;
        while (!rule.due(next)) ++next;
        CHECK_EQUAL(rule.next_due(step), next);
    }
}
