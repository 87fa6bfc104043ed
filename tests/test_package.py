"""The package as a whole: its names, the build that it picks, the stub, the wheel."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import etaflow as ef
from etaflow import _core, _cpu

ROOT = Path(__file__).parents[1]
STUB = ast.parse((ROOT / "python/etaflow/_core.pyi").read_text(encoding="utf-8"))


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ef.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ef, name) is not None
    assert name in dir(ef)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'etaflow' has no attribute 'attention'"):
        _ = untyped(ef).attention


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ef.__version__ == project["version"]


def test_import_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'scipy', 'xarray', 'matplotlib', 'sklearn', 'pandas'}"
    result = run_python(f"import sys, etaflow; print(*{heavy} & sys.modules.keys())")
    assert (result.stdout.strip(), result.stderr) == ("", "")


# --- the build for this CPU ---------------------------------------------------------------------------------------

INSTALLED = [isa for isa in ("base", "v3", "v4") if find_spec(f"etaflow._core_{isa}")]


@pytest.mark.parametrize("isa", INSTALLED)
def test_etaflow_isa_forces_a_build(isa: str) -> None:
    result = run_python("from etaflow import _core; print(_core.isa)", ETAFLOW_ISA=isa)
    if isa <= _cpu.best_isa():  # "base" < "v3" < "v4"
        assert (result.stdout.strip(), result.stderr) == (isa, "")
    else:
        assert f"ETAFLOW_ISA={isa}: this CPU cannot run that build" in result.stderr


def test_etaflow_isa_must_be_known() -> None:
    result = run_python("from etaflow import _core", ETAFLOW_ISA="avx9")
    assert "ValueError: ETAFLOW_ISA must be one of base, v3, v4 (got 'avx9')" in result.stderr


def test_build_info_describes_the_imported_build() -> None:
    info = _core.build_info()
    assert info.keys() == {"version", "isa", "compiler", "eigen", "openmp", "lanes64", "lanes32"}
    assert info["isa"] == _core.isa
    assert info["lanes32"] == 2 * int(info["lanes64"])


@pytest.mark.parametrize(
    ("installed", "best", "forced", "chosen"),
    [
        (("base", "v3", "v4"), "v4", None, "v4"),
        (("base", "v3", "v4"), "v3", "", "v3"),
        (("base", "v4"), "v3", None, "base"),
        (("base", "v3", "v4"), "v4", "v3", "v3"),
        (("v3",), "v4", None, "v3"),
    ],
)
def test_choice_of_build(installed: tuple[str, ...], best: str, forced: str | None, chosen: str) -> None:
    assert untyped(_core)._choose(installed, best, forced) == chosen


@pytest.mark.parametrize(
    ("installed", "best", "forced", "message"),
    [
        (("base",), "v4", "v3", "ETAFLOW_ISA=v3: that build is not installed, only base"),
        (("base", "v4"), "v3", "v4", "ETAFLOW_ISA=v4: this CPU cannot run that build, only base, v3"),
        (("v4",), "v3", None, r"core is not installed for this CPU \(v3; installed: v4\)"),
        ((), "base", None, r"core is not installed for this CPU \(base; installed: none\)"),
    ],
)
def test_no_build_says_why(installed: tuple[str, ...], best: str, forced: str | None, message: str) -> None:
    with pytest.raises(ImportError, match=message):
        untyped(_core)._choose(installed, best, forced)


def untyped(module: ModuleType) -> ModuleType:
    return module  # for what the stub of _core and the type of etaflow do not have


# --- the stub -----------------------------------------------------------------------------------------------------


def stub_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef) and not item.decorator_list)
            yield from ((f"{node.name}.{item.name}", item) for item in methods)


def signatures(docstring: str, name: str) -> list[ast.arguments]:
    """The signatures that pybind11 wrote into a docstring: one, or one for each overload."""
    lines = (line.partition(". ")[2] if line[:1].isdigit() else line for line in docstring.splitlines())
    headers = [line for line in lines if line.startswith(f"{name}(") and "*args" not in line]
    functions = [ast.parse(f"def {header}: ...").body[0] for header in headers]
    return [function.args for function in functions if isinstance(function, ast.FunctionDef)]


def described(arguments: ast.arguments) -> list[str]:
    """Names of the parameters, and how many from the end have which default."""
    names = [argument.arg for argument in arguments.posonlyargs + arguments.args]
    return names + [ast.unparse(default) for default in arguments.defaults]


@pytest.mark.parametrize(
    ("path", "function"), list(stub_functions()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_stub_has_the_signatures_of_the_core(path: str, function: ast.FunctionDef) -> None:
    compiled: object = _core
    for name in path.split("."):
        compiled = getattr(compiled, name)
    found = signatures(compiled.__doc__ or "", function.name)
    assert found, f"{path} has no signature in its docstring: {compiled.__doc__}"
    for arguments in found:
        assert described(arguments) == described(function.args)


# --- the wheel ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("scikit_build_core")
    options = ["--no-build-isolation", "--no-deps", "--quiet", "-C", "cmake.define.ETAFLOW_ISAS=base"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "-w", tmp_path, ROOT], check=True, timeout=800)
    (wheel,) = tmp_path.glob("etaflow-*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    package = unpacked / "etaflow"

    def files(root: Path) -> set[str]:
        suffixes = {".py", ".pyi", ".typed"}
        return {
            str(path.relative_to(root))
            for path in root.rglob("*")
            if path.suffix in suffixes or path.name == "py.typed"
        }

    assert files(package) == files(ROOT / "python/etaflow")
    assert {path.name.partition(".")[0] for path in package.glob("*.so")} == {"_cpu", "_core_base"}
    assert {path.name for path in unpacked.iterdir()} == {"etaflow", f"etaflow-{ef.__version__}.dist-info"}

    code = f"import sys; sys.path.insert(0, {str(unpacked)!r}); import etaflow; print(etaflow.__file__, etaflow.__version__)"
    result = run_python(code)
    assert result.stdout.split() == [str(package / "__init__.py"), ef.__version__], result.stderr
