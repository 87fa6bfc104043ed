#include "workers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>

#include "parallel.hpp"

namespace etaflow {

namespace {

using Clock = Control::Clock;
using namespace std::chrono_literals;

constexpr auto awake = 100us;     // a helper without work looks for some so long, then sleeps until it is called
constexpr auto impatient = 50us;  // a caller waits so long at full attention, then sleeps in between
constexpr int in_a_row = 8;       // so many calls, each soon after the last, are worth waking a helper
constexpr auto short_call = 2ms;  // a call that takes longer wants helpers even where they are slow

thread_local bool at_work = false;

void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

// Where the items of one call lie. An item belongs to the thread that took it, and the call is over when each taken one
// is done: who holds an item may read the call, nobody else does. Desks outlive all calls.
class alignas(64) Desk {
  public:
    bool reserve() { return !reserved_.load(std::memory_order_relaxed) && !reserved_.exchange(true); }
    void leave() { reserved_.store(false, std::memory_order_release); }

    void lay(const Items& items, int helpers, Clock::time_point begin) {
        items_ = items;
        begin_.store(begin.time_since_epoch().count(), std::memory_order_relaxed);
        done_.store(0, std::memory_order_relaxed);
        offer_.store(static_cast<std::uint64_t>(helpers) * one_helper + static_cast<std::uint64_t>(items.count));
    }
    bool began_before(Clock::time_point time) const {
        return begin_.load(std::memory_order_relaxed) < time.time_since_epoch().count();
    }
    // Takes back what nobody has taken: how many items.
    std::int64_t close() { return remaining(offer_.exchange(0, std::memory_order_relaxed)); }

    // The next item, or -1; `joining` for a helper's first one.
    std::int64_t take(bool joining) {
        std::uint64_t seen = offer_.load(std::memory_order_relaxed);
        while (remaining(seen) > 0 && (!joining || seen >= one_helper)) {
            const std::uint64_t rest = seen - 1 - (joining ? one_helper : 0);
            if (offer_.compare_exchange_weak(seen, rest, std::memory_order_acq_rel, std::memory_order_relaxed))
                return items_.count - remaining(seen);
        }
        return -1;
    }

    // A helper's share of the call; false if there is none.
    bool help() {
        std::int64_t item = take(true);
        if (item < 0) return false;
        while (item >= 0) {
            const bool go_on = items_.run(items_.context, item);
            item = go_on ? take(false) : -1;  // before the present item is given back, with which the call may end
            done_.fetch_add(1, std::memory_order_release);
        }
        return true;
    }
    std::int64_t done() const { return done_.load(std::memory_order_acquire); }

  private:
    static constexpr int item_bits = 40;
    static constexpr std::uint64_t one_helper = std::uint64_t{1} << item_bits;
    static std::int64_t remaining(std::uint64_t offer) { return static_cast<std::int64_t>(offer & (one_helper - 1)); }

    std::atomic<std::uint64_t> offer_{0};  // places for helpers, items that nobody has taken
    Items items_{};
    std::atomic<Clock::rep> begin_{0};
    std::atomic<bool> reserved_{false};
    alignas(64) std::atomic<std::int64_t> done_{0};  // items that helpers took
};

// All of this outlives every thread: nothing here has a destructor that does anything, and helpers end with the
// process.
std::array<Desk, 16> desks;
std::atomic<std::uint32_t> calls{0};  // rises with every call
std::atomic<bool> ringing{false};     // sleeping helpers were called, and none of them has come yet
std::atomic<int> looking{0};          // helpers that are awake and without work
std::atomic<int> hired{0};
std::mutex hiring;
std::atomic<Clock::rep> last_call{0};
std::atomic<int> stream{0};             // calls that came one soon after the other
std::atomic<Clock::rep> rest_until{0};  // helpers take no part in short calls till then

bool resting(Clock::time_point now) {
    return now.time_since_epoch().count() < rest_until.load(std::memory_order_relaxed);
}

bool help_somebody() {
    const auto now = Clock::now();
    const bool all = !resting(now);
    bool helped = false;
    for (Desk& desk : desks)
        if (all || desk.began_before(now - short_call)) helped |= desk.help();
    return helped;
}

// Waits a little for another call than the one `seen`.
bool another_call_soon(std::uint32_t seen) {
    looking.fetch_add(1);
    const auto begin = Clock::now();
    bool called = false;
    for (int i = 1; !called && (i % 64 != 0 || Clock::now() - begin < awake); ++i) {
        relax();
        called = calls.load() != seen;
    }
    looking.fetch_sub(1);
    return called;
}

[[noreturn]] void be_a_helper() {
    at_work = true;
    for (;;) {
        const std::uint32_t seen = calls.load();
        if (help_somebody()) continue;
        if (resting(Clock::now())) {
            std::this_thread::sleep_for(short_call);
        } else if (!another_call_soon(seen)) {
            ringing = false;
            calls.wait(seen);
            ringing = false;
        }
    }
}

void hire(int helpers) {
    if (hired.load(std::memory_order_relaxed) >= helpers) return;
    const std::lock_guard lock(hiring);
    try {
        for (; hired.load(std::memory_order_relaxed) < helpers; ++hired) std::thread(be_a_helper).detach();
    } catch (const std::system_error&) {}  // no more threads are to be had: the caller does the rest
}

// Whether calls come one soon after the other: a helper that is woken will be in time for the next one.
bool in_a_stream(Clock::time_point now) {
    const auto last = Clock::time_point(Clock::duration(last_call.exchange(now.time_since_epoch().count())));
    const int row = now - last < awake ? stream.load(std::memory_order_relaxed) + 1 : 0;
    stream.store(std::min(row, in_a_row), std::memory_order_relaxed);
    return row >= in_a_row;
}

void call(int helpers, bool wake) {
    calls.fetch_add(1);
    const int awake_ones = looking.load();
    if (!wake || awake_ones >= helpers || ringing.exchange(true)) return;
    for (int i = awake_ones; i < helpers; ++i) calls.notify_one();
}

// Until helpers have done the `taken` items that they hold.
void await(const Desk& desk, std::int64_t taken, Clock::duration own_item, Control& control) {
    if (desk.done() == taken) return;
    const auto begin = Clock::now();
    auto waited = Clock::duration::zero();
    while (desk.done() != taken) {
        if (waited < impatient) {
            relax();
        } else {
            control.poll();
            std::this_thread::sleep_for(std::min<Clock::duration>(waited, 5ms));
        }
        waited = Clock::now() - begin;
    }
    // Far longer than an item takes: another program has the helper's core.
    if (waited > 4 * own_item + 200us)
        rest_until = (Clock::now() + std::min<Clock::duration>(16 * waited, 100ms)).time_since_epoch().count();
}

Desk* free_desk() {
    for (Desk& desk : desks)
        if (desk.reserve()) return &desk;
    return nullptr;
}

}  // namespace

bool inside_item() { return at_work; }

void share_items(const Items& items, int helpers, bool wake, Control& control) {
    Desk* const desk = free_desk();
    if (desk == nullptr) {  // so many callers that nobody is left to help
        for (std::int64_t i = 0; i < items.count && items.run(items.context, i); ++i) control.poll();
        return;
    }
    hire(helpers);
    const auto begin = Clock::now();
    desk->lay(items, helpers, begin);
    const bool streaming = in_a_stream(begin);
    call(helpers, wake || streaming);
    std::int64_t own = 0;
    bool go_on = true;
    for (std::int64_t item; go_on && (item = desk->take(false)) >= 0; ++own) {
        at_work = true;
        go_on = items.run(items.context, item);
        at_work = false;
        control.poll();
    }
    const std::int64_t taken = items.count - desk->close() - own;
    await(*desk, taken, (Clock::now() - begin) / std::max<std::int64_t>(own, 1), control);
    desk->leave();
}

}  // namespace etaflow
