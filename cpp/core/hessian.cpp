// The dense Hessian by its structure. For layers l <= m and one sample,
//
//   d2L / dW_l(o,k) dW_m(p,q) = a_{l-1}[k] (D_lm[o,p] a_{m-1}[q] + delta_m[p] J_{l,m-1}[o,q])
//
// with D_lm[o,p] = d delta_m[p] / dz_l[o] and J_lj[o,q] = da_j[q] / dz_l[o], zero for j < l; a bias is a weight whose
// input is constantly 1. Summed over samples, a block is a product of two sets of rows that a first pass leaves behind.
#include "curvature.hpp"
#include "hessian_fields.hpp"
#include "row_product.hpp"
#include "symmetric.hpp"

namespace etaflow {

namespace {

// One piece of the block of layers l <= m, a product of `rows` rows with `cols` columns.
//   by inputs: rows are inputs k of layer l; columns are (pair (o, p), input q of layer m), q running fastest
//   by pairs:  l = m; rows are pairs k <= q of inputs; columns are pairs o <= p of units
// Inputs k and pairs of units are fields as they are; the others are made of two or more.
// In a layer only k <= q is wanted. By inputs, whole tiles of the rest are skipped and little is made for many rows:
// for layers with many inputs and few units. By pairs, nothing of the rest is there: for all others.
struct Piece {
    int l, m;
    bool by_pairs;
    int row, rows, col, cols;
};

// The fields may take this much memory, or as much as the matrix if that is more.
constexpr std::ptrdiff_t least_field_bytes = std::ptrdiff_t{16} << 20;

constexpr int piece_rows = 104, piece_cols = 240;
static_assert(piece_cols % product_cols<float> == 0);

template <class T>
std::vector<Piece> pieces_of_hessian(const Network& net, const HessianFields<T>& fields) {
    std::vector<Piece> pieces;
    const auto cut = [&](int l, int m, bool by_pairs, int row, int rows, int col, int cols) {
        for (int c = 0; c < cols; c += piece_cols)
            pieces.push_back({l, m, by_pairs, row, rows, col + c, std::min(piece_cols, cols - c)});
    };
    for (int l = 1; l <= net.depth(); ++l)
        for (int m = l; m <= net.depth(); ++m) {
            const int pairs = fields.curvature[l][m].units, inputs = fields.input[m].units;
            const bool by_pairs = l == m && pairs >= inputs;
            const int all_rows = by_pairs ? pairs_before(inputs, inputs) : fields.input[l].units;
            for (int row = 0; row < all_rows; row += piece_rows) {
                const int rows = std::min(piece_rows, all_rows - row);
                if (l < m || by_pairs) {
                    cut(l, m, by_pairs, row, rows, 0, by_pairs ? pairs : pairs * inputs);
                    continue;
                }
                for (int pair = 0; pair < pairs; ++pair) cut(l, m, false, row, rows, pair * inputs + row, inputs - row);
            }
        }
    return pieces;
}

// What is made, with consecutive inputs q of layer m: of one pair (o, p) of units, or of one input k.
struct Run {
    int pair, o, p;
    int k;
    int q, count;
};

// f(run, how many before it) for `count` columns, or rows by pairs, of a piece from `first` on.
template <class T, class F>
void for_each_run(const Network& net, const HessianFields<T>& fields, const Piece& piece, int first, int count, F f) {
    const int inputs = fields.input[piece.m].units, width = net.widths()[piece.m];
    if (piece.by_pairs) {
        IndexPair pair(piece.row + first, inputs);
        for (int c = 0; c < count;) {
            const Run run{0, 0, 0, pair.i, pair.j, std::min(count - c, pair.left())};
            f(run, c);
            pair.advance(run.count);
            c += run.count;
        }
        return;
    }
    for (int c = 0; c < count;) {
        const int pair = (piece.col + first + c) / inputs, q = (piece.col + first + c) % inputs;
        const bool same = piece.l == piece.m;
        const IndexPair units = same ? IndexPair(pair, width) : IndexPair(0, width);
        const Run run{pair, same ? units.i : pair / width,  same ? units.j : pair % width, 0,
                      q,    std::min(count - c, inputs - q)};
        f(run, c);
        c += run.count;
    }
}

// to_i[c] = value(i, c), a vector from c on, for all samples i and c < count; writes whole vectors.
template <class T, class F>
void fill_columns(SampleRows<T> to, int samples, int count, F value) {
    for (int c = 0; c < count; c += lanes<T>)
        for (int i = 0; i < samples; ++i) store_unaligned(to.row(i) + c, value(i, c));
}

// One run for samples [first, first + samples). What is written beyond its end has no meaning.
template <class T>
void fill_run(const FieldRows<T>& slice, const HessianFields<T>& fields, const Piece& piece, const Run& run, int first,
              int samples, SampleRows<T> out) {
    const int l = piece.l, m = piece.m;
    const SampleRows<const T> a = slice.rows(fields.input[m], first, run.q);
    const SampleRows<const T> factor = piece.by_pairs ? slice.rows(fields.input[m], first, run.k)
                                                      : slice.rows(fields.curvature[l][m], first, run.pair);
    const auto product = [=](int i, int c) { return set1<T>(*factor.row(i)) * load_unaligned(a.row(i) + c); };
    if (l == m) return fill_columns(out, samples, run.count, product);
    const SampleRows<const T> delta = slice.rows(fields.delta[m], first, run.p);
    if (m > l + 1) {
        const int at = run.o * fields.input[m].units + run.q;
        const SampleRows<const T> jacobian = slice.rows(fields.jacobian[l][m - 1], first, at);
        return fill_columns(out, samples, run.count, [=](int i, int c) {
            return fma(set1<T>(*delta.row(i)), load_unaligned(jacobian.row(i) + c), product(i, c));
        });
    }
    const SampleRows<const T> slope = slice.rows(fields.slope[l], first, run.o);
    fill_columns(out, samples, run.count, [=, at = run.o - run.q](int i, int c) {  // J_ll is diagonal
        IntVec<T> unit;
        for (int k = 0; k < lanes<T>; ++k) unit[k] = c + k == at ? -1 : 0;
        const Vec<T> value = product(i, c);
        return unit ? fma(set1<T>(*delta.row(i)), set1<T>(*slope.row(i)), value) : value;
    });
}

// Writes or adds the sums of one piece to the part of the matrix (d, d) that `complete` and `mirror_upper` start from:
// on and above the diagonal, and for two units of one layer k <= q alone.
template <class T>
class Scatter {
  public:
    Scatter(const Network& net, T* out, T scale, bool add)
        : net_(net), d_(net.num_params()), out_(out), scale_(scale), add_(add) {}

    void operator()(const Piece& piece, const HessianFields<T>& fields, SampleRows<const T> sums) const {
        for_each_run(net_, fields, piece, 0, piece.by_pairs ? piece.rows : piece.cols, [&](const Run& run, int before) {
            if (piece.by_pairs)
                by_pairs(piece, run, {sums.row(before), sums.stride});
            else
                by_inputs(piece, run, {sums.data + before, sums.stride});
        });
    }

  private:
    void by_pairs(const Piece& piece, const Run& run, SampleRows<const T> sums) const {
        IndexPair units(piece.col, net_.widths()[piece.l]);
        for (int c = 0; c < piece.cols; ++c, units.advance())
            put(piece, units.i, run.k, units.j, run, 0, sums.data + c, sums.stride);
    }
    void by_inputs(const Piece& piece, const Run& run, SampleRows<const T> sums) const {
        for (int r = 0; r < piece.rows; ++r) {
            const int k = piece.row + r, below = piece.l == piece.m ? std::max(0, k - run.q) : 0;
            put(piece, run.o, k, run.p, run, below, sums.row(r), 1);
        }
    }
    // Row W_l(o, k), columns W_m(p, q) of the run's inputs q from number `begin` on.
    void put(const Piece& piece, int o, int k, int p, const Run& run, int begin, const T* sums,
             std::ptrdiff_t stride) const {
        const Layer& layer = net_.layers()[piece.l - 1];
        const Layer& other = net_.layers()[piece.m - 1];
        T* const row = out_ + d_ * (k < layer.in ? layer.weights + std::int64_t{o} * layer.in + k : layer.biases + o);
        T* const weights = row + other.weights + std::int64_t{p} * other.in + run.q;
        const int end = std::min(run.count, other.in - run.q);
        const auto write = [&](T& to, T sum) { to = add_ ? to + scale_ * sum : scale_ * sum; };
        for (int i = begin; i < end; ++i) write(weights[i], sums[i * stride]);
        if (end < run.count) write(row[other.biases + p], sums[end * stride]);
    }

    const Network& net_;
    std::int64_t d_;
    T* out_;
    T scale_;
    bool add_;
};

template <class T>
SampleRows<const T> piece_product(const Network& net, const HessianFields<T>& fields, const FieldBlocks<T>& kept,
                                  std::span<const Portion> portions, const Piece& piece) {
    thread_local RowProduct<T> product;
    thread_local Buffer<T> memory;
    constexpr std::ptrdiff_t stride = piece_rows + 2 * lanes<T>;
    const SampleRows<T> left{ensure(memory, static_cast<std::size_t>(product_samples * stride)), stride};
    product.start(piece.rows, piece.cols);
    for (const auto& [p, i, samples] : portions) {
        const FieldRows<T> slice = kept.fields(p);
        const auto make = [&, i = i, samples = samples](int first, int count, SampleRows<T> to) {
            for_each_run(net, fields, piece, first, count, [&](const Run& run, int before) {
                fill_run(slice, fields, piece, run, i, samples, SampleRows<T>{to.data + before, to.stride});
            });
            return SampleRows<const T>{to.data, to.stride};
        };
        if (piece.by_pairs) {
            const SampleRows<const T> rows = make(0, piece.rows, left);
            const SampleRows<const T> cols = slice.rows(fields.curvature[piece.l][piece.m], i, piece.col);
            product.add(
                samples, [&](int r) { return SampleRows<const T>{rows.data + r, rows.stride}; },
                [&](int c, int, SampleRows<T>) { return SampleRows<const T>{cols.data + c, cols.stride}; });
        } else {
            const SampleRows<const T> rows = slice.rows(fields.input[piece.l], i, piece.row);
            const int first_input = piece.col % fields.input[piece.m].units;
            product.add(
                samples, [&](int r) { return SampleRows<const T>{rows.data + r, rows.stride}; }, make,
                piece.l == piece.m ? first_input - piece.row : product.everything);
        }
    }
    return product.sums();
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
    const HessianFields<T> fields(net);
    const Threads field_threads = threads_for(20 * n * static_cast<double>(fields.units), threads);
    const Threads piece_threads = threads_for(n * entries, threads), copy_threads = threads_for(16 * entries, threads);
    const std::vector<Piece> pieces = pieces_of_hessian<T>(net, fields);
    const std::ptrdiff_t field_bytes = std::max<std::ptrdiff_t>(least_field_bytes, d * d * std::ptrdiff_t{sizeof(T)});
    const FieldBlocks<T> kept(f, fields.units, field_bytes);
    kept.for_each([&](std::int64_t first, std::int64_t end, bool is_first) {
        parallel_for(field_threads, end - first, control, [&](std::int64_t i) {
            fill_fields(f, fields, theta, kept.slice(first + i), kept.fields(first + i));
        });
        control.throw_if_stopped();
        const std::vector<Portion> portions = portions_of(kept, first, end);
        const std::int64_t count = static_cast<std::int64_t>(pieces.size());
        sum_parts(count, portions, d * d, out, piece_threads, control, [&](std::int64_t i, auto some, bool own, T* to) {
            const Scatter<T> scatter(net, to, static_cast<T>(f.scale(f.size())), !own && !is_first);
            scatter(pieces[static_cast<std::size_t>(i)], fields,
                    piece_product(net, fields, kept, some, pieces[static_cast<std::size_t>(i)]));
        });
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
