// Blocks of runs that make their steps side by side.
//
// A block by itself spends half of its time waiting: for the last activation of a layer, the sums of a narrow one, the
// deltas that come of them. So the blocks of a team go through a step phase by phase, and the processor finds the next
// block's work in every phase. No block sees anything of another.
#pragma once

#include <vector>

#include "lanes.hpp"

namespace etaflow {

template <class T>
class LaneTeam {
  public:
    LaneTeam(const Network& net, const LaneLayout& layout, const Rows<T>& rows, Loss loss, int blocks)
        : depth_(net.depth()) {
        blocks_.reserve(static_cast<std::size_t>(blocks));
        for (int b = 0; b < blocks; ++b) blocks_.emplace_back(net, layout, rows, loss);
    }

    int blocks() const { return static_cast<int>(blocks_.size()); }
    int width() const { return blocks() * lanes<T>; }  // runs
    LaneBlock<T>& block(int b) { return blocks_[static_cast<std::size_t>(b)]; }
    const LaneBlock<T>& block(int b) const { return blocks_[static_cast<std::size_t>(b)]; }

    // Plain SGD, one observation per run: w -= alpha * factor * dL, with index and alpha [run]. The change of the first
    // layer stays pending.
    void sgd_step(const std::int32_t* index, const T* alpha, T factor) {
        read_and_forward<false>(index);
        change<false>(alpha, factor);
    }

    // The same; `reference` (LaneLayout order) is where the runs should be after it. The squared distance after the
    // step before goes to `before` [run] unless that is null.
    void tracked_sgd_step(const std::int32_t* index, const T* alpha, T factor, const T* reference, T* before) {
        read_and_forward<true>(index);
        for (int b = 0; b < blocks(); ++b) {
            const Vec<T> distance = block(b).next_reference(reference);
            if (before) store_unaligned(before + b * lanes<T>, distance);
        }
        change<true>(alpha, factor);
    }

    // Applies the pending change. Must be called before anyone looks at the weights. The squared distance after the
    // last step, if that was tracked, goes to `distance` [run] unless that is null.
    void flush(T* distance) {
        for (int b = 0; b < blocks(); ++b) {
            const Vec<T> last = block(b).flush();
            if (distance) store_unaligned(distance + b * lanes<T>, last);
        }
    }

    // g[block] = factor * sum over the batch of each run, draw j times weights[j] unless null; index is [draw][run].
    void gradient(const std::int32_t* index, std::int64_t batch, T factor, const T* weights, Vec<T>* const* g) {
        for (std::int64_t j = 0; j < batch; ++j) {
            read_and_forward<false>(index + j * width());
            const Vec<T> scale = set1<T>(weights ? factor * weights[j] : factor);
            for (LaneBlock<T>& block : blocks_) block.output(scale);
            for (int l = depth_; l >= 1; --l)
                for (int b = 0; b < blocks(); ++b)
                    if (j == 0)
                        block(b).template backward<detail::LaneBackward::set_gradient>(l, g[b]);
                    else
                        block(b).template backward<detail::LaneBackward::add_gradient>(l, g[b]);
        }
    }

  private:
    template <bool track>
    void read_and_forward(const std::int32_t* index) {
        for (int b = 0; b < blocks(); ++b) block(b).read(index + b * lanes<T>);
        for (int l = 1; l <= depth_; ++l) {
            for (LaneBlock<T>& block : blocks_) block.template sum<track>(l);
            for (LaneBlock<T>& block : blocks_) block.activate(l);
        }
    }

    template <bool track>
    void change(const T* alpha, T factor) {
        for (int b = 0; b < blocks(); ++b) block(b).output(-(load_unaligned(alpha + b * lanes<T>) * factor));
        for (int l = depth_; l >= 1; --l)
            for (LaneBlock<T>& block : blocks_) block.template change<track>(l);
    }

    int depth_;
    std::vector<LaneBlock<T>> blocks_;
};

}  // namespace etaflow
