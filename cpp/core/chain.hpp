// Small networks, one run: the lanes are the units of a layer.
//
// Makes bit for bit the steps of LaneBlock (lanes.hpp), eight of which would cost the same: every sum has the order it
// has there. A layer with many outputs sums over its inputs in order, one vector of outputs at a time, from weights
// stored by input (`columns`); going backward it sums over its outputs in order, one vector of inputs at a time, from a
// second copy stored by output (`rows`). Both copies receive the same change. A layer of at most `narrow_outputs`
// outputs has rows only and sums eight interleaved parts, as there.
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
            Storage s{layer.in + layer.bias, narrow, padded(layer.out), padded(layer.in + layer.bias), -1, -1, {}, {}};
            for (int i = 0; i < lanes<T>; ++i) s.valid[i] = i < layer.out % lanes<T> ? -1 : 0;
            s.bias[layer.out % lanes<T>] = T(1);
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
        const T* x = rows_.row(index);
        forward(x);
        output(x, -(set1<T>(alpha) * set1<T>(factor)));
        for (int l = net_.depth(); l > 1; --l) backward(l);
        old_ = x;
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
        IntVec<T> valid;               // lanes of the last vector of outputs that hold one,
        Vec<T> bias;                   // and what stands in the others as inputs of the next layer
    };
    static constexpr int step = lanes<T> < partial_sums ? partial_sums : lanes<T>;
    static constexpr std::size_t slack = 2 * step;  // a sweep by eights may read past the end of a row
    static std::ptrdiff_t padded(int n) { return (n + step - 1) / step * step; }

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

    void forward(const T* x) {
        for (int l = 1; l <= net_.depth(); ++l) {
            const Layer& layer = net_.layers()[l - 1];
            const Storage& s = storage_[l - 1];
            const bool change = l == 1 && old_ != nullptr;
            if (s.narrow) {
                if (change) change_rows(0, old_);
                sum_rows(l, x);
            } else if (change) {
                sum_columns<true>(l, x);
            } else {
                sum_columns<false>(l, x);
            }
            if (l == net_.depth()) return;
            const int vectors = (layer.out + lanes<T> - 1) / lanes<T>;
            activate<1, T>(layer.activation, vectors, view(z_[l]), view(a_[l]), view(s_[l]), nullptr);
            x = finish_units(l, layer.out);
        }
    }

    // The padding of a layer's values: 1 for the next layer's bias, then zeros.
    const T* finish_units(int l, int units) {
        const Storage& s = storage_[l - 1];
        T* const last = a_[l] + units / lanes<T> * lanes<T>;
        etaflow::store(last, s.valid ? etaflow::load(last) : s.bias);
        return a_[l];
    }

    // z = sum_i w[i] x[i], all outputs of a tile at once; `change` is made first.
    template <bool change>
    void sum_columns(int l, const T* x) {
        const Storage& s = storage_[l - 1];
        const int vectors = (net_.layers()[l - 1].out + lanes<T> - 1) / lanes<T>;
        for_each_piece(vectors, 4, [&](int first, int count) {
            with_constant<4>(count, [&](auto V) {
                T* w = weights_.data() + s.columns + first * lanes<T>;
                const T* d = delta_[1] + first * lanes<T>;
                Vec<T> acc[V], move[V];
                for (int v = 0; v < V; ++v) {
                    acc[v] = Vec<T>{};
                    if constexpr (change) move[v] = load_vector(d, v);
                }
                for (int i = 0; i < s.inner; ++i, w += s.column) {
                    const Vec<T> in = set1<T>(x[i]);
                    for (int v = 0; v < V; ++v) {
                        Vec<T> weight = load_vector(w, v);
                        if constexpr (change) {
                            weight = fma(move[v], set1<T>(old_[i]), weight);
                            etaflow::store(w + v * lanes<T>, weight);
                        }
                        acc[v] = fma(weight, in, acc[v]);
                    }
                }
                for (int v = 0; v < V; ++v) etaflow::store(z_[l] + (first + v) * lanes<T>, acc[v]);
            });
        });
    }

    // z = eight interleaved sums over the inputs, added as LaneBlock adds them.
    void sum_rows(int l, const T* x) {
        constexpr int vectors = std::max(1, partial_sums / lanes<T>);
        const Layer& layer = net_.layers()[l - 1];
        const Storage& s = storage_[l - 1];
        for (int o = 0; o < layer.out; ++o) {
            const T* w = weights_.data() + s.rows + o * s.row;
            Vec<T> acc[vectors] = {};
            for (int i = 0; i < s.inner; i += partial_sums)  // past the end the weights are zero
                for (int v = 0; v < vectors; ++v)
                    acc[v] = fma(load_unaligned(w + i + v * lanes<T>), load_unaligned(x + i + v * lanes<T>), acc[v]);
            alignas(64) T part[vectors * lanes<T>];
            for (int v = 0; v < vectors; ++v) etaflow::store(part + v * lanes<T>, acc[v]);
            for (int half = partial_sums / 2; half > 0; half /= 2)
                for (int p = 0; p < half; ++p) part[p] = part[p] + part[p + half];
            z_[l][o] = part[0];
        }
    }

    // delta of the output layer, computed in vectors that repeat one value.
    void output(const T* x, Vec<T> factor) {
        const int units = net_.outputs(), depth = net_.depth();
        Vec<T>* const z = view(output_.data());
        Vec<T>*const a = z + units, *const s = a + units, *const y = s + units, *const delta = y + units;
        for (int k = 0; k < units; ++k) z[k] = set1<T>(z_[depth][k]);
        for (int k = 0; k < rows_.targets(); ++k) y[k] = set1<T>(x[rows_.inputs() + 1 + k]);
        activate<1, T>(net_.layers()[depth - 1].activation, units, z, a, s, nullptr);
        output_terms<false, true, T>(loss_, OutputLayer<T>{units, 1, z, a, s, y}, delta);
        for (int k = 0; k < units; ++k) delta_[depth][k] = (delta[k] * factor)[0];
    }

    // delta of the layer below, then the change of this layer's weights.
    void backward(int l) {
        const Layer& layer = net_.layers()[l - 1];
        const Storage& s = storage_[l - 1];
        const int vectors = (layer.in + lanes<T> - 1) / lanes<T>;
        const T* const d = delta_[l];
        for_each_piece(vectors, 4, [&](int first, int count) {
            with_constant<4>(count, [&](auto V) {
                const T* w = weights_.data() + s.rows + first * lanes<T>;
                Vec<T> total[V];
                for (int v = 0; v < V; ++v) total[v] = Vec<T>{};
                for (int o = 0; o < layer.out; ++o, w += s.row)
                    for (int v = 0; v < V; ++v) total[v] = fma(load_vector(w, v), set1<T>(d[o]), total[v]);
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
        for (int o = 0; o < net_.layers()[index].out; ++o) {
            T* w = weights_.data() + s.rows + o * s.row;
            const T d = delta_[index + 1][o];
            int i = 0;
            for (; i + lanes<T> <= s.inner; i += lanes<T>)
                etaflow::store(w + i, fma(set1<T>(d), load_unaligned(x + i), etaflow::load(w + i)));
            for (; i < s.inner; ++i) w[i] = fma(d, x[i], w[i]);  // the padding stays zero
        }
    }
    void change_columns(int index, const T* x) {
        const Storage& s = storage_[index];
        const int vectors = (net_.layers()[index].out + lanes<T> - 1) / lanes<T>;
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
