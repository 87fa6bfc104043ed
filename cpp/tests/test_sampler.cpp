#include "sampler.hpp"

#include <atomic>
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "check.hpp"

using namespace etaflow;

namespace {

std::atomic<long> allocations{0};

}  // namespace

void* operator new(std::size_t size) {
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

using Indices = std::vector<std::int32_t>;

constexpr Sampling kinds[] = {Sampling::all, Sampling::iid, Sampling::without_replacement, Sampling::shuffle_once,
                              Sampling::reshuffle};
constexpr std::int64_t sizes[] = {1, 2, 3, 10, 1000};

std::vector<std::int64_t> batches_of(Sampling kind, std::int64_t n) {
    if (kind == Sampling::all) return {n};
    std::vector<std::int64_t> batches{n};
    for (const std::int64_t batch : {1, 2, 3, 7, 16})
        if (batch < n || kind != Sampling::without_replacement) batches.push_back(batch);
    return batches;
}

Indices drawn(Sampler& sampler, std::int64_t first, std::int64_t steps) {
    Indices indices(static_cast<std::size_t>(steps * sampler.batch()));
    sampler.fill(first, steps, indices.data(), 1);
    return indices;
}

// Calls test(kind, n, batch) for the whole table.
template <class Test>
void for_all(Test test) {
    for (const Sampling kind : kinds)
        for (const std::int64_t n : sizes)
            for (const std::int64_t batch : batches_of(kind, n)) test(kind, n, batch);
}

}  // namespace

TEST_CASE("names") {
    CHECK(sampling_from_name("all") == Sampling::all);
    CHECK(sampling_from_name("iid") == Sampling::iid);
    CHECK(sampling_from_name("without_replacement") == Sampling::without_replacement);
    CHECK(sampling_from_name("shuffle_once") == Sampling::shuffle_once);
    CHECK(sampling_from_name("reshuffle") == Sampling::reshuffle);
    CHECK(sampling_from_name("explicit") == Sampling::explicit_indices);
    CHECK_THROWS_AS(sampling_from_name("iid "), std::invalid_argument);
}

TEST_CASE("any steps, in any order and pieces, are those of all steps at once") {
    for_all([](Sampling kind, std::int64_t n, std::int64_t batch) {
        Sampler sampler(kind, n, batch, 5, 6);
        const std::int64_t steps = 70;
        const Indices all = drawn(sampler, 0, steps);
        const auto part = [&](std::int64_t first, std::int64_t count) {
            return Indices(all.begin() + first * batch, all.begin() + (first + count) * batch);
        };
        for (const std::int64_t piece : {1, 3, 64})
            for (std::int64_t first = 0; first + piece <= steps; first += piece)
                CHECK(drawn(sampler, first, piece) == part(first, piece));
        for (const std::int64_t first : {69, 0, 33, 2})  // and back again
            CHECK(drawn(sampler, first, 1) == part(first, 1));
        CHECK(drawn(sampler, 7, 0).empty());
    });
}

TEST_CASE("a stride leaves gaps untouched") {
    for_all([](Sampling kind, std::int64_t n, std::int64_t batch) {
        Sampler sampler(kind, n, batch, 5, 6);
        const Indices dense = drawn(sampler, 3, 20);
        for (const std::ptrdiff_t stride : {8, 16}) {
            Indices indices(dense.size() * static_cast<std::size_t>(stride), -1);
            sampler.fill(3, 20, indices.data(), stride);
            const auto step = static_cast<std::size_t>(stride);
            bool right = true;
            for (std::size_t i = 0; i < indices.size(); ++i) right &= indices[i] == (i % step ? -1 : dense[i / step]);
            CHECK(right);
        }
    });
}

TEST_CASE("runs side by side draw what each draws alone") {
    for_all([](Sampling kind, std::int64_t n, std::int64_t batch) {
        if (n > 10) return;
        for (const int count : {1, 4, 8, 11, 16}) {
            std::vector<Sampler> runs;
            for (int r = 0; r < count; ++r) runs.emplace_back(kind, n, batch, 5, static_cast<std::uint64_t>(100 + r));
            for (const std::int64_t first : {0, 1, 64})
                for (const std::int64_t steps : {1, 2, 5, 64}) {
                    const auto columns = static_cast<std::size_t>(count);
                    Indices together(static_cast<std::size_t>(steps * batch) * columns);
                    Sampler::fill_runs(runs.data(), count, first, steps, together.data());
                    for (std::size_t r = 0; r < columns; ++r) {
                        const Indices alone = drawn(runs[r], first, steps);
                        bool same = true;
                        for (std::size_t i = 0; i < alone.size(); ++i) same &= together[i * columns + r] == alone[i];
                        CHECK(same);
                    }
                }
        }
    });
}

TEST_CASE("explicit indices are copied from their own first step on") {
    const std::int64_t rows[] = {4, 1, 0, 3, 2, 2};
    Sampler sampler(Sampling::explicit_indices, 5, 2, 1, 1, rows, 10);
    CHECK(drawn(sampler, 10, 3) == Indices{4, 1, 0, 3, 2, 2});
    CHECK(drawn(sampler, 12, 1) == Indices{2, 2});
}

TEST_CASE("fill allocates nothing") {
    for_all([](Sampling kind, std::int64_t n, std::int64_t batch) {
        Sampler sampler(kind, n, batch, 5, 6);
        Indices indices(static_cast<std::size_t>(50 * batch));
        const long before = allocations;
        for (std::int64_t first = 0; first < 500; first += 50) sampler.fill(first, 50, indices.data(), 1);
        Sampler::fill_runs(&sampler, 1, 0, 50, indices.data());
        CHECK_EQUAL(allocations - before, 0L);
    });
}
