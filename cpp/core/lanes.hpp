// Small networks, small batches: one SIMD lane is one run.
//
// A block holds as many runs as a vector has lanes, and all its weights stay in the cache while it makes many steps.
// A layer's outputs are cut into groups of at most eight (balanced: 10 = 5 + 5), and a group's weights lie as
//
//   [input, the bias last][output in the group][lane]
//
// so one sweep over the inputs serves a whole group from registers. The layer that reads the data is updated late:
// step k's change w -= alpha delta x_k is made in the same sweep that multiplies w with x_{k+1}, so its weights, most
// of the network, cross the cache once a step.
//
// Every lane goes through the same operations in the same order whatever the other lanes hold: a run's bits do not
// depend on its company. Sums run over the inputs in order; layers of at most `narrow_outputs` outputs, too few to hide
// the latency of an addition, sum eight interleaved parts, added as a fixed tree. Their products are rounded before
// they are added: on processors that keep adders beside their multipliers (AMD's), two fused operations and a store of
// a 64-byte vector take two cycles, a fused one, a product, a sum and a store less than one and a half.
//
// The squared distance of every theta_k to a reference is summed where a weight gets its new value anyway (`track`):
// the first layer's part in the sweep of step k + 1, so that it is known one step later, or at the flush.
#pragma once

#include <bit>
#include <cstring>
#include <vector>

#include "buffer.hpp"
#include "loss.hpp"
#include "network.hpp"
#include "panel.hpp"
#include "samples.hpp"

namespace etaflow {

inline constexpr int narrow_outputs = 3;
inline constexpr int partial_sums = 8;
inline constexpr int group_outputs = 8;

struct LaneGroup {
    int first;              // first output
    int size;               // outputs; 1 in a narrow layer
    std::ptrdiff_t offset;  // of the group's weights, in vectors
};

struct LaneLayer {
    int inner;  // inputs, and one for the bias
    int in;
    int out;
    bool narrow;
    ActivationSpec activation;
    std::vector<LaneGroup> groups;
};

// Where each parameter of theta lies in a block.
class LaneLayout {
  public:
    explicit LaneLayout(const Network& net) : position_(net.num_params()) {
        std::ptrdiff_t offset = 0;
        for (const Layer& layer : net.layers()) {
            LaneLayer lane{layer.in + layer.bias,       layer.in,         layer.out,
                           layer.out <= narrow_outputs, layer.activation, {}};
            for_each_piece(layer.out, lane.narrow ? 1 : group_outputs, [&](int first, int size) {
                lane.groups.push_back({first, size, offset});
                for (int o = 0; o < size; ++o) {
                    for (int i = 0; i < layer.in; ++i)
                        position_[layer.weights + std::int64_t{first + o} * layer.in + i] = offset + i * size + o;
                    if (layer.bias) position_[layer.biases + first + o] = offset + layer.in * size + o;
                }
                offset += std::ptrdiff_t{lane.inner} * size;
            });
            layers_.push_back(std::move(lane));
        }
    }

    const std::vector<LaneLayer>& layers() const { return layers_; }
    std::int64_t vectors() const { return static_cast<std::int64_t>(position_.size()); }

    // theta (d) of one lane into and out of a block.
    template <class T>
    void load(const T* theta, int lane, T* block) const {
        for (std::size_t j = 0; j < position_.size(); ++j) block[position_[j] * lanes<T> + lane] = theta[j];
    }
    // theta (d) in the order of a block.
    template <class T>
    void arrange(const T* theta, T* out) const {
        for (std::size_t j = 0; j < position_.size(); ++j) out[position_[j]] = theta[j];
    }
    template <class T>
    void store(const T* block, int lane, T* theta) const {
        for (std::size_t j = 0; j < position_.size(); ++j) theta[j] = block[position_[j] * lanes<T> + lane];
    }

  private:
    std::vector<LaneLayer> layers_;
    std::vector<std::ptrdiff_t> position_;
};

namespace detail {

// total + (weight - reference)^2
template <class T>
[[gnu::always_inline]] inline Vec<T> add_square(Vec<T> weight, T reference, Vec<T> total) {
    const Vec<T> difference = weight - set1<T>(reference);
    return fma(difference, difference, total);
}

// z[o] = sum_i w[i][o] x[i]; with `update`, w += change[o] * old[i] first; with `track`, distance += (w - reference)^2.
template <int size, int parts, bool update, bool track, class T>
inline void lane_sweep(int inner, Vec<T>* w, const Vec<T>* old, const Vec<T>* x, const Vec<T>* change, Vec<T>* z,
                       const T* reference, Vec<T>& distance) {
    Vec<T> acc[parts][size], step[size], far[size];
    unrolled<size>([&](auto o) __attribute__((always_inline)) {
        unrolled<parts>([&](auto p) __attribute__((always_inline)) { acc[p][o] = Vec<T>{}; });
        if constexpr (update) step[o] = change[o];
        if constexpr (track) far[o] = Vec<T>{};
    });
    const auto one_input = [&](int i, auto part) __attribute__((always_inline)) {
        const Vec<T> in = x[i];
        Vec<T> before{};
        if constexpr (update) before = old[i];
        unrolled<size>([&](auto o) __attribute__((always_inline)) {
            Vec<T> weight = w[i * size + o];
            if constexpr (update) {
                weight = fma(step[o], before, weight);
                w[i * size + o] = weight;
            }
            if constexpr (track) far[o] = add_square(weight, reference[i * size + o], far[o]);
            acc[part][o] = acc[part][o] + weight * in;
        });
    };
    for (int i = 0; i < inner; i += parts)
        unrolled<parts>([&](auto p) __attribute__((always_inline)) {
            if (p == 0 || i + p < inner) one_input(i + p, p);
        });
    unrolled<parts - 1>([&](auto k) __attribute__((always_inline)) {  // halves are added, then quarters, and so on
        constexpr int p = parts - 1 - k, half = std::bit_floor(static_cast<unsigned>(p));
        unrolled<size>([&](auto o) __attribute__((always_inline)) { acc[p - half][o] = acc[p - half][o] + acc[p][o]; });
    });
    unrolled<size>([&](auto o) __attribute__((always_inline)) {
        z[o] = acc[0][o];
        if constexpr (track) distance = distance + far[o];
    });
}

// What a backward sweep does to the layer's own weights: w += delta[o] * a[i], or g (+)= delta[o] * a[i].
enum class LaneBackward { change_weights, set_gradient, add_gradient };

// below[i] = s[i] * sum_o w[i][o] delta[o], summed from the first group of outputs to the last; s and below may be
// null.
template <int size, LaneBackward what, bool track, class T>
inline void lane_backward(const LaneLayer& layer, const LaneGroup& group, Vec<T>* w, Vec<T>* g, const Vec<T>* a,
                          const Vec<T>* s, const Vec<T>* delta, Vec<T>* below, const T* reference, Vec<T>& distance) {
    const bool first = group.first == 0, last = group.first + size == layer.out;
    Vec<T> d[size], far[size];
    unrolled<size>([&](auto o) __attribute__((always_inline)) {
        d[o] = delta[group.first + o];
        if constexpr (track) far[o] = Vec<T>{};
    });
    for (int i = 0; i < layer.inner; ++i) {
        const Vec<T> in = a[i];
        const bool passes_on = below && i < layer.in;
        Vec<T> total = passes_on && !first ? below[i] : Vec<T>{};
        unrolled<size>([&](auto o) __attribute__((always_inline)) {
            const Vec<T> weight = w[i * size + o];
            total = total + weight * d[o];
            if constexpr (what == LaneBackward::change_weights) {
                const Vec<T> changed = fma(d[o], in, weight);
                w[i * size + o] = changed;
                if constexpr (track) far[o] = add_square(changed, reference[i * size + o], far[o]);
            }
            if constexpr (what == LaneBackward::set_gradient) g[i * size + o] = d[o] * in;
            if constexpr (what == LaneBackward::add_gradient) g[i * size + o] = fma(d[o], in, g[i * size + o]);
        });
        if (passes_on) below[i] = last ? total * s[i] : total;
    }
    if constexpr (track) unrolled<size>([&](auto o) __attribute__((always_inline)) { distance = distance + far[o]; });
}

}  // namespace detail

// The steps of one block. Weights, and the gradient where it is formed, are in LaneLayout order.
template <class T>
class LaneBlock {
  public:
    LaneBlock(const Network& net, const LaneLayout& layout, const Rows<T>& rows, Loss loss)
        : layout_(layout), rows_(rows), loss_(loss), weights_(layout.vectors() * lanes<T>) {
        const int depth = static_cast<int>(layout.layers().size());
        std::ptrdiff_t size = 2 * rows.stride() + net.outputs();
        for (const LaneLayer& layer : layout.layers()) size += 4 * (layer.out + 1);
        memory_.assign(size * lanes<T>, T(0));
        Vec<T>* at = as_vectors(memory_.data());
        const auto take = [&](std::ptrdiff_t n) {
            Vec<T>* p = at;
            at += n;
            return p;
        };
        x_ = take(rows.stride());
        old_ = take(rows.stride());
        a_.resize(depth + 1);
        s_.resize(depth + 1);
        z_.resize(depth + 1);
        delta_.resize(depth + 1);
        for (int l = 1; l <= depth; ++l) {
            const int out = layout.layers()[l - 1].out;
            for (auto* kind : {&a_, &s_, &z_, &delta_}) (*kind)[l] = take(out + 1);
            a_[l][out] = set1<T>(1);  // the input of the next layer's bias
        }
    }

    Vec<T>* weights() { return as_vectors(weights_.data()); }
    T* data() { return weights_.data(); }
    const T* data() const { return weights_.data(); }

    // A step is made in phases (see LaneTeam): read, forward of every layer from the first, output, backward of every
    // layer from the last.

    // Each lane's observation, transposed into vectors.
    void read(const std::int32_t* index) {
        std::swap(x_, old_);
        const T* row[lanes<T>];
        for (int i = 0; i < lanes<T>; ++i) row[i] = rows_.row(index[i]);
        const int used = rows_.inputs() + 1 + rows_.targets();
        for (int k = 0; k < used; k += lanes<T>) {
            Vec<T> square[lanes<T>];
            for (int i = 0; i < lanes<T>; ++i) square[i] = load(row[i] + k);
            transpose<T>(square);
            for (int i = 0; i < lanes<T>; ++i) x_[k + i] = square[i];
        }
    }

    // z of layer l, from 1; a change of the first that is pending is made on the way.
    template <bool track>
    void sum(int l) {
        const LaneLayer& layer = layout_.layers()[l - 1];
        for (const LaneGroup& group : layer.groups)
            if (l == 1 && pending_)
                sweep<true, track>(l, layer, group);
            else
                sweep<false, false>(l, layer, group);
    }

    void activate(int l) {
        const LaneLayer& layer = layout_.layers()[l - 1];
        etaflow::activate<1, T>(layer.activation, layer.out, z_[l], a_[l], s_[l], nullptr);
    }

    // delta of the output layer, times `factor`.
    void output(Vec<T> factor) {
        const int depth = static_cast<int>(layout_.layers().size()), units = layout_.layers()[depth - 1].out;
        const OutputLayer<T> out{units, 1, z_[depth], a_[depth], s_[depth], x_ + rows_.inputs() + 1};
        output_terms<false, true, T>(loss_, out, delta_[depth]);
        for (int k = 0; k < units; ++k) delta_[depth][k] = delta_[depth][k] * factor;
    }

    // Layer l's part of g, and delta of the layer below.
    template <detail::LaneBackward what>
    void backward(int l, Vec<T>* g) {
        sweep_back<what, false>(l, g);
    }
    // Changes the weights of layer l by delta[o] * a[i]; those of the first layer stay pending.
    template <bool track>
    void change(int l) {
        if (l == 1)
            pending_ = true;
        else
            sweep_back<detail::LaneBackward::change_weights, track>(l, nullptr);
    }

    // Between forward and change: `reference` (LaneLayout order) is where the runs should be after this step. Returns
    // the squared distance after the step before, unless there was none since the last flush.
    Vec<T> next_reference(const T* reference) {
        const Vec<T> before = distance_;
        distance_ = Vec<T>{};
        reference_ = reference;
        return before;
    }

    // Applies the pending change. Must be called before anyone looks at the weights. Returns the squared distance after
    // the last step if that was tracked.
    Vec<T> flush() {
        if (!pending_) return Vec<T>{};
        pending_ = false;
        const LaneLayer& layer = layout_.layers()[0];
        for (const LaneGroup& group : layer.groups) {
            Vec<T>* w = weights() + group.offset;
            for (int i = 0; i < layer.inner; ++i)
                for (int o = 0; o < group.size; ++o)
                    w[i * group.size + o] = fma(delta_[1][group.first + o], x_[i], w[i * group.size + o]);
            if (!reference_) continue;
            Vec<T> far[group_outputs] = {};
            for (int i = 0; i < layer.inner; ++i)
                for (int o = 0; o < group.size; ++o)
                    far[o] = detail::add_square(w[i * group.size + o], reference_[group.offset + i * group.size + o],
                                                far[o]);
            for (int o = 0; o < group.size; ++o) distance_ = distance_ + far[o];
        }
        return distance_;
    }

  private:
    static Vec<T>* as_vectors(T* p) { return reinterpret_cast<Vec<T>*>(p); }

    template <bool update, bool track>
    void sweep(int l, const LaneLayer& layer, const LaneGroup& group) {
        with_constant<group_outputs>(group.size, [&](auto size) __attribute__((always_inline)) {
            if constexpr (size > narrow_outputs || size == 1)
                detail::lane_sweep<size, size == 1 ? partial_sums : 1, update, track, T>(
                    layer.inner, weights() + group.offset, old_, l == 1 ? x_ : a_[l - 1], delta_[l] + group.first,
                    z_[l] + group.first, track ? reference_ + group.offset : nullptr, distance_);
        });
    }

    template <detail::LaneBackward what, bool track>
    void sweep_back(int l, Vec<T>* g) {
        const LaneLayer& layer = layout_.layers()[l - 1];
        for (const LaneGroup& group : layer.groups)
            with_constant<group_outputs>(group.size, [&](auto size) __attribute__((always_inline)) {
                if constexpr (size > narrow_outputs || size == 1)
                    detail::lane_backward<size, what, track, T>(
                        layer, group, weights() + group.offset, g ? g + group.offset : nullptr, l > 1 ? a_[l - 1] : x_,
                        l > 1 ? s_[l - 1] : nullptr, delta_[l], l > 1 ? delta_[l - 1] : nullptr,
                        track ? reference_ + group.offset : nullptr, distance_);
            });
    }

    const LaneLayout& layout_;
    const Rows<T>& rows_;
    Loss loss_;
    Buffer<T> weights_, memory_;
    Vec<T>*x_, *old_;
    std::vector<Vec<T>*> a_, s_, z_, delta_;
    bool pending_ = false;
    const T* reference_ = nullptr;  // of the last step, if that was tracked
    Vec<T> distance_{};             // its squared distance so far
};

}  // namespace etaflow
