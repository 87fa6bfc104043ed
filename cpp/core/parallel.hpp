// The one rule for threads, and how a long computation hears that it should stop.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <omp.h>

namespace etaflow {

// Threads of this process to use: `requested` if positive, else ETAFLOW_NUM_THREADS, OMP_NUM_THREADS, the affinity
// mask, in this order. 1 in the child of a fork, where the OpenMP runtime must not be woken.
int resolve_threads(int requested);

// Work below this many floating-point operations is faster on one thread (about 40 microseconds).
inline constexpr double parallel_flops = 3e6;

inline int threads_for(double flops, int threads) { return flops < parallel_flops ? 1 : threads; }

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
    // `ask` runs on the calling thread at most once per interval and answers whether to stop.
    explicit Control(std::function<bool()> ask) : ask_(std::move(ask)), next_(Clock::now() + interval) {}

    bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
    void stop() { stopped_.store(true, std::memory_order_relaxed); }

    void poll() {
        if (!ask_ || std::this_thread::get_id() != owner_) return;
        const auto now = Clock::now();
        if (now < next_) return;
        next_ = now + interval;
        if (ask_()) stop();
    }

    void throw_if_stopped() const {
        if (stopped()) throw Interrupted();
    }

  private:
    std::function<bool()> ask_;
    std::thread::id owner_ = std::this_thread::get_id();
    Clock::time_point next_{};
    std::atomic<bool> stopped_{false};
};

// body(item) for every item, on up to `threads` threads; polls between items. The first exception is thrown again on
// the calling thread. Items not yet begun are dropped once `control` is stopped.
template <class F>
void parallel_for(int threads, std::int64_t items, Control& control, F body) {
    if (threads > items) threads = static_cast<int>(items);
    if (threads <= 1) {
        for (std::int64_t i = 0; i < items && !control.stopped(); ++i) {
            body(i);
            control.poll();
        }
        return;
    }
    std::atomic<std::int64_t> next{0};
    std::atomic<int> busy{threads - 1};
    std::exception_ptr error;
    std::mutex error_mutex;
    std::atomic<bool> failed{false};
#pragma omp parallel num_threads(threads)
    {
        const bool caller = omp_get_thread_num() == 0;
        while (!control.stopped() && !failed.load(std::memory_order_relaxed)) {
            const std::int64_t i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= items) break;
            try {
                body(i);
            } catch (...) {
                const std::lock_guard lock(error_mutex);
                if (!error) error = std::current_exception();
                failed = true;
            }
            if (caller) control.poll();
        }
        if (!caller) {
            busy.fetch_sub(1, std::memory_order_release);
        } else if (omp_get_num_threads() == threads) {
            // Others may work for long: keep listening. Short waits spin, long ones sleep.
            const auto begin = Control::Clock::now();
            while (busy.load(std::memory_order_acquire) > 0) {
                if (Control::Clock::now() - begin < std::chrono::microseconds(200)) continue;
                control.poll();
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
        }
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace etaflow
