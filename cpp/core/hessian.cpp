// The dense Hessian by its structure. For layers l <= m and one sample,
//
//   d2L / dW_l(o,k) dW_m(p,q) = a_{l-1}[k] (D_lm[o,p] a_{m-1}[q] + delta_m[p] J_{l,m-1}[o,q])
//
// with D_lm[o,p] = d delta_m[p] / dz_l[o] and J_lj[o,q] = da_j[q] / dz_l[o], zero for j < l; a bias is a weight whose
// input is constantly 1. Summed over samples, a block is a product of two sets of rows that a first pass leaves behind.
#include "curvature.hpp"
#include "hessian_fields.hpp"
#include "lane_product.hpp"
#include "symmetric.hpp"

namespace etaflow {

namespace {

// One piece of the block of layers l <= m, a product of `rows` rows with `cols` columns.
//   by inputs: rows are inputs k of layer l; columns are (pair (o, p), input q of layer m), q running fastest
//   by pairs:  l = m; rows are pairs o <= p of units; columns are pairs k <= q of inputs
// By pairs, a column takes one multiplication and serves all rows, but there must be enough rows.
struct Piece {
    int l, m;
    bool by_pairs;
    int row, rows, col, cols;
};

// The fields may take this much memory, or as much as the matrix if that is more.
constexpr std::ptrdiff_t least_field_bytes = std::ptrdiff_t{16} << 20;

constexpr int piece_rows = 80, piece_cols = 40, least_pairs = 6;

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

// Columns of a piece by pairs: products of two inputs.
template <class T>
void input_pairs(const FieldPanel<T>& panel, Field input, IndexPair pair, int count, T* out) {
    for (int c = 0; c < count; ++c, pair.advance())
        for_each_constant_chunk(panel.vectors, [&](int v0, auto vectors) {
            constexpr std::ptrdiff_t row = vectors * lanes<T>;
            const T* const first = panel.chunk(input, v0) + pair.i * row;
            const T* const second = panel.chunk(input, v0) + pair.j * row;
            T* const to = out + std::ptrdiff_t{v0} * count * lanes<T> + c * row;
            for (std::ptrdiff_t v = 0; v < row; v += lanes<T>) store(to + v, load(first + v) * load(second + v));
        });
}

// A column of a piece by inputs: the factor of a_{l-1}[k] in the second derivative by W_l(o,k) and W_m(p,q).
struct Column {
    int pair, o, p, q;
};

Column column_of(const Network& net, const HessianFields& fields, const Piece& piece, int index) {
    const int inputs = fields.input[piece.m].units, pair = index / inputs, q = index % inputs;
    if (piece.l < piece.m) return {pair, pair / net.widths()[piece.m], pair % net.widths()[piece.m], q};
    const IndexPair units(pair, net.widths()[piece.l]);
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
        for_each_constant_chunk(panel.vectors, [&, pair = pair, p = p, q = q](int v0, auto vectors) {
            constexpr std::ptrdiff_t row = vectors * lanes<T>;
            const T* const d = panel.chunk(fields.curvature[l][m], v0) + pair * row;
            const T* const a = panel.chunk(fields.input[m], v0) + q * row;
            T* const to = out + std::ptrdiff_t{v0} * count * lanes<T> + c * row;
            for (std::ptrdiff_t v = 0; v < row; v += lanes<T>) store(to + v, load(d + v) * load(a + v));
            if (!diagonal && !full) return;
            const T* const delta = panel.chunk(fields.delta[m], v0) + p * row;
            const T* const j = panel.chunk(jacobian, v0) + jacobian_row * row;
            for (std::ptrdiff_t v = 0; v < row; v += lanes<T>)
                store(to + v, fma(load(delta + v), load(j + v), load(to + v)));
        });
    }
}

// Writes or adds the sums of one piece to the part of the matrix (d, d) that `complete` and `mirror_upper` start from:
// on and above the diagonal, and for two units of one layer k <= q alone.
template <class T>
class Scatter {
  public:
    Scatter(const Network& net, T* out, T scale, bool add)
        : net_(net), d_(net.num_params()), out_(out), scale_(scale), add_(add) {}

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
        IndexPair units(piece.row, layer.out);
        for (int r = 0; r < piece.rows; ++r, units.advance()) {
            IndexPair input(piece.col, inputs);
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
            const FieldPanel<T> panel = kept.fields(p);
            product.add(panel.vectors, panel.rows(fields.curvature[piece.l][piece.l], piece.row),
                        [&](int c, int count, T* to) {
                            input_pairs(panel, input, IndexPair(piece.col + c, input.units), count, to);
                        });
        }
        return scatter.by_pairs(piece, input.units, product.finish());
    }
    std::vector<Column> columns(static_cast<std::size_t>(piece.cols));
    for (int c = 0; c < piece.cols; ++c) columns[c] = column_of(net, fields, piece, piece.col + c);
    const bool triangle = piece.l == piece.m && columns.front().pair == columns.back().pair;  // only k <= q is read
    const int diagonal = triangle ? columns.front().q - piece.row : product.everything;
    for (std::int64_t p = first; p < end; ++p) {
        const FieldPanel<T> panel = kept.fields(p);
        product.add(
            panel.vectors, panel.rows(fields.input[piece.l], piece.row),
            [&](int c, int count, T* to) { input_columns(net, panel, fields, piece, &columns[c], count, to); },
            diagonal);
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
    const double n = static_cast<double>(f.size()), entries = static_cast<double>(d) * static_cast<double>(d);
    const HessianFields fields(net);
    const Threads field_threads = threads_for(20 * n * static_cast<double>(fields.units), threads);
    const Threads piece_threads = threads_for(n * entries, threads), copy_threads = threads_for(16 * entries, threads);
    const std::vector<Piece> pieces = pieces_of_hessian(net, fields);
    const std::ptrdiff_t field_bytes = std::max<std::ptrdiff_t>(least_field_bytes, d * d * std::ptrdiff_t{sizeof(T)});
    const FieldBlocks<T> kept(f, fields.units, field_bytes);
    kept.for_each([&](std::int64_t first, std::int64_t end, bool is_first) {
        parallel_for(field_threads, end - first, control, [&](std::int64_t i) {
            fill_fields(f, fields, theta, kept.slice(first + i), kept.fields(first + i));
        });
        control.throw_if_stopped();
        const Scatter<T> scatter(net, out, static_cast<T>(f.scale(f.size())), !is_first);
        parallel_for(piece_threads, static_cast<std::int64_t>(pieces.size()), control,
                     [&](std::int64_t i) { multiply_piece(net, fields, kept, first, end, pieces[i], scatter); });
        control.throw_if_stopped();
    });
    for (int l = 1; l <= net.depth(); ++l)
        parallel_for(copy_threads, net.widths()[l], control,
                     [&](std::int64_t o) { complete(net, l, static_cast<int>(o), out); });
    mirror_upper(out, d, copy_threads, control);
    for (std::int64_t i = 0; i < d; ++i) out[i * d + i] += static_cast<T>(2 * f.l2());
}

template void hessian(const Objective<double>&, const double*, double*, int, Control&);
template void hessian(const Objective<float>&, const float*, float*, int, Control&);

}  // namespace etaflow
