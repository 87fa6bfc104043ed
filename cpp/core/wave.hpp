// Gradients too large for every thread to have one: the threads propagate the panels of a wave, and then each of them
// sums over these panels what belongs to its own part of the weights. No partial sums are stored, and they have one
// order for any number of threads.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "parallel.hpp"
#include "propagate.hpp"
#include "samples.hpp"

namespace etaflow {

inline constexpr std::int64_t wave_panels = 16;
inline constexpr int wave_outputs = 32;  // of a layer, in one piece of work

// Beyond a quarter of a second-level cache.
template <class T>
bool is_large_gradient(const Network& net) {
    return net.num_params() * std::int64_t{sizeof(T)} > (1 << 18);
}

struct WeightPiece {
    int layer;
    OutputRange of;
};

inline std::vector<WeightPiece> weight_pieces(const Network& net) {
    std::vector<WeightPiece> pieces;
    for (int l = 1; l <= net.depth(); ++l)
        for_each_piece(net.widths()[l], wave_outputs,
                       [&](int first, int count) { pieces.push_back({l, OutputRange{first, count}}); });
    return pieces;
}

// f(begin, size) for the two blocks of theta that make up a piece.
template <class F>
void for_each_block(const Layer& layer, OutputRange of, F f) {
    f(layer.weights + std::int64_t{of.first} * layer.in, std::int64_t{of.count} * layer.in);
    if (layer.bias) f(layer.biases + of.first, std::int64_t{of.count});
}

// A piece of `out` = the sum over panels [begin, end), whose workspaces are `spaces`, or += for all but the first wave.
template <class T>
void sum_piece(const Network& net, const WeightPiece& piece, const Panels<T>& data, std::int64_t begin,
               std::int64_t end, const Workspace<T>* spaces, T* out) {
    const auto [l, of] = piece;
    const Layer& layer = net.layers()[l - 1];
    const bool add = begin > 0;
    if (sums_rows(layer, l, data.panel(begin))) {
        std::array<PanelDelta<T>, wave_panels> panels;
        for (std::int64_t p = begin; p < end; ++p) panels[p - begin] = {data.panel(p), spaces[p - begin].delta[l]};
        const std::span all(panels.data(), static_cast<std::size_t>(end - begin));
        return panel_gradient_from_rows<T>(of, layer.out, layer.in, all, add, out + layer.weights,
                                           layer.bias ? out + layer.biases : nullptr);
    }
    if (!add) for_each_block(layer, of, [&](std::int64_t at, std::int64_t size) { std::fill_n(out + at, size, T(0)); });
    for (std::int64_t p = begin; p < end; ++p) {
        const Panel<T> panel = data.panel(p);
        const Workspace<T>& ws = spaces[p - begin];
        accumulate_layer(net, l, of, panel, ws.delta[l], l == 1 ? panel.x : ws.a[l - 1], out);
    }
}

// out (d) = the sum over all panels of their gradients. visit(p, ws) propagates panel p; finish(begin, end) is called
// at last for all parameters, in parts.
template <class T, class Visit, class Finish>
void sum_in_waves(const Network& net, const Panels<T>& data, T* out, Threads threads, Control& control, Visit visit,
                  Finish finish) {
    thread_local std::vector<Workspace<T>> of_this_thread;
    if (of_this_thread.size() < wave_panels) of_this_thread.resize(wave_panels);
    Workspace<T>* const spaces = of_this_thread.data();
    const std::vector<WeightPiece> pieces = weight_pieces(net);
    for (std::int64_t begin = 0, end = 0; begin < data.count(); begin = end) {
        end = std::min(begin + wave_panels, data.count());
        parallel_for(threads, end - begin, control, [&](std::int64_t i) { visit(begin + i, spaces[i]); });
        control.throw_if_stopped();
        parallel_for(threads, static_cast<std::int64_t>(pieces.size()), control, [&](std::int64_t i) {
            const WeightPiece& piece = pieces[static_cast<std::size_t>(i)];
            sum_piece(net, piece, data, begin, end, spaces, out);
            if (end == data.count())
                for_each_block(net.layers()[piece.layer - 1], piece.of,
                               [&](std::int64_t at, std::int64_t size) { finish(at, at + size); });
        });
        control.throw_if_stopped();
    }
}

}  // namespace etaflow
