#include "core/parallel.hpp"

#include <stdexcept>
#include <vector>

#include "check.hpp"

using namespace etaflow;

TEST_CASE("every item once, for any number of threads") {
    for (const int threads : {1, 2, 3, 8}) {
        std::vector<int> seen(1000, 0);
        Control control;
        parallel_for(threads, 1000, control, [&](std::int64_t i) { seen[static_cast<std::size_t>(i)] += 1; });
        CHECK(seen == std::vector<int>(1000, 1));
    }
}

TEST_CASE("an exception reaches the caller") {
    for (const int threads : {1, 3}) {
        Control control;
        CHECK_THROWS_AS(parallel_for(threads, 100, control,
                                     [](std::int64_t i) {
                                         if (i == 37) throw std::runtime_error("37");
                                     }),
                        std::runtime_error);
    }
}

TEST_CASE("a stop is heard") {
    for (const int threads : {1, 2}) {
        int asked = 0;
        Control control([&] { return ++asked == 2; });
        std::atomic<int> done{0};
        parallel_for(threads, 10'000, control, [&](std::int64_t) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            ++done;
        });
        CHECK(control.stopped());
        CHECK(done < 1'000);
        CHECK_THROWS_AS(control.throw_if_stopped(), Interrupted);
    }
}

TEST_CASE("only the caller's thread is asked") {
    const auto caller = std::this_thread::get_id();
    std::atomic<bool> elsewhere{false};
    Control control([&] {
        if (std::this_thread::get_id() != caller) elsewhere = true;
        return false;
    });
    parallel_for(4, 200, control, [&](std::int64_t) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        control.poll();
    });
    CHECK(!elsewhere);
}

TEST_CASE("short calls, one after the other and from several threads at once") {
    std::atomic<std::int64_t> wrong{0};
    const auto caller = [&] {
        std::vector<std::int64_t> out(24);
        Control control;
        for (std::int64_t call = 0; call < 3000; ++call) {
            const std::int64_t items = call % 24;
            parallel_for(3, items, control, [&](std::int64_t i) { out[static_cast<std::size_t>(i)] = call + i; });
            for (std::int64_t i = 0; i < items; ++i) wrong += out[static_cast<std::size_t>(i)] != call + i;
        }
    };
    std::vector<std::thread> callers;
    for (int i = 0; i < 20; ++i) callers.emplace_back(caller);  // more than there are desks
    for (std::thread& thread : callers) thread.join();
    CHECK_EQUAL(wrong.load(), 0);
}

TEST_CASE("a call from an item stays on its thread") {
    Control control;
    std::atomic<int> elsewhere{0}, done{0};
    parallel_for(3, 50, control, [&](std::int64_t) {
        const auto here = std::this_thread::get_id();
        Control inner;
        parallel_for(3, 20, inner, [&](std::int64_t) {
            elsewhere += std::this_thread::get_id() != here;
            ++done;
        });
    });
    CHECK_EQUAL(done.load(), 1000);
    CHECK_EQUAL(elsewhere.load(), 0);
}

TEST_CASE("no more threads than asked for work at once") {
    Control control;
    parallel_for(8, 8, control, [](std::int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    std::atomic<int> working{0}, most{0};
    parallel_for(3, 200, control, [&](std::int64_t) {
        const int now = ++working;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {}
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        --working;
    });
    CHECK(most >= 2);
    CHECK(most <= 3);
}
