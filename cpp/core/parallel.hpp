// The one rule for threads, and how a long computation hears that it should stop.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "workers.hpp"

namespace etaflow {

// Threads of this process to use: `requested` if positive, else ETAFLOW_NUM_THREADS, OMP_NUM_THREADS, the affinity
// mask, in this order. 1 in the child of a fork, where there are no helpers.
int resolve_threads(int requested);

// How many threads share some work, and whether it is long enough to wake those of them that sleep.
struct Threads {
    Threads(int most, bool wakes = true) : count(most), wake(wakes) {}
    operator int() const { return count; }

    int count;
    bool wake;
};

// Floating-point operations from which two threads that are awake are faster than one (about 5 microseconds), and
// from which it pays to wake them (about 80). bench/threads.py measures both.
inline constexpr double parallel_flops = 3e5, waking_flops = 1e7;

inline Threads threads_for(double flops, int threads) {
    return {flops < parallel_flops ? 1 : threads, flops >= waking_flops};
}

struct Interrupted : std::runtime_error {
    Interrupted() : std::runtime_error("interrupted") {}
};

// One computation's connection to its caller. Every thread may ask `stopped`; `poll` listens on the thread that made
// the Control and does nothing on others.
class Control {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds interval{50};

    Control() = default;
    // `ask` runs on the calling thread at most once per interval and answers whether to drop everything.
    explicit Control(std::function<bool()> ask) : ask_(std::move(ask)), next_(Clock::now() + interval) {}
    // For a piece of the outer work that is finished once begun: it stops only if the outer work is dropped.
    explicit Control(Control* outer) : outer_(outer) {}

    bool stopped() const { return outer_ ? outer_->dropped() : wish_.load(std::memory_order_relaxed) != go_on; }
    bool dropped() const { return outer_ ? outer_->dropped() : wish_.load(std::memory_order_relaxed) == drop_it; }
    // What is begun is finished, nothing else begins.
    void stop() { wish_.store(stop_soon, std::memory_order_relaxed); }

    void poll() {
        if (outer_) return outer_->poll();
        if (!ask_ || std::this_thread::get_id() != owner_) return;
        const auto now = Clock::now();
        if (now < next_) return;
        next_ = now + interval;
        if (ask_()) wish_.store(drop_it, std::memory_order_relaxed);
    }

    void throw_if_stopped() const {
        if (stopped()) throw Interrupted();
    }

  private:
    enum Wish { go_on, stop_soon, drop_it };

    Control* outer_ = nullptr;
    std::function<bool()> ask_;
    std::thread::id owner_ = std::this_thread::get_id();
    Clock::time_point next_{};
    std::atomic<Wish> wish_{go_on};
};

// body(item) for every item, on up to `threads` threads; polls between items. The first exception is thrown again on
// the calling thread. Items not yet begun are dropped once `control` is stopped. Calls from a body stay on its thread.
template <class F>
void parallel_for(Threads threads, std::int64_t items, Control& control, F body) {
    const int most = static_cast<int>(std::min<std::int64_t>(threads.count, items));
    if (most <= 1 || inside_item()) {
        for (std::int64_t i = 0; i < items && !control.stopped(); ++i) {
            body(i);
            if (i + 1 < items) control.poll();
        }
        return;
    }
    struct Call {
        F& body;
        Control& control;
        std::atomic<bool> failed{false};
        std::mutex mutex{};
        std::exception_ptr error{};

        bool goes_on() const { return !control.stopped() && !failed.load(std::memory_order_relaxed); }
        bool run(std::int64_t item) {
            if (!goes_on()) return false;
            try {
                body(item);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!error) error = std::current_exception();
                failed = true;
            }
            return goes_on();
        }
    } call{body, control};
    share_items({items, [](void* at, std::int64_t item) { return static_cast<Call*>(at)->run(item); }, &call}, most - 1,
                threads.wake, control);
    if (call.error) std::rethrow_exception(call.error);
}

}  // namespace etaflow
