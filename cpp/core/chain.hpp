// Small networks, one run: the lanes are the units of a layer.
//
// Makes bit for bit the steps of LaneBlock (lanes.hpp), eight of which would cost the same: every sum has the order it
// has there. A layer with many outputs sums over its inputs in order, one vector of outputs at a time, from weights
// stored by input (`columns`); going backward it sums over its outputs in order, one vector of inputs at a time, from a
// second copy stored by output (`rows`). Both copies receive the same change. A layer of at most `narrow_outputs`
// outputs has rows only and sums eight interleaved parts, as there.
//
// A step is one long chain of results that wait for each other, so what passes from one layer's sum to its activation,
// and from a narrow output to the deltas below, stays in registers: a trip through memory costs as much as two
// operations. Loads take whole vectors as they were stored, never across two of them, or they would wait for the cache.
#pragma once

#include "lanes.hpp"

namespace etaflow {

template <class T>
class ChainBlock {
  public:
    ChainBlock(const Network& net, const Rows<T>& rows, Loss loss) : net_(net), rows_(rows), loss_(loss) {
        std::size_t size = 0;
        const auto take = [&](std::ptrdiff_t n) {
            const std::size_t at = size;
            size += static_cast<std::size_t>(n);
            return static_cast<std::ptrdiff_t>(at);
        };
        for (const Layer& layer : net.layers()) {
            const bool first = &layer == &net.layers().front(), narrow = layer.out <= narrow_outputs;
            const int inner = layer.in + layer.bias;
            Storage s{inner, narrow, padded(layer.out), padded(inner), -1, -1, first_lanes(inner), {}, {}};
            s.out_end = first_lanes(layer.out);
            if (net.bias()) s.bias[layer.out % lanes<T>] = T(1);
            if (!narrow) s.columns = take(std::ptrdiff_t{s.inner} * s.column);
            if (narrow || !first) s.rows = take(std::ptrdiff_t{layer.out} * s.row);
            storage_.push_back(s);
        }
        weights_.assign(size + slack, T(0));
        const std::size_t width = static_cast<std::size_t>(padded(net.max_width() + 1)) + slack;
        const std::size_t depth = net.layers().size();
        units_.assign((4 * depth + 1) * width, T(0));
        output_.assign(static_cast<std::size_t>(5 * net.outputs()) * lanes<T>, T(0));
        T* at = units_.data();
        for (std::size_t l = 0; l <= depth; ++l)
            for (auto* kind : {&z_, &a_, &s_, &delta_}) {
                if (l > 0) at += width;
                kind->push_back(l > 0 ? at : nullptr);
            }
        for (std::size_t l = 1; l <= depth; ++l) {  // where the bias has a vector to itself, it stays there
            const int out = net.layers()[l - 1].out;
            if (out % lanes<T> == 0) etaflow::store(a_[l] + out, storage_[l - 1].bias);
        }
    }

    Buffer<T>& weights() { return weights_; }
    const Buffer<T>& weights() const { return weights_; }

    void load(const T* theta) {
        for_each_weight(
            [&](std::int64_t j, T* column, T* row) {
                if (column) *column = theta[j];
                if (row) *row = theta[j];
            },
            weights_.data());
    }
    // theta from these weights or from a copy of them.
    void store(const T* weights, T* theta) const {
        for_each_weight([&](std::int64_t j, const T* column, const T* row) { theta[j] = column ? *column : *row; },
                        weights);
    }

    // Plain SGD on one observation. The change of the first layer stays pending.
    void sgd_step(std::int32_t index, T alpha, T factor) {
        const T *const row = rows_.row(index), *const y = row + rows_.inputs() + 1;
        const Vec<T> scale = -(set1<T>(alpha) * set1<T>(factor));
        const int depth = net_.depth();
        const T* x = row;
        for (int l = 1; l < depth; ++l) x = hidden(l, x);
        if (storage_.back().narrow)
            with_constant<narrow_outputs>(
                net_.outputs(), [&](auto units) __attribute__((always_inline)) { narrow_output<units>(x, y, scale); });
        else
            wide_output(x, y, scale);
        for (int l = storage_.back().narrow ? depth - 1 : depth; l > 1; --l) backward(l);
        old_ = row;
    }

    // Applies the pending change. Must be called before anyone looks at the weights.
    void flush() {
        if (old_ == nullptr) return;
        const Storage& s = storage_.front();
        if (s.narrow)
            change_rows(0, old_);
        else
            change_columns(0, old_);
        old_ = nullptr;
    }

  private:
    struct Storage {
        int inner;  // inputs, and one for the bias
        bool narrow;
        std::ptrdiff_t column;         // padded outputs: elements between columns
        std::ptrdiff_t row;            // padded inputs: elements between rows
        std::ptrdiff_t columns, rows;  // offsets in weights_; -1: not kept
        IntVec<T> inner_end, out_end;  // lanes of the last vector of inputs, of outputs, that hold one
        Vec<T> bias;                   // what follows the outputs as inputs of the next layer
    };
    static constexpr int step = lanes<T> < partial_sums ? partial_sums : lanes<T>;
    static constexpr std::size_t slack = 2 * step;  // a sweep by eights may read past the end of a row
    static std::ptrdiff_t padded(int n) { return (n + step - 1) / step * step; }
    static int vectors_of(int n) { return (n + lanes<T> - 1) / lanes<T>; }
    // Of the last vector of n elements: those it holds.
    static IntVec<T> first_lanes(int n) {
        IntVec<T> mask;
        for (int i = 0; i < lanes<T>; ++i) mask[i] = i < n - (vectors_of(n) - 1) * lanes<T> ? -1 : 0;
        return mask;
    }

    // f(index in theta, its element in the columns or null, its element in the rows or null)
    template <class F, class W>
    void for_each_weight(F f, W* weights) const {
        for (std::size_t l = 0; l < storage_.size(); ++l) {
            const Layer& layer = net_.layers()[l];
            const Storage& s = storage_[l];
            for (int o = 0; o < layer.out; ++o)
                for (int i = 0; i < s.inner; ++i)
                    f(i < layer.in ? layer.weights + std::int64_t{o} * layer.in + i : layer.biases + o,
                      s.columns < 0 ? nullptr : weights + s.columns + i * s.column + o,
                      s.rows < 0 ? nullptr : weights + s.rows + o * s.row + i);
        }
    }

    // Makes a pending change of layer l, then z = W x, handed over in pieces of up to four vectors:
    // use(first vector, z).
    template <class Use>
    [[gnu::always_inline]] void sum(int l, const T* x, Use use) {
        const bool change = l == 1 && old_ != nullptr;
        for_each_piece(vectors_of(net_.layers()[l - 1].out), 4, [&](int first, int count) {
            with_constant<4>(count, [&](auto V) __attribute__((always_inline)) {
                Vec<T> z[V];
                if (change)
                    sum_columns<V, true>(l, x, first, z);
                else
                    sum_columns<V, false>(l, x, first, z);
                use(first, z);
            });
        });
    }

    // All outputs of a piece at once.
    template <int vectors, bool change>
    [[gnu::always_inline]] void sum_columns(int l, const T* x, int first, Vec<T> (&z)[vectors]) {
        const Storage& s = storage_[l - 1];
        T* w = weights_.data() + s.columns + first * lanes<T>;
        Vec<T> move[vectors];
        for (int v = 0; v < vectors; ++v) {
            z[v] = Vec<T>{};
            if constexpr (change) move[v] = load_vector(delta_[1], first + v);
        }
        for (int i = 0; i < s.inner; ++i, w += s.column) {
            const Vec<T> in = set1<T>(x[i]);
            Vec<T> before{};
            if constexpr (change) before = set1<T>(old_[i]);
            for (int v = 0; v < vectors; ++v) {
                Vec<T> weight = load_vector(w, v);
                if constexpr (change) {
                    weight = fma(move[v], before, weight);
                    etaflow::store(w + v * lanes<T>, weight);
                }
                z[v] = z[v] + weight * in;
            }
        }
    }

    // The sum over the inputs of output o of a narrow layer in every lane: eight interleaved parts, added as LaneBlock
    // adds them.
    [[gnu::always_inline]] Vec<T> sum_row(int l, const T* x, int o) const {
        constexpr int vectors = std::max(1, partial_sums / lanes<T>);
        const Storage& s = storage_[l - 1];
        const T* w = weights_.data() + s.rows + o * s.row;
        Vec<T> part[vectors] = {};
        for (int i = 0; i < s.inner; i += step)  // past the end the weights are zero
            for (int v = 0; v < vectors; ++v) {
                Vec<T> weight = etaflow::load(w + i + v * lanes<T>), in = etaflow::load(x + i + v * lanes<T>);
                part[v] = part[v] + weight * in;
                if constexpr (lanes<T> > partial_sums) part[v] = part[v] + exchange<T, partial_sums>(weight * in);
            }
        for (int half = vectors / 2; half > 0; half /= 2)
            for (int v = 0; v < half; ++v) part[v] = part[v] + part[v + half];
        return sum_first<T, std::min(partial_sums, lanes<T>)>(part[0]);
    }

    // Returns the values of layer l < L, and behind them 1 for the next layer's bias, then zeros.
    const T* hidden(int l, const T* x) {
        const Layer& layer = net_.layers()[l - 1];
        const Storage& s = storage_[l - 1];
        if (s.narrow) {
            if (l == 1 && old_ != nullptr) change_rows(0, old_);
            for (int o = 0; o < layer.out; ++o) z_[l][o] = sum_row(l, x, o)[0];
            for (int v = 0; v < vectors_of(layer.out); ++v) activate_units<1>(l, v, {load_vector(z_[l], v)});
        } else {
            sum(l, x, [&]<int n>(int first, const Vec<T>(&z)[n]) __attribute__((always_inline)) {
                activate_units<n>(l, first, z);
            });
        }
        return a_[l];
    }

    template <int vectors>
    [[gnu::always_inline]] void activate_units(int l, int first, const Vec<T> (&z)[vectors]) {
        const Layer& layer = net_.layers()[l - 1];
        const Storage& s = storage_[l - 1];
        Jet<T> jet[vectors];
        activate_each<T>(layer.activation, z, jet);
        if (layer.out < (first + vectors) * lanes<T>) {
            Jet<T>& last = jet[vectors - 1];
            last.a = s.out_end ? last.a : s.bias;
            last.s = s.out_end ? last.s : Vec<T>{};
        }
        unrolled<vectors>([&](auto v) __attribute__((always_inline)) {
            etaflow::store(a_[l] + (first + v) * lanes<T>, jet[v].a);
            etaflow::store(s_[l] + (first + v) * lanes<T>, jet[v].s);
        });
    }

    // The output layer, in vectors that repeat one value: z, delta, and what delta makes of the layer below and of its
    // own weights.
    template <int units>
    [[gnu::flatten]] void narrow_output(const T* x, const T* targets, Vec<T> factor) {
        const int depth = net_.depth();
        if (depth == 1 && old_ != nullptr) change_rows(0, old_);
        Vec<T> z[units], a[units], s[units], y[units], delta[units];
        for (int k = 0; k < units; ++k) {
            z[k] = sum_row(depth, x, k);
            y[k] = k < rows_.targets() ? set1<T>(targets[k]) : Vec<T>{};
        }
        activate<1, T>(net_.layers()[depth - 1].activation, units, z, a, s, nullptr);
        output_terms<false, true, T>(loss_, OutputLayer<T>{units, 1, z, a, s, y}, delta);
        for (int k = 0; k < units; ++k) delta[k] = delta[k] * factor;
        if (depth == 1)
            for (int k = 0; k < units; ++k) delta_[1][k] = delta[k][0];
        else
            narrow_backward<units>(depth, delta);
    }

    void wide_output(const T* x, const T* targets, Vec<T> factor) {
        const int units = net_.outputs(), depth = net_.depth();
        sum(depth, x, [&]<int n>(int first, const Vec<T>(&z)[n]) {
            for (int v = 0; v < n; ++v) etaflow::store(z_[depth] + (first + v) * lanes<T>, z[v]);
        });
        Vec<T>* const z = view(output_.data());
        Vec<T>*const a = z + units, *const s = a + units, *const y = s + units, *const delta = y + units;
        for (int k = 0; k < units; ++k) z[k] = set1<T>(z_[depth][k]);
        for (int k = 0; k < rows_.targets(); ++k) y[k] = set1<T>(targets[k]);
        activate<1, T>(net_.layers()[depth - 1].activation, units, z, a, s, nullptr);
        output_terms<false, true, T>(loss_, OutputLayer<T>{units, 1, z, a, s, y}, delta);
        for (int k = 0; k < units; ++k) delta_[depth][k] = (delta[k] * factor)[0];
    }

    // delta of the layer below, and the change of layer l's weights, from delta of its outputs in every lane.
    template <int units>
    [[gnu::always_inline]] void narrow_backward(int l, const Vec<T> (&delta)[units]) {
        const Layer& layer = net_.layers()[l - 1];
        const Storage& s = storage_[l - 1];
        T* const rows = weights_.data() + s.rows;
        for (int i = 0; i < s.inner; i += lanes<T>) {
            const Vec<T> in = etaflow::load(a_[l - 1] + i);
            Vec<T> total{};
            for (int k = 0; k < units; ++k) {
                T* const w = rows + k * s.row + i;
                const Vec<T> weight = etaflow::load(w);
                total = total + weight * delta[k];
                etaflow::store(w, fma(delta[k], in, weight));
            }
            if (i < layer.in) etaflow::store(delta_[l - 1] + i, total * etaflow::load(s_[l - 1] + i));
        }
    }

    // The same from delta in memory, for any layer.
    void backward(int l) {
        const Layer& layer = net_.layers()[l - 1];
        const Storage& s = storage_[l - 1];
        const T* const d = delta_[l];
        for_each_piece(vectors_of(layer.in), 4, [&](int first, int count) {
            with_constant<4>(count, [&](auto V) __attribute__((always_inline)) {
                const T* w = weights_.data() + s.rows + first * lanes<T>;
                Vec<T> total[V];
                for (int v = 0; v < V; ++v) total[v] = Vec<T>{};
                for (int o = 0; o < layer.out; ++o, w += s.row)
                    for (int v = 0; v < V; ++v) total[v] = total[v] + load_vector(w, v) * set1<T>(d[o]);
                for (int v = 0; v < V; ++v)
                    etaflow::store(delta_[l - 1] + (first + v) * lanes<T>,
                                   total[v] * load_vector(s_[l - 1], first + v));
            });
        });
        change_rows(l - 1, a_[l - 1]);
        if (!s.narrow) change_columns(l - 1, a_[l - 1]);
    }

    void change_rows(int index, const T* x) {
        const Storage& s = storage_[index];
        const int last = (vectors_of(s.inner) - 1) * lanes<T>;
        const Vec<T> end = s.inner_end ? etaflow::load(x + last) : Vec<T>{};  // the padding stays zero
        for (int o = 0; o < net_.layers()[index].out; ++o) {
            T* w = weights_.data() + s.rows + o * s.row;
            const Vec<T> d = set1<T>(delta_[index + 1][o]);
            for (int i = 0; i < last; i += lanes<T>)
                etaflow::store(w + i, fma(d, etaflow::load(x + i), etaflow::load(w + i)));
            etaflow::store(w + last, fma(d, end, etaflow::load(w + last)));
        }
    }
    void change_columns(int index, const T* x) {
        const Storage& s = storage_[index];
        const int vectors = vectors_of(net_.layers()[index].out);
        T* w = weights_.data() + s.columns;
        for (int i = 0; i < s.inner; ++i, w += s.column)
            for (int v = 0; v < vectors; ++v)
                etaflow::store(w + v * lanes<T>,
                               fma(load_vector(delta_[index + 1], v), set1<T>(x[i]), load_vector(w, v)));
    }

    static Vec<T>* view(T* p) { return reinterpret_cast<Vec<T>*>(p); }
    static Vec<T> load_vector(const T* p, int v) { return etaflow::load(p + v * lanes<T>); }

    const Network& net_;
    const Rows<T>& rows_;
    Loss loss_;
    std::vector<Storage> storage_;
    Buffer<T> weights_, units_, output_;
    std::vector<T*> z_, a_, s_, delta_;  // of layers 1 … L, padded
    const T* old_ = nullptr;             // the row whose change of the first layer is pending
};

}  // namespace etaflow
