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
