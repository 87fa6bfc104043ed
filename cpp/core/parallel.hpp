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

#if defined(_OPENMP)
#include <omp.h>
#endif

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

// Items on several threads, any of which may fail.
template <class F>
class ManyItems {
  public:
    ManyItems(F& body, Control& control) : body_(body), control_(control) {}

    bool goes_on() const { return !control_.stopped() && !failed_.load(std::memory_order_relaxed); }
    bool run(std::int64_t item) {
        if (!goes_on()) return false;
        try {
            body_(item);
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!error_) error_ = std::current_exception();
            failed_ = true;
        }
        return goes_on();
    }
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    F& body_;
    Control& control_;
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    std::exception_ptr error_;
};

template <class F>
void one_after_another(std::int64_t items, Control& control, F& body) {
    for (std::int64_t i = 0; i < items && !control.stopped(); ++i) {
        body(i);
        if (i + 1 < items) control.poll();
    }
}

// body(item) for every item of a pass, on up to `threads` threads; polls between items. The first exception is thrown
// again on the calling thread. Items not yet begun are dropped once `control` is stopped. Calls from a body stay on its
// thread.
template <class F>
void parallel_for(Threads threads, std::int64_t items, Control& control, F body) {
    const int most = static_cast<int>(std::min<std::int64_t>(threads.count, items));
    if (most <= 1 || inside_item()) return one_after_another(items, control, body);
    ManyItems<F> all(body, control);
    share_items({items, [](void* at, std::int64_t item) { return static_cast<ManyItems<F>*>(at)->run(item); }, &all},
                most - 1, threads.wake, control);
    all.rethrow();
}

// The same for whole runs, which take so long that a barrier at their end costs nothing.
template <class F>
void parallel_runs(Threads threads, std::int64_t runs, Control& control, F body) {
#if defined(_OPENMP)
    const int most = static_cast<int>(std::min<std::int64_t>(threads.count, runs));
    if (most <= 1 || inside_item()) return one_after_another(runs, control, body);
    ManyItems<F> all(body, control);
    std::atomic<std::int64_t> next{0};
    std::atomic<int> others{most - 1};
#pragma omp parallel num_threads(most)
    {
        const bool caller = omp_get_thread_num() == 0;
        const InsideItem inside;
        for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < runs && all.run(i);)
            if (caller) control.poll();
        if (!caller)
            others.fetch_sub(1, std::memory_order_release);
        else if (omp_get_num_threads() == most)
            for (const auto begin = Control::Clock::now(); others.load(std::memory_order_acquire) > 0;) {
                if (Control::Clock::now() - begin < std::chrono::microseconds(200)) continue;
                control.poll();  // they may work for long
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
    }
    all.rethrow();
#else
    parallel_for(threads, runs, control, body);
#endif
}

}  // namespace etaflow
