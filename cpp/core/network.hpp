// The shape of a multilayer perceptron and where its parameters lie in theta.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "activation.hpp"

namespace etaflow {

// Layer l maps x^(l-1) to x^(l) = activation(W x^(l-1) + b).
struct Layer {
    int in;
    int out;
    ActivationSpec activation;
    bool bias;
    std::int64_t weights;  // offset of W in theta: row-major, out x in
    std::int64_t biases;   // offset of b in theta: (out), meaningful if bias
};

// theta is layer by layer: W (row-major, out x in), then b.
class Network {
  public:
    Network(const std::vector<int>& widths, const std::vector<ActivationSpec>& activations, bool bias)
        : widths_(widths), bias_(bias) {
        if (widths.size() < 2 || activations.size() + 1 != widths.size())
            throw std::invalid_argument("a network needs an input, an output and one activation per layer");
        std::int64_t offset = 0;
        for (std::size_t l = 1; l < widths.size(); ++l) {
            const int in = widths[l - 1], out = widths[l];
            if (in < 1 || out < 1) throw std::invalid_argument("every width must be at least 1");
            const std::int64_t biases = offset + std::int64_t{in} * out;
            layers_.push_back({in, out, activations[l - 1], bias, offset, biases});
            offset = biases + (bias ? out : 0);
        }
        num_params_ = offset;
    }

    const std::vector<int>& widths() const { return widths_; }
    const std::vector<Layer>& layers() const { return layers_; }
    int depth() const { return static_cast<int>(layers_.size()); }  // L: the number of weight layers
    int inputs() const { return widths_.front(); }
    int outputs() const { return widths_.back(); }
    bool bias() const { return bias_; }
    std::int64_t num_params() const { return num_params_; }
    int max_width() const { return *std::max_element(widths_.begin(), widths_.end()); }

  private:
    std::vector<int> widths_;
    std::vector<Layer> layers_;
    bool bias_;
    std::int64_t num_params_ = 0;
};

}  // namespace etaflow
