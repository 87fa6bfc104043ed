// etaflow._cpu: asks the CPU, once and in baseline code, which of the builds it can run.
// With ETAFLOW_CPU_PROGRAM it is a program that prints the answer, for the build's own use.

namespace {

// The answer includes the operating system: GCC's and Clang's feature bits are off where it does not save the
// registers.
const char* best_isa() {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    // x86-64-v3 is also MOVBE, F16C and LZCNT, which older compilers cannot ask for by name: every CPU with AVX2, FMA,
    // BMI1 and BMI2 has them. Likewise x86-64-v4 for the five AVX-512 sets asked for here.
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    return v4 ? "v4" : v3 ? "v3" : "base";
#else
    return "base";
#endif
}

}  // namespace

#ifdef ETAFLOW_CPU_PROGRAM

#include <cstdio>

int main() { return std::puts(best_isa()) < 0; }

#else

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace {

PyObject* best_isa_of_this_cpu(PyObject*, PyObject*) { return PyUnicode_FromString(best_isa()); }

PyMethodDef methods[] = {
    {"best_isa", best_isa_of_this_cpu, METH_NOARGS,
     "best_isa()\n--\n\nThe best build that this CPU and operating system can run: 'v4', 'v3' or 'base'."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_cpu",
                          "Asks the CPU which build of the core it can run.",
                          0,
                          methods,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__cpu() { return PyModule_Create(&definition); }

#endif
