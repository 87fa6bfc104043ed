// What the Hessian needs of every sample, and the pass that computes it (see hessian.cpp for the formulas).
//
// The pass has samples as lanes and fills one chunk after another, each field as [unit][vector of the chunk]; then its
// samples become rows.
#pragma once

#include "sample_fields.hpp"

namespace etaflow {

// Pairs o <= p among `units`, row by row: how many come before (o, o).
inline int pairs_before(int o, int units) { return o * units - o * (o - 1) / 2; }

// The pair of number `index` among i <= j < units, row by row.
struct IndexPair {
    int i, j, units;

    IndexPair(int index, int size) : i(0), units(size) {
        while (index >= units - i) index -= units - i++;
        j = i + index;
    }
    int left() const { return units - j; }  // in this row of pairs
    void advance(int count = 1) {           // not further than to the next row
        j += count;
        if (j == units) j = ++i;
    }
};

template <class T>
struct HessianFields : SampleFields<T> {
    using SampleFields<T>::input, SampleFields<T>::add;
    std::vector<Field> slope;                   // [l]: phi'(z_l), l < L
    std::vector<std::vector<Field>> jacobian;   // [l][j]: J_lj, o * inputs of j + 1 + q, 0 for the bias; l < j < L
    std::vector<std::vector<Field>> curvature;  // [l][m]: D_lm, o * units of m + p; for l = m the pairs o <= p

    explicit HessianFields(const Network& net) : SampleFields<T>(net), slope(1), jacobian(1), curvature(1) {
        const int depth = net.depth();
        const auto& width = net.widths();
        for (int l = 1; l <= depth; ++l) {
            slope.push_back(l < depth ? add(width[l]) : Field{});
            jacobian.emplace_back(depth + 1, Field{});
            curvature.emplace_back(depth + 1, Field{});
            for (int j = l + 1; j < depth; ++j) jacobian[l][j] = add(width[l] * input[j + 1].units);
            for (int m = l; m <= depth; ++m)
                curvature[l][m] = add(l == m ? pairs_before(width[l], width[l]) : width[l] * width[m]);
        }
    }
};

// Below the output layer ws.delta = dL/dz, and ws.c = phi''(z) e with e = dL/da.
template <class T>
void backward_with_curvature(const Network& net, const T* theta, const Panel<T>& panel, Workspace<T>& ws) {
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t{v0} * lanes<T>;
        for (int l = net.depth(); l > 1; --l) {
            const Layer& layer = net.layers()[l - 1];
            T* const below = ws.delta[l - 1] + at * layer.in;
            chunk_product<false, T>(layer.in, layer.out, count, transposed_weights(theta, layer), nullptr,
                                    ws.delta[l] + at * layer.out, below);
            const Vec<T>* const s = as_vectors(ws.s[l - 1] + at * layer.in);
            Vec<T>* const c = as_vectors(ws.c[l - 1] + at * layer.in);
            Vec<T>* const e = as_vectors(below);
            for (int i = 0; i < layer.in * count; ++i) {
                c[i] = c[i] * e[i];
                e[i] = s[i] * e[i];
            }
        }
    });
}

// Fills J_l and D_l of one unit o of layer l after another, for one chunk.
template <class T>
class UnitPass {
  public:
    UnitPass(const Network& net, const HessianFields<T>& fields, Loss loss, const T* theta, const Panel<T>& panel,
             const Workspace<T>& ws, const FieldRows<T>& to)
        : net_(net),
          fields_(fields),
          loss_(loss),
          theta_(theta),
          panel_(panel),
          ws_(ws),
          to_(to),
          tangent_(net.depth() + 1) {
        std::ptrdiff_t units = fields.units + net.outputs();
        for (const int width : net.widths()) units += width;
        thread_local Buffer<T> memory;
        T* at = ensure(memory, static_cast<std::size_t>(units) * chunk_vectors * lanes<T>);
        for (int l = 1; l <= net.depth(); ++l) {
            tangent_[l] = at;
            at += std::ptrdiff_t{net.widths()[l]} * chunk_vectors * lanes<T>;
        }
        top_ = at;
        chunk_ = at + std::ptrdiff_t{net.outputs()} * chunk_vectors * lanes<T>;
    }

    void run(int v0, int count) {
        v0_ = v0;
        count_ = count;
        row_ = std::ptrdiff_t{count} * lanes<T>;
        for (int l = 1; l <= net_.depth(); ++l)
            for (int o = 0; o < net_.widths()[l]; ++o) {
                tangents(l, o);
                top_curvature(l, o);
                for (int m = net_.depth() - 1; m >= l; --m) curvature_below(l, o, m);
            }
        for (int l = 1; l <= net_.depth(); ++l) {
            if (l < net_.depth()) keep(fields_.slope[l], of_layer(ws_.s, l));
            for (int j = l + 1; j < net_.depth(); ++j) keep(fields_.jacobian[l][j], jacobian_row(l, j, 0));
            for (int m = l; m <= net_.depth(); ++m) keep(fields_.curvature[l][m], curvature_row(l, m, 0));
        }
    }

  private:
    const T* of_layer(const std::vector<T*>& kind, int l) const {
        return kind[l] + std::ptrdiff_t{v0_} * net_.widths()[l] * lanes<T>;
    }
    const Vec<T>* vectors_of_layer(const std::vector<T*>& kind, int l) const { return as_vectors(of_layer(kind, l)); }
    // What belongs to unit o of layer l in a field of this chunk.
    T* jacobian_row(int l, int j, int o) const {
        return chunk_ + (fields_.jacobian[l][j].first + std::ptrdiff_t{o} * fields_.input[j + 1].units) * row_;
    }
    T* curvature_row(int l, int m, int o) const {
        const int width = net_.widths()[m];
        return chunk_ + (fields_.curvature[l][m].first + (l == m ? pairs_before(o, width) : o * width)) * row_;
    }
    void keep(Field field, const T* from) const {
        for (int v = 0; v < count_; ++v)
            to_sample_rows(from + v * lanes<T>, field.units, row_, to_.rows(field), std::ptrdiff_t{v0_ + v} * lanes<T>);
    }

    // tangent_[m] = dz_m / dz_l[o], and with it J.
    void tangents(int l, int o) {
        for (int m = l + 1; m <= net_.depth(); ++m) {
            const Layer& layer = net_.layers()[m - 1];
            const Matrix<T> weights = weight_matrix(theta_, layer);
            if (m == l + 1) {
                const Vec<T>* const s = vectors_of_layer(ws_.s, l) + o * count_;
                for (int r = 0; r < layer.out; ++r)
                    for (int v = 0; v < count_; ++v)
                        store(tangent_[m] + r * row_ + v * lanes<T>,
                              set1<T>(weights.data[r * weights.row_stride + o]) * s[v]);
            } else {
                chunk_product<false, T>(layer.out, layer.in, count_, weights, nullptr, jacobian_row(l, m - 1, o),
                                        tangent_[m]);
            }
            if (m == net_.depth()) return;
            Vec<T>* const jacobian = as_vectors(jacobian_row(l, m, o));
            const Vec<T>* const s = vectors_of_layer(ws_.s, m);
            for (int i = 0; i < layer.out * count_; ++i) jacobian[i] = s[i] * as_vectors(tangent_[m])[i];
            if (layer.bias) std::fill_n(jacobian + layer.out * count_, count_, Vec<T>{});
        }
    }

    // D_lL[o, :]
    void top_curvature(int l, int o) {
        const int depth = net_.depth(), units = net_.outputs();
        if (l == depth) {  // dz_L / dz_L[o] is a column of the identity
            std::fill_n(tangent_[l], units * row_, T(0));
            std::fill_n(tangent_[l] + o * row_, row_, T(1));
        }
        for (int v = 0; v < count_; ++v) {
            const OutputLayer<T> out = output_layer(net_, loss_, panel_, ws_, v0_, count_, v);
            output_curvature(loss_, Curvature::full, out, vectors_of_layer(ws_.c, depth) + v,
                             as_vectors(tangent_[depth]) + v, as_vectors(top_) + v);
        }
        const int first = l == depth ? o : 0;
        std::copy_n(top_ + first * row_, (units - first) * row_, curvature_row(l, depth, o));
    }

    // D_lm[o, :] = phi''(z_m) e_m dz_m/dz_l[o] + phi'(z_m) W_{m+1}^T D_{l,m+1}[o, :]
    void curvature_below(int l, int o, int m) {
        const Layer& above = net_.layers()[m];
        const int first = l == m ? o : 0, units = above.in - first;
        Matrix<T> weights = transposed_weights(theta_, above);
        weights.data += first * weights.row_stride;
        T* const to = curvature_row(l, m, o);
        chunk_product<false, T>(units, above.out, count_, weights, nullptr, curvature_row(l, m + 1, o), to);
        const Vec<T>* const s = vectors_of_layer(ws_.s, m) + first * count_;
        const Vec<T>* const ce = vectors_of_layer(ws_.c, m) + first * count_;
        Vec<T>* const d = as_vectors(to);
        for (int i = 0; i < units * count_; ++i) {
            const Vec<T> own = l < m ? ce[i] * as_vectors(tangent_[m])[i] : i < count_ ? ce[i] : Vec<T>{};
            d[i] = fma(s[i], d[i], own);
        }
    }

    const Network& net_;
    const HessianFields<T>& fields_;
    Loss loss_;
    const T* theta_;
    const Panel<T>& panel_;
    const Workspace<T>& ws_;
    const FieldRows<T>& to_;
    std::vector<T*> tangent_;
    T *top_, *chunk_;  // chunk_: the fields of the chunk
    int v0_ = 0, count_ = 0;
    std::ptrdiff_t row_ = 0;
};

template <class T>
void fill_fields(const Objective<T>& f, const HessianFields<T>& fields, const T* theta, const Panel<T>& panel,
                 const FieldRows<T>& to) {
    const Network& net = f.net();
    Workspace<T>& ws = workspace<T>(net, panel.vectors, 2);
    forward<2>(net, theta, panel, ws);
    output_deltas<false, T>(net, f.loss(), panel, nullptr, ws);
    backward_with_curvature(net, theta, panel, ws);
    keep_layers(net, fields, panel, ws, to);
    UnitPass<T> units(net, fields, f.loss(), theta, panel, ws, to);
    for_each_chunk(panel.vectors, [&](int v0, int count) { units.run(v0, count); });
}

}  // namespace etaflow
