import os
import shutil
from pathlib import Path

import pytest

import native


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(native, "HERE", tmp_path)
    monkeypatch.setattr(native, "WORK", tmp_path / ".work")
    (tmp_path / "value.h").write_text("#define VALUE 3\n")
    (tmp_path / "tool.c").write_text('#include "value.h"\nint main(void) { return VALUE; }\n')
    return tmp_path


needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler (cc)")


@needs_cc
def test_a_changed_header_compiles_again_and_nothing_else_does(sources: Path) -> None:
    program = native.build("tool")
    assert os.waitstatus_to_exitcode(os.system(str(program))) == 3
    built = program.stat().st_mtime_ns
    assert native.build("tool").stat().st_mtime_ns == built
    (sources / "value.h").write_text("#define VALUE 5\n")
    later = program.stat().st_mtime + 10
    os.utime(sources / "value.h", (later, later))
    assert os.waitstatus_to_exitcode(os.system(str(native.build("tool")))) == 5


@needs_cc
def test_compiler_errors_are_shown(sources: Path) -> None:
    (sources / "tool.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(native.BuildError, match="nothing"):
        native.build("tool")


def test_without_a_compiler_the_error_names_the_fix(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(sources))
    with pytest.raises(native.BuildError, match="no C compiler found: install one"):
        native.build("tool")
