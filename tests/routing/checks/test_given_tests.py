"""Tests of the caller against code of a model, in a process of its own."""

from __future__ import annotations

import sys

import pytest

from tokenworks.routing.checks.finding import Answer
from tokenworks.routing.checks.given_tests import alone, execute, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of processes are those of Linux")
CODE = Answer("```python\ndef double(x):\n    return 2 * x\n```")


def test_right_code_passes_and_wrong_code_is_fatal() -> None:
    good = run(CODE, "assert double(4) == 8")
    assert good is not None and good.ok
    bad = run(CODE, "assert double(4) == 9, 'not nine'")
    assert bad is not None and bad.fatal and "not nine" in bad.detail
    assert run(Answer("no code"), "assert True") is None


def test_code_that_ends_the_program_before_the_tests_passes_nothing() -> None:
    for ending in ("import os; os._exit(0)", "import sys; sys.exit(0)", "raise SystemExit"):
        found = run(Answer(f"```python\n{ending}\n```"), "assert False")
        assert found is not None and found.fatal, ending
    said = run(CODE, "import sys\nassert double(4) == 8\nprint('noise', file=sys.stderr)")
    assert said is not None and said.ok


def test_what_does_not_end_is_ended() -> None:
    found = run(Answer("```python\nwhile True: pass\n```"), "", timeout_s=0.5)
    assert found is not None and found.fatal and "not done" in found.detail


def test_memory_files_and_environment_are_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    assert execute("x = bytearray(2 * 1024 ** 3)", 5.0)[0] not in (0, None)
    assert execute("open('f', 'wb').write(bytes(5 * 1024 ** 2))", 5.0)[0] not in (0, None)
    assert execute("import os; assert 'A_SECRET' not in os.environ", 5.0)[0] == 0


@pytest.mark.skipif(not alone(), reason="this system lets us make no namespace without a network")
def test_there_is_no_network() -> None:
    program = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    status, said = execute(program, 5.0)
    assert status not in (0, None)
    assert "unreachable" in said
