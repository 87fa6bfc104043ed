// R(theta) without the gradients of all samples: blocks of parameters times blocks of parameters, where the centred
// gradients of some samples are made from inputs and deltas just before they are multiplied.
#include "curvature.hpp"
#include "row_product.hpp"
#include "sample_fields.hpp"
#include "symmetric.hpp"

namespace etaflow {

namespace {

constexpr std::ptrdiff_t most_field_bytes = std::ptrdiff_t{16} << 20;

// Consecutive parameters from `begin` on, whose derivatives of L_i are products of one number with consecutive ones:
// delta[o] with the inputs for a row of W, the constant input 1 with the deltas for b.
struct Run {
    std::int64_t begin;
    Field factor, vector;
    int unit, first, count;  // factor[unit] vector[first …]
};

// The runs that make up theta.
template <class T>
std::vector<Run> runs_of_parameters(const Network& net, const SampleFields<T>& fields) {
    std::vector<Run> runs;
    for (int l = 1; l <= net.depth(); ++l) {
        const Layer& layer = net.layers()[l - 1];
        for (int o = 0; o < layer.out; ++o)
            runs.push_back(
                {layer.weights + std::int64_t{o} * layer.in, fields.delta[l], fields.input[l], o, 0, layer.in});
        if (layer.bias) runs.push_back({layer.biases, fields.input[l], fields.delta[l], layer.in, 0, layer.out});
    }
    return runs;
}

// f(the part of a run that lies in the parameters [begin, begin + count))
template <class F>
void for_each_run(const std::vector<Run>& runs, std::int64_t begin, int count, F f) {
    const auto after = std::upper_bound(runs.begin(), runs.end(), begin,
                                        [](std::int64_t at, const Run& run) { return at < run.begin; });
    for (auto run = after - 1; run != runs.end() && run->begin < begin + count; ++run) {
        const int skipped = static_cast<int>(std::max<std::int64_t>(0, begin - run->begin));
        const int left = static_cast<int>(begin + count - run->begin);
        f(Run{run->begin + skipped, run->factor, run->vector, run->unit, skipped,
              std::min(run->count, left) - skipped});
    }
}

// The derivatives by `count` parameters from `begin` on minus their means, for samples [first, first + samples). A
// vector may be written beyond them; mean is padded by one.
template <class T>
void centred_derivatives(const FieldRows<T>& fields, int first, int samples, const std::vector<Run>& runs,
                         const T* mean, std::int64_t begin, int count, SampleRows<T> out) {
    for_each_run(runs, begin, count, [&](const Run& run) {
        const SampleRows<const T> factor = fields.rows(run.factor, first, run.unit);
        const SampleRows<const T> vector = fields.rows(run.vector, first, run.first);
        T* const to = out.data + (run.begin - begin);
        for (int c = 0; c < run.count; c += lanes<T>) {
            const Vec<T> centre = -load_unaligned(mean + run.begin + c);
            for (int i = 0; i < samples; ++i)
                store_unaligned(to + i * out.stride + c,
                                fma(set1<T>(*factor.row(i)), load_unaligned(vector.row(i) + c), centre));
        }
    });
}

// Rows [row, row + rows) times columns [col, col + cols), both of them parameters.
struct Block {
    std::int64_t row, col;
    int rows, cols;
};

// The sums of a block fit into the second-level cache, and it has whole strips.
constexpr std::int64_t block_rows = 144, block_cols = 240;
static_assert(block_rows % product_cols<float> == 0 && block_cols % product_cols<float> == 0);

// The blocks that cover everything on and above the diagonal.
std::vector<Block> blocks_of(std::int64_t num_params) {
    std::vector<Block> blocks;
    for (std::int64_t row = 0; row < num_params; row += block_rows)
        for (std::int64_t col = row; col < num_params; col += block_cols)
            blocks.push_back({row, col, static_cast<int>(std::min(block_rows, num_params - row)),
                              static_cast<int>(std::min(block_cols, num_params - col))});
    return blocks;
}

// The sums over some portions of a block's products.
template <class T>
SampleRows<const T> block_product(const Block& block, const FieldBlocks<T>& kept, const std::vector<Run>& runs,
                                  const T* mean, std::span<const Portion> portions) {
    thread_local RowProduct<T> product;
    thread_local Buffer<T> memory;
    const std::ptrdiff_t stride = padded_to_lanes<T>(block.rows) + lanes<T>;
    const SampleRows<T> left{ensure(memory, static_cast<std::size_t>(product_samples * stride)), stride};
    const int ahead = static_cast<int>(block.col - block.row);
    product.start(block.rows, block.cols);
    for (const auto& [p, i, samples] : portions) {
        const FieldRows<T> slice = kept.fields(p);
        const auto make = [&, i = i, samples = samples](std::int64_t begin, int count, SampleRows<T> to) {
            centred_derivatives(slice, i, samples, runs, mean, begin, count, to);
        };
        make(block.row, block.rows, left);
        const auto columns = [&](int c, int count, SampleRows<T> to) {
            if (ahead == 0 && c + count <= block.rows) return SampleRows<const T>{left.data + c, stride};
            make(block.col + c, count, to);
            return SampleRows<const T>{to.data, to.stride};
        };
        product.add(samples, [&](int r) { return SampleRows<const T>{left.data + r, stride}; }, columns, ahead);
    }
    return product.sums();
}

// out (d, d) = or += factor times a block's sums, on and above the diagonal.
template <class T>
void write_block(const Block& block, SampleRows<const T> sums, T factor, bool add, std::int64_t d, T* out) {
    for (int r = 0; r < block.rows; ++r) {
        T* const to = out + (block.row + r) * d + block.col;
        const T* const from = sums.row(r);
        const int diagonal = static_cast<int>(std::max<std::int64_t>(0, block.row + r - block.col));
        for (int c = diagonal; c < block.cols; ++c) to[c] = add ? to[c] + from[c] * factor : from[c] * factor;
    }
}

}  // namespace

template <class T>
void gradient_covariance(const Objective<T>& f, const T* theta, T* out, int threads, Control& control) {
    const Network& net = f.net();
    const std::int64_t d = f.num_params();
    const T inverse_n = static_cast<T>(1.0 / static_cast<double>(f.size()));
    Buffer<T> mean(static_cast<std::size_t>(d + lanes<T>));
    f.evaluate(theta, f.panels(), {false, mean.data(), nullptr, 1.0 / static_cast<double>(f.size())}, threads, control);
    const double entries = static_cast<double>(d) * static_cast<double>(d);
    const Threads field_threads = threads_for(f.gradient_flops(f.size()), threads);
    const Threads block_threads = threads_for(static_cast<double>(f.size()) * entries, threads);

    const SampleFields<T> fields(net);
    const std::vector<Run> runs = runs_of_parameters(net, fields);
    const std::vector<Block> blocks = blocks_of(d);
    const FieldBlocks<T> kept(f, fields.units, most_field_bytes);
    kept.for_each([&](std::int64_t first, std::int64_t end, bool is_first) {
        parallel_for(field_threads, end - first, control, [&](std::int64_t i) {
            const Panel<T>& panel = kept.slice(first + i);
            Workspace<T>& ws = workspace<T>(net, panel.vectors, 1);
            propagate<false, T>(net, f.loss(), theta, panel, nullptr, ws);
            keep_layers(net, fields, panel, ws, kept.fields(first + i));
        });
        control.throw_if_stopped();
        const std::vector<Portion> portions = portions_of(kept, first, end);
        const std::int64_t count = static_cast<std::int64_t>(blocks.size());
        sum_parts(count, portions, d * d, out, block_threads, control, [&](std::int64_t i, auto some, bool own, T* to) {
            const Block& block = blocks[static_cast<std::size_t>(i)];
            const SampleRows<const T> sums = block_product(block, kept, runs, mean.data(), some);
            write_block(block, sums, inverse_n, !own && !is_first, d, to);
        });
    });
    mirror_upper(out, d, threads_for(16 * entries, threads), control);
}

template void gradient_covariance(const Objective<double>&, const double*, double*, int, Control&);
template void gradient_covariance(const Objective<float>&, const float*, float*, int, Control&);

}  // namespace etaflow
