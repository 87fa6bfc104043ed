"""bench/hotspots.py: from what perf and addr2line print to the rows of a table."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "bench/hotspots.py"


@pytest.fixture(scope="module")
def hotspots() -> Any:
    spec = spec_from_file_location("hotspots", SCRIPT)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Everything is asked twice: addr2line gives the first answer for 4010 with the name of the function around.
ADDR2LINE = """\
0x0000000000004010
void etaflow::(anonymous namespace)::add_gradient<double, Kept<double> >(etaflow::Network const&, double*)
/home/me/etaflow/cpp/core/shallow.cpp:153
add_gradient<double, Kept<double> >
/home/me/etaflow/cpp/core/shallow.cpp:143
0x0000000000004010
_mm512_fmadd_pd(double __vector(8), double __vector(8), double __vector(8))
/usr/lib/gcc/x86_64-linux-gnu/12/include/avx512fintrin.h:13324
etaflow::fma(double __vector(8), double __vector(8), double __vector(8))
/home/me/etaflow/cpp/core/simd.hpp:121
operator()<std::integral_constant<int, 2> >
/home/me/etaflow/cpp/core/shallow.cpp:153 (discriminator 3)
with_constant<2, etaflow::add_gradient<double>(double const*)::<lambda(int, int)>::<lambda(auto:65)> >
/home/me/etaflow/cpp/core/panel.hpp:74
gradient_tile<5, 5, double>
/home/me/etaflow/cpp/core/shallow.cpp:120
void etaflow::(anonymous namespace)::add_gradient<double, Kept<double> >(etaflow::Network const&, double*)
/home/me/etaflow/cpp/core/shallow.cpp:143
0x0000000000004020
double __vector(8) etaflow::detail::horner<0ul, 1ul, double>(double __vector(8))
/home/me/etaflow/cpp/core/vector_math.hpp:55
operator()
/home/me/etaflow/cpp/core/vector_math.hpp:259
unrolled<4, etaflow::tanh_of_each<double, 4>(double __vector(8) (&) [4])::{lambda(auto:1)#1}>
/home/me/etaflow/cpp/core/simd.hpp:69
void etaflow::tanh_of_each<double, 4>(double __vector(8) (&) [4])
/home/me/etaflow/cpp/core/vector_math.hpp:259
void etaflow::activate<1, double>(etaflow::ActivationSpec)
/home/me/etaflow/cpp/core/activation.hpp:240
0x0000000000004030
operator()
/home/me/etaflow/cpp/core/gradient_covariance.cpp:60
void etaflow::for_each_run<etaflow::centred<double>(int)::{lambda(etaflow::Run const&)#1}>(etaflow::centred<double>(int)::{lambda(etaflow::Run const&)#1})
/home/me/etaflow/cpp/core/gradient_covariance.cpp:44
0x0000000000004040
Eigen::internal::gebp_kernel<double, double, long, 8, 4, false, false>::operator()(double*, long) const
/usr/include/eigen3/Eigen/src/Core/products/GeneralBlockPanelKernel.h:1400
0x0000000000004050
std::normal_distribution<double>::operator()(std::mt19937_64&)
/usr/include/c++/12/bits/random.tcc:1800
main
/home/me/etaflow/cpp/tests/counts/hot_loops.cpp:230
0x0000000000004060
??
??:0
"""


def test_a_look_counts_for_the_innermost_function_that_is_not_a_helper(hotspots: Any) -> None:
    rows = {address: hotspots.row_of(chain) for address, chain in hotspots.parse_chains(ADDR2LINE).items()}
    assert rows["4010"] == ("gradient_tile", "shallow.cpp")  # through fma, a lambda, and what carries it out
    assert rows["4020"] == ("tanh_of_each", "vector_math.hpp")  # with its polynomial, but apart from its caller
    assert rows["4030"] == ("centred", "gradient_covariance.cpp")  # where a lambda that is not inlined is written
    assert rows["4040"] == ("gebp_kernel", "Eigen")


def test_lines_are_those_of_the_core_above_single_instructions(hotspots: Any) -> None:
    chains = hotspots.parse_chains(ADDR2LINE)
    assert hotspots.line_of(chains["4010"]) == ("/home/me/etaflow/cpp/core/shallow.cpp", 153)
    assert hotspots.line_of(chains["4040"]) is None


def test_looks_are_counted_and_those_at_the_preparation_left_out(hotspots: Any) -> None:
    program = str(hotspots.PROGRAM)
    printed = f"""
            4010 etaflow::add_gradient(int, (anonymous namespace)::Kept) ({program})
            4010 etaflow::add_gradient(int, (anonymous namespace)::Kept) ({program})
            4050 main ({program})
            4060 memset@plt ({program})
    7f3c60706c78 __memset_avx512 (/usr/lib/x86_64-linux-gnu/libc.so.6)
ffffffff821f2fa7 exc_page_fault ([kernel.kallsyms])
ffffffff821f2fb0 clear_page ([kernel.kallsyms])
"""
    looks = hotspots.parse_looks(printed)
    assert looks.total() == 7
    rows, lines = hotspots.tally(looks, hotspots.parse_chains(ADDR2LINE))
    assert rows == {
        ("gradient_tile", "shallow.cpp"): 2,
        ("system", "[kernel.kallsyms]"): 2,
        ("memset@plt", "hot_loops_native"): 1,
        ("__memset_avx512", "libc.so.6"): 1,
    }
    assert lines == {("/home/me/etaflow/cpp/core/shallow.cpp", 153): 2}


def test_the_table_has_shares_times_and_a_row_for_small_ones(hotspots: Any) -> None:
    rows = Counter({hotspots.Row("tile", "panel.hpp"): 900, hotspots.Row("tanh", "math.hpp"): 97})
    rows.update({hotspots.Row(f"f{i}", "a.hpp"): 1 for i in range(3)})
    assert [line.split() for line in hotspots.table(rows, 2000.0)] == [
        ["90.0%", "1.80", "µs", "tile", "panel.hpp"],
        ["9.7%", "194", "ns", "tanh", "math.hpp"],
        ["0.3%", "6.00", "ns", "others"],
    ]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("main", "main"),
        ("forward_few<2, 4, double, etaflow::functor::LeakyRelu<double> >", "forward_few"),
        ("etaflow::Objective<double>::value(double const*) const", "value"),
        ("auto etaflow::f<double>(int)::{lambda(auto:1)#3}::operator()<A>(A) const::{lambda(int)#1}::operator()(int) const", "f"),
        ("std::enable_if<true, int>::type etaflow::g<int>(int) [clone .constprop.0]", "g"),
        ("_ZN7etaflow14for_each_chunkIZZNS_20add_shallow_gradientIdEEdRKNS_7NetworkE", "for_each_chunk"),
        ("_ZZN7etaflow12_GLOBAL__N_15sweepIdEEvPT_ENKUliE_clEi", "sweep"),
    ],
)  # fmt: skip
def test_short_names(hotspots: Any, function: str, name: str) -> None:
    assert hotspots.short_name(function) == name


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0.9412, "0.941 ns"), (52.8, "52.8 ns"), (999.7, "1.00 µs"), (1.04e5, "104 µs"), (2e9, "2.00 s")],
)
def test_durations(hotspots: Any, nanoseconds: float, text: str) -> None:
    assert hotspots.duration(nanoseconds) == text


def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path: Path) -> None:
    copy = tmp_path / "bench/hotspots.py"
    copy.parent.mkdir()
    copy.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")

    def answer(*names: str) -> tuple[int, str]:
        command = [sys.executable, str(copy), *names]
        run = subprocess.run(command, env={"PATH": ""}, check=False, capture_output=True, text=True)
        return run.returncode, run.stderr

    assert answer() == (2, "build/dev/cpp/tests/hot_loops_native is not built: make dev TESTS=ON\n")
    program = tmp_path / "build/dev/cpp/tests/hot_loops_native"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho gradient\n", encoding="utf-8")
    program.chmod(0o755)
    assert answer("hessian") == (2, "there is no loop hessian: gradient\n")
    assert answer("gradient") == (2, "perf is not installed (package linux-perf or linux-tools)\n")
