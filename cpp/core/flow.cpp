#include "flow.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "stabilized_methods.hpp"

namespace etaflow {

namespace {

// Rows 2 … 7 of the tableau; the last one is the solution of order 5 (first same as last).
constexpr std::array<std::array<double, 6>, 6> stage{{
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},
}};
constexpr std::array<double, 7> error_weights{71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                              -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
constexpr std::array<double, 7> dense_weights{-12715105075.0 / 11282082432.0,  0,
                                              87487479700.0 / 32700410799.0,   -10690763975.0 / 1880347072.0,
                                              701980252875.0 / 199316789632.0, -1453857185.0 / 822651844.0,
                                              69997945.0 / 29380423.0};

// Where |h lambda| is larger, stability shortens the steps of the pair, whose limit is 3.3; and so many steps of one
// kind in a row make a change of method.
constexpr double shortened_by_stability = 2.5;
constexpr int steps_to_change = 5, steps_to_return = 10;

// The spectral radius is estimated anew after so many steps, and taken larger by the factor: iterations come from
// below.
constexpr int steps_of_estimate = 20;
constexpr double safety = 1.1;

constexpr int steps_to_stiff = 15;  // in a row, within a factor of two of what the longest method allows
constexpr int stages_of_pair = 6;

// What the closing stages make of a rounding error before them, in the stiffest direction the method reaches.
double growth(const StabilizedMethod& m) {
    const std::array<double, 10>& w = m.closing;
    const double z = -m.reach, k1 = z, k2 = z * (1 + w[0] * k1), k3 = z * (1 + w[1] * k1 + w[2] * k2);
    const double k4 = z * (1 + w[3] * k1 + w[4] * k2 + w[5] * k3);
    return std::abs(1 + w[6] * k1 + w[7] * k2 + w[8] * k3 + w[9] * k4);
}

// The method with most stages that keeps rounding errors below the tolerance.
template <class T>
const StabilizedMethod& longest_method(double rtol) {
    const double most = 0.5 * rtol / static_cast<double>(std::numeric_limits<T>::epsilon());
    const StabilizedMethod* longest = &stabilized_methods.front();
    for (const StabilizedMethod& m : stabilized_methods)
        if (growth(m) <= most) longest = &m;
    return *longest;
}

template <class T>
class Integrator {
  public:
    Integrator(const Objective<T>& f, const T* theta0, const FlowOptions& options, int threads, Control& control,
               std::atomic<double>& progress)
        : f_(f),
          options_(options),
          longest_(longest_method<T>(options.rtol)),
          threads_(threads),
          control_(control),
          progress_(progress),
          d_(static_cast<std::size_t>(f.num_params())),
          y_(theta0, theta0 + d_),
          next_(d_),
          trial_(d_),
          error_(d_),
          direction_(d_) {
        for (auto& k : k_) k.assign(d_, std::numeric_limits<T>::quiet_NaN());  // known once computed
    }

    FlowPath<T> run() {
        try {
            integrate();
        } catch (const Interrupted&) {  // in the middle of a step, which then does not count
            finish(FlowStatus::interrupted);
        }
        path_.theta = y_;
        path_.grad_norm = norm(k_[0]);
        return std::move(path_);
    }

  private:
    void integrate() {
        slope(y_, k_[0]);
        double h = first_step();
        double previous_error = 1e-4;
        while (true) {
            if (ends(h)) return;
            const bool last = path_.mesh.back() + 1.01 * h >= options_.end;
            if (last) h = options_.end - path_.mesh.back();
            const double error = stabilized_ ? try_stabilized_step(h) : try_step(h);
            const double factor = std::pow(error, (stabilized_ ? 0.25 : 0.2) - 0.04 * 0.75);
            if (error <= 1) {  // PI control
                accept(h);
                const double shrink = factor / std::pow(previous_error, 0.04) / 0.9;
                previous_error = std::max(error, 1e-4);
                double grown = h / std::clamp(shrink, 0.1, 5.0);
                if (rejected_) grown = std::min(grown, h);
                rejected_ = false;
                if (stop_at_gradient(h) || (last && finish(FlowStatus::finished))) return;
                choose_method(h);
                h = grown;
            } else {  // NaN too
                ++path_.rejected;
                if (stabilized_ && !rejected_) estimate_radius(3);
                rejected_ = true;
                h /= std::isfinite(error) ? std::min(5.0, factor / 0.9) : 10.0;
            }
            if (stabilized_) h = std::min(h, longest_.reach / radius_);
        }
    }

    using State = std::vector<T>;

    // k = -grad f(y)
    void slope(const State& y, State& k) {
        f_.evaluate(y.data(), f_.panels(), {false, k.data(), nullptr, -f_.scale(f_.size()), -f_.l2()}, threads_,
                    control_);
        ++path_.evaluations;
    }

    static double norm(const State& v) {
        double total = 0;
        for (const T x : v) total += static_cast<double>(x) * static_cast<double>(x);
        return std::sqrt(total);
    }
    // The root mean square of v in units of the tolerance.
    double weighted(const State& v, const State& a, const State& b) const {
        double total = 0;
        for (std::size_t j = 0; j < d_; ++j) {
            const double size = std::max(std::abs(static_cast<double>(a[j])), std::abs(static_cast<double>(b[j])));
            const double scaled = static_cast<double>(v[j]) / (options_.atol + options_.rtol * size);
            total += scaled * scaled;
        }
        return std::sqrt(total / static_cast<double>(d_));
    }

    // Hairer, Norsett & Wanner I, section II.4.
    double first_step() {
        const double d0 = weighted(y_, y_, y_), d1 = weighted(k_[0], y_, y_);
        double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
        h0 = std::min(h0, options_.end);
        for (std::size_t j = 0; j < d_; ++j) trial_[j] = y_[j] + static_cast<T>(h0) * k_[0][j];
        slope(trial_, k_[1]);
        for (std::size_t j = 0; j < d_; ++j) error_[j] = k_[1][j] - k_[0][j];
        const double d2 = weighted(error_, y_, y_) / h0, larger = std::max(d1, d2);
        const double h1 = larger <= 1e-15 ? std::max(1e-6, h0 * 1e-3) : std::pow(0.01 / larger, 0.2);
        const double h = std::min(100 * h0, h1);
        return std::isfinite(h) && h > 0 ? std::min(h, options_.end) : 1e-6;
    }

    bool finish(FlowStatus status) {
        path_.status = status;
        return true;
    }

    bool ends(double h) {
        const double t = path_.mesh.back(), left = options_.end - t;
        control_.poll();
        if (left <= 0 || norm(k_[0]) <= options_.grad_norm)
            return finish(left <= 0 ? FlowStatus::finished : FlowStatus::stopped);
        if (control_.stopped()) return finish(FlowStatus::interrupted);
        if (!std::isfinite(h) || t + 0.1 * h <= t) return finish(FlowStatus::diverged);
        if (static_cast<std::int64_t>(path_.mesh.size()) > options_.max_steps) return finish(FlowStatus::exhausted);
        const double pairs = static_cast<double>(longest_.stages) / stages_of_pair;
        if (options_.stiff_steps > 0 && at_limit_ >= steps_to_stiff && left / h * pairs > options_.stiff_steps)
            return finish(FlowStatus::stiff);
        return false;
    }

    // All stages; returns the error in units of the tolerance.
    double try_step(double h) {
        for (int s = 0; s < 6; ++s) {
            State& to = s == 5 ? next_ : trial_;
            combine(stage[static_cast<std::size_t>(s)].data(), s + 1, static_cast<T>(h), y_.data(), to.data());
            if (s == 4) sixth_ = trial_;
            slope(to, k_[static_cast<std::size_t>(s) + 1]);
        }
        combine(error_weights.data(), 7, static_cast<T>(h), nullptr, error_.data());
        return weighted(error_, y_, next_);
    }

    // The same with the shortest of the stabilised methods that reaches far enough: Euler steps to trial_, and from
    // there the closing stages, whose slopes are k_[1] … k_[4].
    double try_stabilized_step(double h) {
        const auto reaches = [&](const StabilizedMethod& m) { return m.reach >= h * radius_ * (1 - 1e-12); };
        const auto at = std::find_if(stabilized_methods.begin(), stabilized_methods.end() - 1, reaches);
        const std::array<double, 10>& w = at->closing;
        trial_ = y_;
        for (int s = 0; s < at->stages - 4; ++s) {
            const double length = at->euler[static_cast<std::size_t>(s)];
            // Of k_[1] nothing is read before this step has set it: a failed step may have left it infinite.
            const double weights[7]{s == 0 ? length : 0.0, length};
            combine(weights, s == 0 ? 1 : 2, static_cast<T>(h), trial_.data(), trial_.data());
            slope(trial_, k_[1]);
        }
        const double closing[4][7]{{0, w[0]}, {0, w[1], w[2]}, {0, w[3], w[4], w[5]}, {0, w[6], w[7], w[8], w[9]}};
        for (std::size_t s = 0; s < 4; ++s) {
            combine(closing[s], static_cast<int>(s) + 2, static_cast<T>(h), trial_.data(), next_.data());
            slope(next_, k_[s == 3 ? 6 : s + 2]);
        }
        const std::array<double, 5>& e = at->estimate;
        const double estimate[7]{0, e[0], e[1], e[2], e[3], 0, e[4]};
        combine(estimate, 7, static_cast<T>(h), nullptr, error_.data());
        return weighted(error_, y_, next_);
    }

    // out = base + h sum_i w[i] k_i; out may be base.
    void combine(const double* w, int count, T h, const T* base, T* out) const {
        T factor[7];
        const T* k[7];
        for (std::size_t i = 0; i < 7; ++i) {
            factor[i] = h * static_cast<T>(w[i]);
            k[i] = k_[i].data();
        }
        with_constant<7>(count, [&](auto terms) {
            for (std::size_t j = 0; j < d_; ++j) {
                T total = factor[0] * k[0][j];
                for (int i = 1; i < terms; ++i) total += factor[i] * k[i][j];
                out[j] = base ? base[j] + total : total;
            }
        });
    }

    void accept(double h) {
        const T step = static_cast<T>(h);
        const std::size_t at = path_.coefficients.size();
        path_.coefficients.resize(at + 5 * d_);
        T* const row = path_.coefficients.data() + at;
        for (std::size_t j = 0; j < d_; ++j) {
            const T change = next_[j] - y_[j], bend = step * k_[0][j] - change;
            row[j] = y_[j];
            row[d_ + j] = change;
            row[2 * d_ + j] = bend;
            row[3 * d_ + j] = change - step * k_[6][j] - bend;
        }
        if (stabilized_)
            pass_through_last(row, h);
        else
            combine(dense_weights.data(), 7, step, nullptr, row + 4 * d_);
        const double t = path_.mesh.back() + h;
        path_.mesh.push_back(t + 1e-12 * h >= options_.end ? options_.end : t);
        progress_.fetch_add(std::isfinite(options_.end) ? h / options_.end : 0.0, std::memory_order_relaxed);
        path_.time = path_.mesh.back();
        if (!stabilized_) note_h_lambda(h);
        std::swap(y_, next_);
        std::swap(k_[0], k_[6]);
    }

    // Makes of the cubic through both ends and their slopes the quartic that also goes through where the last step
    // began, unless that is too near.
    void pass_through_last(T* row, double h) const {
        const std::size_t steps = path_.mesh.size() - 1;
        const double back = steps > 0 ? (path_.mesh[steps] - path_.mesh[steps - 1]) / h : 0;
        const T s = static_cast<T>(-back), r = 1 - s, scale = 1 / (s * s * r * r);
        const T* const last = row - 5 * d_;
        for (std::size_t j = 0; j < d_; ++j) {
            const T cubic = row[j] + s * (row[d_ + j] + r * (row[2 * d_ + j] + s * row[3 * d_ + j]));
            row[4 * d_ + j] = back < 0.5 ? T(0) : (last[j] - cubic) * scale;
        }
    }

    // Hairer & Wanner II, section IV.2: |h lambda| from the last two stages of the pair, which are at the same time.
    void note_h_lambda(double h) {
        double slopes = 0, points = 0;
        for (std::size_t j = 0; j < d_; ++j) {
            direction_[j] = k_[6][j] - k_[5][j];
            const double dk = static_cast<double>(direction_[j]);
            const double dy = static_cast<double>(next_[j]) - static_cast<double>(sixth_[j]);
            slopes += dk * dk;
            points += dy * dy;
        }
        h_lambda_ = points > 0 ? h * std::sqrt(slopes / points) : 0;
    }

    // The pair where accuracy decides how long steps are, the stabilised methods where stability does.
    void choose_method(double h) {
        const bool stays = stabilized_ ? h * radius_ > shortened_by_stability : h_lambda_ < shortened_by_stability;
        changing_ = stays ? 0 : changing_ + 1;
        at_limit_ = stabilized_ && h * radius_ > longest_.reach / 2 ? at_limit_ + 1 : 0;
        if (changing_ >= (stabilized_ ? steps_to_return : steps_to_change)) {
            stabilized_ = !stabilized_;
            changing_ = 0;
            if (stabilized_) estimate_radius(20);
        } else if (stabilized_ && ++since_estimate_ >= steps_of_estimate) {
            estimate_radius(3);
        }
    }

    // The spectral radius of the Hessian at y by power iteration on differences of gradients, from the direction last
    // found or, at first, from that in which the pair's last stages differed.
    void estimate_radius(int iterations) {
        since_estimate_ = 0;
        const double size = std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon())) * (1 + norm(y_));
        double found = 0;
        for (int i = 0; i < iterations; ++i) {
            const double length = norm(direction_);
            if (!(length > 0) || !std::isfinite(length)) return;  // a step with the last radius will tell
            const T factor = static_cast<T>(size / length);
            for (std::size_t j = 0; j < d_; ++j) trial_[j] = y_[j] + factor * direction_[j];
            slope(trial_, k_[1]);
            for (std::size_t j = 0; j < d_; ++j) direction_[j] = k_[1][j] - k_[0][j];
            const double before = found;
            found = norm(direction_) / size;
            if (std::abs(found - before) < 0.05 * found) break;
        }
        radius_ = safety * found;
    }

    // Where in the last step the gradient's norm has fallen far enough, by bisection on the dense output.
    bool stop_at_gradient(double h) {
        if (!(norm(k_[0]) <= options_.grad_norm)) return false;
        double low = 0, high = 1;
        for (int i = 0; i < 30 && (high - low) * h > 1e-9 * path_.mesh.back(); ++i) {
            const double middle = (low + high) / 2;
            interpolate(middle, trial_);
            slope(trial_, k_[1]);
            (norm(k_[1]) <= options_.grad_norm ? high : low) = middle;
        }
        if (high < 1) {
            interpolate(high, trial_);
            slope(trial_, k_[1]);
            std::swap(y_, trial_);
            std::swap(k_[0], k_[1]);
            path_.time = path_.mesh.back() - (1 - high) * h;
        }
        return finish(FlowStatus::stopped);
    }
    void interpolate(double fraction, State& out) const {
        const T s = static_cast<T>(fraction), r = 1 - s;
        const T* row = path_.coefficients.data() + path_.coefficients.size() - 5 * d_;
        for (std::size_t j = 0; j < d_; ++j)
            out[j] = row[j] + s * (row[d_ + j] + r * (row[2 * d_ + j] + s * (row[3 * d_ + j] + r * row[4 * d_ + j])));
    }

    const Objective<T>& f_;
    const FlowOptions& options_;
    const StabilizedMethod& longest_;
    int threads_;
    Control& control_;
    std::atomic<double>& progress_;
    std::size_t d_;
    State y_, next_, trial_, error_, direction_, sixth_;
    std::array<State, 7> k_;
    FlowPath<T> path_;
    bool rejected_ = false;
    bool stabilized_ = false;                               // which methods make the steps
    double h_lambda_ = 0;                                   // of the pair's last step
    double radius_ = 0;                                     // of the Hessian, where stabilised
    int changing_ = 0, at_limit_ = 0, since_estimate_ = 0;  // steps
};

}  // namespace

template <class T>
FlowPath<T> follow_flow(const Objective<T>& f, const T* theta0, const FlowOptions& options, int threads,
                        Control& control, std::atomic<double>& progress) {
    return Integrator<T>(f, theta0, options, threads, control, progress).run();
}

template FlowPath<double> follow_flow(const Objective<double>&, const double*, const FlowOptions&, int, Control&,
                                      std::atomic<double>&);
template FlowPath<float> follow_flow(const Objective<float>&, const float*, const FlowOptions&, int, Control&,
                                     std::atomic<double>&);

}  // namespace etaflow
