// R(theta) without the gradients of all samples: blocks of parameters times blocks of parameters, where the centred
// gradients of one panel are made from inputs and deltas just before they are multiplied.
#include "curvature.hpp"
#include "lane_product.hpp"
#include "sample_fields.hpp"
#include "symmetric.hpp"

namespace etaflow {

namespace {

constexpr std::ptrdiff_t most_field_bytes = std::ptrdiff_t{16} << 20;

// Parameters in a block. A block against a block is one item of work.
int block_size(std::int64_t num_params) { return num_params < 512 ? 48 : 80; }

// The derivative of L_i by one parameter is the product of two rows: delta[o] and input[k].
struct Factors {
    Field delta, input;
    int o, k;
};

std::vector<Factors> factors_of_parameters(const Network& net, const SampleFields& fields) {
    std::vector<Factors> all;
    all.reserve(static_cast<std::size_t>(net.num_params()));
    for (int l = 1; l <= net.depth(); ++l) {
        const Layer& layer = net.layers()[l - 1];
        for (int o = 0; o < layer.out; ++o)
            for (int k = 0; k < layer.in; ++k) all.push_back({fields.delta[l], fields.input[l], o, k});
        for (int o = 0; layer.bias && o < layer.out; ++o)
            all.push_back({fields.delta[l], fields.input[l], o, layer.in});
    }
    return all;
}

// The derivatives by `size` parameters minus their means, a quantity of `size` units.
template <class T>
void centred_derivatives(const FieldPanel<T>& panel, const Factors* factors, const T* mean, int size, T* out) {
    const int last = panel.vectors - 1;
    const bool padded = panel.samples < panel.vectors * lanes<T>;
    const IntVec<T> mask = sample_mask(Panel<T>{panel.samples, panel.vectors, nullptr, nullptr}, last);
    for (int i = 0; i < size; ++i) {
        const Factors& of = factors[i];
        const Vec<T> centre = set1<T>(-mean[i]);
        for_each_constant_chunk(panel.vectors, [&](int v0, auto count) {
            constexpr std::ptrdiff_t row = count * lanes<T>;
            const T* const delta = panel.chunk(of.delta, v0) + of.o * row;
            const T* const input = panel.chunk(of.input, v0) + of.k * row;
            T* const to = out + std::ptrdiff_t{v0} * size * lanes<T> + i * row;
            for (std::ptrdiff_t v = 0; v < row; v += lanes<T>)
                store(to + v, fma(load(delta + v), load(input + v), centre));
            if (!padded || v0 + count <= last) return;
            T* const end = to + (last - v0) * lanes<T>;  // without a sample, minus the mean would remain
            store(end, mask ? load(end) : Vec<T>{});
        });
    }
}

}  // namespace

template <class T>
void gradient_covariance(const Objective<T>& f, const T* theta, T* out, int threads, Control& control) {
    const Network& net = f.net();
    const std::int64_t d = f.num_params(), size = block_size(d), blocks = (d + size - 1) / size;
    const T inverse_n = static_cast<T>(1.0 / static_cast<double>(f.size()));
    Buffer<T> mean(static_cast<std::size_t>(d));
    f.evaluate(theta, f.panels(), {false, mean.data(), nullptr, 1.0 / static_cast<double>(f.size())}, threads, control);
    const double entries = static_cast<double>(d) * static_cast<double>(d);
    const Threads field_threads = threads_for(f.gradient_flops(f.size()), threads);
    const Threads block_threads = threads_for(static_cast<double>(f.size()) * entries, threads);

    const SampleFields fields(net);
    const std::vector<Factors> factors = factors_of_parameters(net, fields);
    const FieldBlocks<T> kept(f, fields.units, most_field_bytes);
    kept.for_each([&](std::int64_t first, std::int64_t end, bool is_first) {
        parallel_for(field_threads, end - first, control, [&](std::int64_t i) {
            const Panel<T>& panel = kept.slice(first + i);
            Workspace<T>& ws = workspace<T>(net, panel.vectors, 1);
            forward<1>(net, theta, panel, ws);
            output_deltas<false, T>(net, f.loss(), panel, nullptr, ws);
            backward(net, theta, panel, ws);
            keep_layers(net, fields, panel, ws, kept.fields(first + i));
        });
        control.throw_if_stopped();
        parallel_for(block_threads, blocks * (blocks + 1) / 2, control, [&](std::int64_t item) {
            std::int64_t i = 0, j = item;  // block row i, block column j >= i
            while (j >= blocks - i) j -= blocks - i++;
            j += i;
            const std::int64_t i0 = i * size, j0 = j * size;
            const int rows = static_cast<int>(std::min(size, d - i0)), cols = static_cast<int>(std::min(size, d - j0));
            thread_local LaneProduct<T> product;
            thread_local Buffer<T> memory;
            product.start(rows, cols);
            for (std::int64_t p = first; p < end; ++p) {
                const FieldPanel<T> panel = kept.fields(p);
                T* const a = ensure(memory, static_cast<std::size_t>(rows) * panel.vectors * lanes<T>);
                centred_derivatives(panel, &factors[i0], &mean[i0], rows, a);
                const auto columns = [&](int c, int count, T* to) {
                    centred_derivatives(panel, &factors[j0 + c], &mean[j0 + c], count, to);
                };
                product.add(panel.vectors, LaneRows<T>{a, rows, 0}, columns, i == j ? 0 : product.everything);
            }
            const T* sums = product.finish();
            for (int r = 0; r < rows; ++r)
                for (int c = i == j ? r : 0; c < cols; ++c) {
                    T& to = out[(i0 + r) * d + j0 + c];
                    to = is_first ? sums[r * cols + c] * inverse_n : to + sums[r * cols + c] * inverse_n;
                }
        });
        control.throw_if_stopped();
    });
    mirror_upper(out, d, threads_for(16 * entries, threads), control);
}

template void gradient_covariance(const Objective<double>&, const double*, double*, int, Control&);
template void gradient_covariance(const Objective<float>&, const float*, float*, int, Control&);

}  // namespace etaflow
