#include "parallel.hpp"

#include <algorithm>
#include <cstdlib>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace etaflow {

namespace {

std::atomic<bool> forked{false};

int positive_from_environment(const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? 0 : std::max(0, std::atoi(text));
}

int cpus() {
#if defined(__linux__)
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) return std::max(1, CPU_COUNT(&mask));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void watch_for_fork() {
#if defined(__unix__) || defined(__APPLE__)
    static const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
    (void)registered;
#endif
}

}  // namespace

int resolve_threads(int requested) {
    watch_for_fork();
    if (forked) return 1;
    if (requested > 0) return requested;
    if (const int n = positive_from_environment("ETAFLOW_NUM_THREADS")) return n;
    if (const int n = positive_from_environment("OMP_NUM_THREADS")) return n;
    return cpus();
}

}  // namespace etaflow
