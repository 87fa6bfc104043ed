/* How many floating-point operations one thread can do at best: independent chains of fused multiply-adds on whole
   vectors, nothing else. Ten chains hide a latency of four or five cycles on two units; they fit the registers. */
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 10

#define PEAK(NAME, T)                                                                    \
    typedef T NAME##_vec __attribute__((vector_size(BYTES)));                            \
    double NAME(long rounds) { /* returns the floating-point operations that it made */  \
        NAME##_vec chain[CHAINS], factor, term;                                          \
        for (int lane = 0; lane < (int)(BYTES / sizeof(T)); ++lane) {                    \
            factor[lane] = (T)0.999;                                                     \
            term[lane] = (T)0.001;                                                       \
        }                                                                                \
        for (int c = 0; c < CHAINS; ++c) chain[c] = term * (T)c;                         \
        for (long i = 0; i < rounds; ++i)                                                \
            for (int c = 0; c < CHAINS; ++c) chain[c] = chain[c] * factor + term;        \
        T total = 0;                                                                     \
        for (int c = 0; c < CHAINS; ++c) total += chain[c][0];                           \
        return total == 42 ? 0 : 2.0 * rounds * CHAINS * (BYTES / sizeof(T));            \
    }

PEAK(peak_float64, double)
PEAK(peak_float32, float)
