// Threads that help with the items of a call.
//
// A caller lays its items on a desk, works on them itself, and waits at the end only for items that a helper has taken:
// helpers that have not begun, because another program keeps their core busy, delay nobody. OpenMP's parallel region
// cannot do that: it ends with a barrier of the whole team.
#pragma once

#include <cstdint>

namespace etaflow {

class Control;

// run(context, i) for i = 0 … count - 1, in any order and on any thread. It does not throw; after it has answered false
// no other item needs to be begun.
struct Items {
    std::int64_t count;
    bool (*run)(void* context, std::int64_t item);
    void* context;
};

// Whether this thread is at work on an item: calls made from there stay on it.
bool inside_item();

// Runs the items on this thread and up to `helpers` others; returns when none is under way. Polls `control`. Without
// `wake`, helpers that sleep are called only if such calls come one after the other.
void share_items(const Items& items, int helpers, bool wake, Control& control);

}  // namespace etaflow
