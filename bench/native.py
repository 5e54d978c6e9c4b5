"""Compiles the C programs of the benchmark when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"  # ignored by git: programs, peers' environments, logs


class BuildError(Exception):
    """The C programs cannot be made here."""


def build(name: str) -> Path:
    """Path of the program ``name`` (``upstream`` or ``loadgen``), compiled if its sources are newer.

    Raises BuildError where there is no C compiler or it fails.
    """
    source, program = HERE / f"{name}.c", WORK / "bin" / name
    newest = max(path.stat().st_mtime for path in [source, *HERE.glob("*.h")])
    if program.exists() and program.stat().st_mtime > newest:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise BuildError("no C compiler found: install one (Debian: apt-get install gcc libc6-dev)")
    program.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], capture_output=True, text=True
    )
    if done.returncode:
        raise BuildError(f"{compiler} could not compile {source.name}:\n{done.stderr}")
    return program
