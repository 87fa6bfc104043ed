// Coefficients of the elementary functions of vector_math.hpp.
//
// Polynomials: Remez' algorithm (45 digits) for the relative error of the function named at each table, the
// coefficients rounded one by one to the type, from the constant up, the rest fitted again after each. The power of two
// is the largest relative error that is left, rounding of the evaluation aside.
#pragma once

namespace etaflow {

namespace detail {

template <class T>
struct MathConstants;

template <>
struct MathConstants<double> {
    static constexpr int mantissa_bits = 52;
    static constexpr double magic = 0x1.8p52;  // adding it rounds to an integer, which the low bits then hold
    static constexpr int power_bias = 128;     // 2^(n + bias) is a normal number for every n that is not flushed to 0
    static constexpr double to_subnormal = 0x1p54;

    // ln 2 in two parts; the first has 40 bits, so that its product with any exponent is exact
    static constexpr double log2_e = 0x1.71547652b82fep0;
    static constexpr double ln2_high = 0x1.62e42fefa2000p-1, ln2_low = 0x1.9ef35793c7673p-41;
    static constexpr double half_ln2 = 0x1.62e42fefa39efp-2;
    static constexpr double exp_overflow = 710, exp_underflow = -746;
    static constexpr double tanh_limit = 19.5;  // tanh is 1 beyond 19.1

    // (e^r - 1 - r)/r^2, |r| <= ln(2)/2, relative to e^r: 2^-56.3 (rounded all at once)
    static constexpr double exp_tail[] = {0x1.000000000000ap-1,  0x1.55555555554fap-3,  0x1.555555555087ap-5,
                                          0x1.1111111127b96p-7,  0x1.6c16c1842aa75p-10, 0x1.a01a012a6eecbp-13,
                                          0x1.a0199a0ae51ddp-16, 0x1.71df2524acf3dp-19, 0x1.28ad741f73b79p-22,
                                          0x1.ad7faf98a1eccp-26};
    // (tanh(s)/s - 1)/s^2 in s^2, |s| <= ln(2)/4, relative to tanh: 2^-57.8
    static constexpr double tanh_tail[] = {-0x1.55555555554bdp-2, 0x1.11111110e0cf7p-3,  -0x1.ba1ba1173ef99p-5,
                                           0x1.664eca14e7907p-6,  -0x1.223c823f2fa25p-7, 0x1.c3865183913e7p-9};
    // (2 atanh(s)/s - 2)/s^2 in s^2, |s| <= (sqrt(2) - 1)/(sqrt(2) + 1), relative to atanh: 2^-59.5
    static constexpr double log_tail[] = {0x1.5555555555593p-1, 0x1.999999997f9d4p-2, 0x1.249249422e32ap-2,
                                          0x1.c71c51d3202abp-3, 0x1.74664aeffba3ep-3, 0x1.39a06e1be9facp-3,
                                          0x1.2f135156abb62p-3};
    static constexpr double sqrt_half = 0x1.6a09e667f3bcdp-1;
    // The same for |s| <= 1/3: 2^-58.8
    static constexpr double log1p_tail[] = {
        0x1.5555555555535p-1, 0x1.99999999a074ep-2, 0x1.249249208cce7p-2, 0x1.c71c741baabb9p-3, 0x1.745cb4313f2e8p-3,
        0x1.3b1dd6babe7d7p-3, 0x1.1067f4d9d4c9ap-3, 0x1.efd797803f200p-4, 0x1.55a5361a9b197p-4, 0x1.5c956390c0e00p-3};

    // (atan(y)/y - 1)/y^2 in y^2, |y| <= tan(pi/8), relative to atan: 2^-59.4
    static constexpr double atan_tail[] = {-0x1.555555555553dp-2, 0x1.999999999585fp-3,  -0x1.24924922acecap-3,
                                           0x1.c71c70e5d6be9p-4,  -0x1.745cf8d525b6bp-4, 0x1.3b11188ff03fdp-4,
                                           -0x1.10ebb1b4af589p-4, 0x1.df0ee80ed13cbp-5,  -0x1.9cd0f23dd3343p-5,
                                           0x1.37d0ff77509e1p-5,  -0x1.25600272737dcp-6};
    static constexpr double tan_pi_8 = 0x1.a827999fcef32p-2, tan_3pi_8 = 0x1.3504f333f9de6p1;
    static constexpr double half_pi = 0x1.921fb54442d18p0, half_pi_low = 0x1.1a62633145c07p-54;

    // pi/2 in parts whose products with n <= 2^13 are exact, and the rest
    static constexpr double angle_limit = 8192;
    static constexpr double two_over_pi = 0x1.45f306dc9c883p-1;
    static constexpr double half_pi_parts[] = {0x1.921fb54442000p0, 0x1.a308d31318000p-41, 0x1.8a2e03707344ap-81};
    // (sin(y)/y - 1)/y^2 in y^2, |y| <= pi/4, relative to sin: 2^-57.9
    static constexpr double sin_tail[] = {-0x1.5555555555548p-3, 0x1.111111110f730p-7,   -0x1.a01a019be9211p-13,
                                          0x1.71de35552ab63p-19, -0x1.ae5e4b833b628p-26, 0x1.5d8b55588f728p-33};
    // (cos(y) - 1 + y^2/2)/y^4 in y^2, |y| <= pi/4, relative to cos: 2^-63.9
    static constexpr double cos_tail[] = {0x1.555555555554bp-5,   -0x1.6c16c16c1500dp-10, 0x1.a01a019c8dd1dp-16,
                                          -0x1.27e4f7f0500b7p-22, 0x1.1ee9dacb73100p-29,  -0x1.8fa5ec761a282p-37};

    // Mills' ratio of the normal law, Q(x) e^(x^2/2), times (x + K), in (x - K)/(x + K), 0 <= x <= 39: 2^-56.6
    // (least squares at Chebyshev nodes in place of Remez: the interval contains 0)
    static constexpr double tail_limit = 39, mills_centre = 5.5;
    static constexpr double mills[] = {
        0x1.8c2b8893b5c8dp-1,   -0x1.5ed05c7e41a2ep-1,  0x1.1239b3f8c06d9p-1,   -0x1.77dbb5cdda95fp-2,
        0x1.be33e6ee9956ep-3,   -0x1.c15806fa497b4p-4,  0x1.71707b575813dp-5,   -0x1.c83edf430008bp-7,
        0x1.4034e55c5b530p-9,   0x1.1ab34598975bdp-12,  -0x1.54496189da9a1p-12, 0x1.2b8923b586afdp-14,
        0x1.11cd785b65521p-16,  -0x1.96a5715d0b7dap-17, 0x1.df72e3b541a7bp-22,  0x1.8e64f3be10c61p-20,
        -0x1.1fc0fa9cf2dacp-22, -0x1.7e4ba6580e2e8p-23, 0x1.b08ff88f2398bp-25,  0x1.907ca601a8defp-26,
        -0x1.8133e803f505bp-28, -0x1.75874967bca71p-29, -0x1.d69bbf8a3bfc3p-35};
};

template <>
struct MathConstants<float> {
    static constexpr int mantissa_bits = 23;
    static constexpr float magic = 0x1.8p23f;
    static constexpr int power_bias = 64;
    static constexpr float to_subnormal = 0x1p25f;

    static constexpr float log2_e = 0x1.715476p0f;
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;  // the first has 16 bits
    static constexpr float half_ln2 = 0x1.62e43p-2f;
    static constexpr float exp_overflow = 89, exp_underflow = -104;
    static constexpr float tanh_limit = 10;

    // As for double, with errors 2^-28, 2^-32.5, 2^-30.2.
    static constexpr float exp_tail[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239e2p-7f,
                                         0x1.6a2464p-10f};
    static constexpr float tanh_tail[] = {-0x1.55554ep-2f, 0x1.110594p-3f, -0x1.afd802p-5f};
    static constexpr float log_tail[] = {0x1.55557ap-1f, 0x1.995ec6p-2f, 0x1.31e364p-2f};
    static constexpr float sqrt_half = 0x1.6a09e6p-1f;
    // 2^-27.7
    static constexpr float log1p_tail[] = {0x1.555502p-1f, 0x1.99d1cep-2f, 0x1.1ec006p-2f, 0x1.1ecba2p-2f};

    // 2^-30.4
    static constexpr float atan_tail[] = {-0x1.55554ap-2f, 0x1.9991e2p-3f, -0x1.23b9a0p-3f, 0x1.b22416p-4f,
                                          -0x1.f2e3b8p-5f};
    static constexpr float tan_pi_8 = 0x1.a8279ap-2f, tan_3pi_8 = 0x1.3504f4p1f;
    static constexpr float half_pi = 0x1.921fb6p0f, half_pi_low = -0x1.777a5cp-25f;

    // pi/2 in parts of 13, 12 and 13 bits, for n <= 2^11, and the rest
    static constexpr float angle_limit = 2048;
    static constexpr float two_over_pi = 0x1.45f306p-1f;
    static constexpr float half_pi_parts[] = {0x1.921p0f, 0x1.f6ap-13f, 0x1.11p-26f, 0x1.68c234p-39f};
    // 2^-27.9 and 2^-33
    static constexpr float sin_tail[] = {-0x1.555546p-3f, 0x1.110776p-7f, -0x1.9952fap-13f};
    static constexpr float cos_tail[] = {0x1.55554ap-5f, -0x1.6c0c28p-10f, 0x1.99e80cp-16f};

    // for 0 <= x <= 15: 2^-25.5
    static constexpr float tail_limit = 15, mills_centre = 4;
    static constexpr float mills[] = {0x1.82b4bcp-1f, -0x1.373e38p-1f, 0x1.8c6d9p-2f,   -0x1.7e003ap-3f,
                                      0x1.eed64ep-5f, -0x1.ed02ccp-8f, -0x1.cc85e4p-9f, 0x1.9a5e9cp-10f,
                                      0x1.7306cp-13f, -0x1.15059ap-13f};
};
}  // namespace detail
}  // namespace etaflow
