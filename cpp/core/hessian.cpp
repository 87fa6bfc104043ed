// The dense Hessian by its structure. For layers l <= m and one sample,
//
//   d2L / dW_l(o,k) dW_m(p,q) = a_{l-1}[k] (D_lm[o,p] a_{m-1}[q] + delta_m[p] J_{l,m-1}[o,q])
//
// with D_lm[o,p] = d delta_m[p] / dz_l[o] and J_lj[o,q] = da_j[q] / dz_l[o], zero for j < l; a bias is a weight whose
// input is constantly 1. Summed over samples, a block is a product of two sets of rows that a first pass leaves behind.
#include "curvature.hpp"
#include "lane_product.hpp"
#include "sample_fields.hpp"
#include "symmetric.hpp"

namespace etaflow {

namespace {

// o <= p among `units`, row by row: how many pairs come before (o, o).
int pairs_before(int o, int units) { return o * units - o * (o - 1) / 2; }

struct HessianFields : SampleFields {
    std::vector<Field> slope;                   // [l]: phi'(z_l), l < L
    std::vector<std::vector<Field>> jacobian;   // [l][j]: J_lj, row o * units of j + q; l < j < L
    std::vector<std::vector<Field>> curvature;  // [l][m]: D_lm, row o * units of m + p; for l = m the pairs o <= p

    explicit HessianFields(const Network& net) : SampleFields(net), slope(1), jacobian(1), curvature(1) {
        const int depth = net.depth();
        const auto& width = net.widths();
        for (int l = 1; l <= depth; ++l) {
            slope.push_back(l < depth ? add(width[l]) : Field{});
            jacobian.emplace_back(depth + 1, Field{});
            curvature.emplace_back(depth + 1, Field{});
            for (int j = l + 1; j < depth; ++j) jacobian[l][j] = add(width[l] * width[j]);
            for (int m = l; m <= depth; ++m)
                curvature[l][m] = add(l == m ? pairs_before(width[l], width[l]) : width[l] * width[m]);
        }
    }
};

// ---------------------------------------------------------------- the first pass: fields of one panel

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
    UnitPass(const Network& net, const HessianFields& fields, Loss loss, const T* theta, const Panel<T>& panel,
             const Workspace<T>& ws, const FieldPanel<T>& to)
        : net_(net), fields_(fields), loss_(loss), theta_(theta), panel_(panel), ws_(ws), to_(to), tangent_(net.depth() + 1) {
        std::ptrdiff_t units = net.outputs();
        for (const int width : net.widths()) units += width;
        thread_local Buffer<T> memory;
        T* at = ensure(memory, static_cast<std::size_t>(units) * chunk_vectors * lanes<T>);
        for (int l = 1; l <= net.depth(); ++l) {
            tangent_[l] = at;
            at += std::ptrdiff_t{net.widths()[l]} * chunk_vectors * lanes<T>;
        }
        top_ = at;
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
    }

  private:
    const Vec<T>* of_layer(const std::vector<T*>& kind, int l) const {
        return as_vectors(kind[l] + std::ptrdiff_t{v0_} * net_.widths()[l] * lanes<T>);
    }
    // First row that belongs to unit o of layer l in a field of l and m.
    T* row_of(const std::vector<std::vector<Field>>& kind, int l, int m, int o) const {
        const int width = net_.widths()[m];
        return to_.chunk(kind[l][m], v0_) + (l == m ? pairs_before(o, width) : o * width) * row_;
    }

    // tangent_[m] = dz_m / dz_l[o], and with it J.
    void tangents(int l, int o) {
        for (int m = l + 1; m <= net_.depth(); ++m) {
            const Layer& layer = net_.layers()[m - 1];
            const Matrix<T> weights = weight_matrix(theta_, layer);
            if (m == l + 1) {
                const Vec<T>* const s = of_layer(ws_.s, l) + o * count_;
                for (int r = 0; r < layer.out; ++r)
                    for (int v = 0; v < count_; ++v)
                        store(tangent_[m] + r * row_ + v * lanes<T>, set1<T>(weights.data[r * weights.row_stride + o]) * s[v]);
            } else {
                chunk_product<false, T>(layer.out, layer.in, count_, weights, nullptr,
                                        row_of(fields_.jacobian, l, m - 1, o), tangent_[m]);
            }
            if (m == net_.depth()) return;
            Vec<T>* const jacobian = as_vectors(row_of(fields_.jacobian, l, m, o));
            const Vec<T>* const s = of_layer(ws_.s, m);
            for (int i = 0; i < layer.out * count_; ++i) jacobian[i] = s[i] * as_vectors(tangent_[m])[i];
        }
    }

    // D_lL[o, :], zero in lanes without a sample.
    void top_curvature(int l, int o) {
        const int depth = net_.depth(), units = net_.outputs();
        if (l == depth) {  // dz_L / dz_L[o] is a column of the identity
            std::fill_n(tangent_[l], units * row_, T(0));
            std::fill_n(tangent_[l] + o * row_, row_, T(1));
        }
        for (int v = 0; v < count_; ++v) {
            const OutputLayer<T> out = output_layer(net_, loss_, panel_, ws_, v0_, count_, v);
            Vec<T>* const result = as_vectors(top_) + v;
            output_curvature(loss_, Curvature::full, out, of_layer(ws_.c, depth) + v, as_vectors(tangent_[depth]) + v, result);
            if ((v0_ + v + 1) * lanes<T> <= panel_.samples) continue;
            const IntVec<T> mask = sample_mask(panel_, v0_ + v);
            for (int k = 0; k < units; ++k) result[k * count_] = mask ? result[k * count_] : Vec<T>{};
        }
        const int first = l == depth ? o : 0;
        std::copy_n(top_ + first * row_, (units - first) * row_, row_of(fields_.curvature, l, depth, o));
    }

    // D_lm[o, :] = phi''(z_m) e_m dz_m/dz_l[o] + phi'(z_m) W_{m+1}^T D_{l,m+1}[o, :]
    void curvature_below(int l, int o, int m) {
        const Layer& above = net_.layers()[m];
        const int first = l == m ? o : 0, units = above.in - first;
        Matrix<T> weights = transposed_weights(theta_, above);
        weights.data += first * weights.row_stride;
        T* const to = row_of(fields_.curvature, l, m, o);
        chunk_product<false, T>(units, above.out, count_, weights, nullptr, row_of(fields_.curvature, l, m + 1, o), to);
        const Vec<T>* const s = of_layer(ws_.s, m) + first * count_;
        const Vec<T>* const ce = of_layer(ws_.c, m) + first * count_;
        Vec<T>* const d = as_vectors(to);
        for (int i = 0; i < units * count_; ++i) {
            const Vec<T> own = l < m ? ce[i] * as_vectors(tangent_[m])[i] : i < count_ ? ce[i] : Vec<T>{};
            d[i] = fma(s[i], d[i], own);
        }
    }

    const Network& net_;
    const HessianFields& fields_;
    Loss loss_;
    const T* theta_;
    const Panel<T>& panel_;
    const Workspace<T>& ws_;
    const FieldPanel<T>& to_;
    std::vector<T*> tangent_;
    T* top_;
    int v0_ = 0, count_ = 0;
    std::ptrdiff_t row_ = 0;
};

template <class T>
void fill_fields(const Objective<T>& f, const HessianFields& fields, const T* theta, const Panel<T>& panel,
                 const FieldPanel<T>& to) {
    const Network& net = f.net();
    Workspace<T>& ws = workspace<T>(net, panel.vectors, 2);
    forward<2>(net, theta, panel, ws);
    output_deltas<false, T>(net, f.loss(), panel, nullptr, ws);
    backward_with_curvature(net, theta, panel, ws);
    keep_layers(net, fields, panel, ws, to);
    UnitPass<T> units(net, fields, f.loss(), theta, panel, ws, to);
    for_each_chunk(panel.vectors, [&](int v0, int count) {
        for (int l = 1; l < net.depth(); ++l) {
            const int width = net.widths()[l];
            std::copy_n(ws.s[l] + std::ptrdiff_t{v0} * width * lanes<T>, std::ptrdiff_t{width} * count * lanes<T>,
                        to.chunk(fields.slope[l], v0));
        }
        units.run(v0, count);
    });
}

// ---------------------------------------------------------------- the second pass: products of fields

// One piece of the block of layers l <= m, a product of `rows` rows with `cols` columns.
//   by inputs: rows are inputs k of layer l; columns are (pair (o, p), input q of layer m), q running fastest
//   by pairs:  l = m; rows are pairs o <= p of units; columns are pairs k <= q of inputs
// By pairs, a column takes one multiplication and serves all rows, but there must be enough rows.
struct Piece {
    int l, m;
    bool by_pairs;
    int row, rows, col, cols;
};

constexpr int piece_rows = 80, piece_cols = 80, least_pairs = 6;

std::vector<Piece> pieces_of_hessian(const Network& net, const HessianFields& fields) {
    std::vector<Piece> pieces;
    for (int l = 1; l <= net.depth(); ++l)
        for (int m = l; m <= net.depth(); ++m) {
            const int pairs = fields.curvature[l][m].units, inputs = fields.input[l].units;
            const bool by_pairs = l == m && pairs >= least_pairs;
            const int rows = by_pairs ? pairs : inputs;
            const int cols = by_pairs ? pairs_before(inputs, inputs) : pairs * fields.input[m].units;
            for_each_piece(cols, piece_cols, [&](int col, int col_count) {
                for_each_piece(rows, piece_rows, [&](int row, int row_count) {
                    pieces.push_back({l, m, by_pairs, row, row_count, col, col_count});
                });
            });
        }
    return pieces;
}

// The pair of number `index` among i <= j < units, row by row.
struct Pair {
    int i, j, units;

    Pair(int index, int size) : i(0), units(size) {
        while (index >= units - i) index -= units - i++;
        j = i + index;
    }
    void advance() {
        if (++j == units) j = ++i;
    }
};

// Columns of a piece by pairs: products of two inputs.
template <class T>
void input_pairs(const FieldPanel<T>& panel, Field input, Pair pair, int count, T* out) {
    for (int c = 0; c < count; ++c, pair.advance())
        for_each_chunk(panel.vectors, [&](int v0, int vectors) {
            const T* const a = panel.chunk(input, v0);
            const std::ptrdiff_t row = std::ptrdiff_t{vectors} * lanes<T>;
            T* const to = out + std::ptrdiff_t{v0} * count * lanes<T> + c * row;
            with_constant<chunk_vectors>(vectors, [&](auto V) {
                for (int v = 0; v < V; ++v)
                    store(to + v * lanes<T>, load(a + pair.i * row + v * lanes<T>) * load(a + pair.j * row + v * lanes<T>));
            });
        });
}

// A column of a piece by inputs: the factor of a_{l-1}[k] in the second derivative by W_l(o,k) and W_m(p,q).
struct Column {
    int pair, o, p, q;
};

Column column_of(const Network& net, const HessianFields& fields, const Piece& piece, int index) {
    const int inputs = fields.input[piece.m].units, pair = index / inputs, q = index % inputs;
    if (piece.l < piece.m) return {pair, pair / net.widths()[piece.m], pair % net.widths()[piece.m], q};
    const Pair units(pair, net.widths()[piece.l]);
    return {pair, units.i, units.j, q};
}

template <class T>
void input_columns(const Network& net, const FieldPanel<T>& panel, const HessianFields& fields, const Piece& piece,
                   const Column* columns, int count, T* out) {
    const int l = piece.l, m = piece.m, below = net.widths()[m - 1];
    for (int c = 0; c < count; ++c) {
        const auto [pair, o, p, q] = columns[c];
        const bool diagonal = m == l + 1 && q == o, full = m > l + 1 && q < below;  // where J_{l,m-1}[o,q] is not 0
        const Field jacobian = diagonal ? fields.slope[l] : fields.jacobian[l][m - 1];
        const int jacobian_row = diagonal ? o : o * below + q;
        for_each_chunk(panel.vectors, [&, pair = pair, p = p, q = q](int v0, int vectors) {
            const std::ptrdiff_t row = std::ptrdiff_t{vectors} * lanes<T>;
            const T* const d = panel.chunk(fields.curvature[l][m], v0) + pair * row;
            const T* const a = panel.chunk(fields.input[m], v0) + q * row;
            T* const to = out + std::ptrdiff_t{v0} * count * lanes<T> + c * row;
            with_constant<chunk_vectors>(vectors, [&](auto V) {
                for (int v = 0; v < V; ++v) store(to + v * lanes<T>, load(d + v * lanes<T>) * load(a + v * lanes<T>));
                if (!diagonal && !full) return;
                const T* const delta = panel.chunk(fields.delta[m], v0) + p * row;
                const T* const j = panel.chunk(jacobian, v0) + jacobian_row * row;
                for (int v = 0; v < V; ++v)
                    store(to + v * lanes<T>, fma(load(delta + v * lanes<T>), load(j + v * lanes<T>), load(to + v * lanes<T>)));
            });
        });
    }
}

// Writes or adds the sums of one piece to the part of the matrix (d, d) that `complete` and `mirror_upper` start from:
// on and above the diagonal, and for two units of one layer k <= q alone.
template <class T>
class Scatter {
  public:
    Scatter(const Network& net, T* out, T scale, bool add) : net_(net), d_(net.num_params()), out_(out), scale_(scale), add_(add) {}

    void by_inputs(const Piece& piece, const std::vector<Column>& columns, const T* sums) const {
        const Layer& layer = net_.layers()[piece.l - 1];
        const Layer& other = net_.layers()[piece.m - 1];
        for (int r = 0; r < piece.rows; ++r) {
            const int k = piece.row + r;
            for (int c = 0; c < piece.cols; ++c, ++sums) {
                const Column& at = columns[c];
                if (piece.l == piece.m && k > at.q) continue;
                put(position(layer, at.o, k) * d_ + position(other, at.p, at.q), *sums);
            }
        }
    }

    void by_pairs(const Piece& piece, int inputs, const T* sums) const {
        const Layer& layer = net_.layers()[piece.l - 1];
        Pair units(piece.row, layer.out);
        for (int r = 0; r < piece.rows; ++r, units.advance()) {
            Pair input(piece.col, inputs);
            for (int c = 0; c < piece.cols; ++c, ++sums, input.advance())
                put(position(layer, units.i, input.i) * d_ + position(layer, units.j, input.j), *sums);
        }
    }

  private:
    static std::int64_t position(const Layer& layer, int o, int k) {
        return k < layer.in ? layer.weights + std::int64_t{o} * layer.in + k : layer.biases + o;
    }
    void put(std::int64_t at, T sum) const { out_[at] = add_ ? out_[at] + scale_ * sum : scale_ * sum; }

    const Network& net_;
    std::int64_t d_;
    T* out_;
    T scale_;
    bool add_;
};

template <class T>
void multiply_piece(const Network& net, const HessianFields& fields, const FieldBlocks<T>& kept, std::int64_t first,
                    std::int64_t end, const Piece& piece, const Scatter<T>& scatter) {
    thread_local LaneProduct<T> product;
    product.start(piece.rows, piece.cols);
    if (piece.by_pairs) {
        const Field input = fields.input[piece.l];
        for (std::int64_t p = first; p < end; ++p) {
            const FieldPanel<T> panel = kept.panel(first, p);
            product.add(panel.vectors, panel.rows(fields.curvature[piece.l][piece.l], piece.row),
                        [&](int c, int count, T* to) { input_pairs(panel, input, Pair(piece.col + c, input.units), count, to); });
        }
        return scatter.by_pairs(piece, input.units, product.finish());
    }
    std::vector<Column> columns(static_cast<std::size_t>(piece.cols));
    for (int c = 0; c < piece.cols; ++c) columns[c] = column_of(net, fields, piece, piece.col + c);
    const bool triangle = piece.l == piece.m && columns.front().pair == columns.back().pair;  // only k <= q is read
    const int diagonal = triangle ? columns.front().q - piece.row : product.everything;
    for (std::int64_t p = first; p < end; ++p) {
        const FieldPanel<T> panel = kept.panel(first, p);
        product.add(
            panel.vectors, panel.rows(fields.input[piece.l], piece.row),
            [&](int c, int count, T* to) { input_columns(net, panel, fields, piece, &columns[c], count, to); }, diagonal);
    }
    scatter.by_inputs(piece, columns, product.finish());
}

// Within layer l, the block of units o < p is symmetric: k > q from k < q, for all p.
template <class T>
void complete(const Network& net, int l, int o, T* out) {
    const Layer& layer = net.layers()[l - 1];
    const std::int64_t d = net.num_params(), in = layer.in;
    for (std::int64_t p = o + 1; p < layer.out; ++p) {
        T* const block = out + (layer.weights + o * in) * d + layer.weights + p * in;
        for (std::int64_t k = 0; k < in; k += mirror_rows) mirror_upper(block, d, in, k);
        if (!layer.bias) continue;
        const T* const from = out + (layer.weights + o * in) * d + layer.biases + p;
        T* const to = out + (layer.weights + p * in) * d + layer.biases + o;
        for (std::int64_t q = 0; q < in; ++q) to[q * d] = from[q * d];
    }
}

}  // namespace

template <class T>
void hessian(const Objective<T>& f, const T* theta, T* out, int threads, Control& control) {
    const Network& net = f.net();
    const std::int64_t d = f.num_params();
    threads = threads_for(static_cast<double>(f.size()) * static_cast<double>(d) * static_cast<double>(d), threads);
    const HessianFields fields(net);
    const std::vector<Piece> pieces = pieces_of_hessian(net, fields);
    const FieldBlocks<T> kept(f.panels(), fields.units);
    kept.for_each([&](std::int64_t first, std::int64_t end, bool is_first) {
        parallel_for(threads, end - first, control, [&](std::int64_t i) {
            fill_fields(f, fields, theta, f.panels().panel(first + i), kept.panel(first, first + i));
        });
        control.throw_if_stopped();
        const Scatter<T> scatter(net, out, static_cast<T>(f.scale(f.size())), !is_first);
        parallel_for(threads, static_cast<std::int64_t>(pieces.size()), control, [&](std::int64_t i) {
            multiply_piece(net, fields, kept, first, end, pieces[i], scatter);
        });
        control.throw_if_stopped();
    });
    for (int l = 1; l <= net.depth(); ++l)
        parallel_for(threads, net.widths()[l], control, [&](std::int64_t o) { complete(net, l, static_cast<int>(o), out); });
    mirror_upper(out, d, threads, control);
    for (std::int64_t i = 0; i < d; ++i) out[i * d + i] += static_cast<T>(2 * f.l2());
}

template void hessian(const Objective<double>&, const double*, double*, int, Control&);
template void hessian(const Objective<float>&, const float*, float*, int, Control&);

}  // namespace etaflow
