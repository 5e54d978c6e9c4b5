"""Tests of what a model wrote, in a process that may do little."""

import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from tokenworks.batches.recipes.generate import trial
from tokenworks.errors import BadRequest
from tokenworks.routing.checks.given_tests import alone

CODE = "def double(x):\n    return 2 * x\n"


def asserts(code: str, tests: str = "assert double(2) == 4", timeout_s: float = 10.0, **more: str) -> str:
    return trial.asserts("pkg/a.py", tests, {"pkg/a.py": code, **more}, timeout_s)


def test_passing_and_failing() -> None:
    assert asserts(CODE) == ""
    said = asserts(CODE.replace("2 *", "3 *"), "assert double(2) == 4, 'double of 2'")
    assert said.startswith("the tests failed: AssertionError: double of 2")
    assert "line 1" in said
    assert "NameError" in asserts("x = 1")
    assert "in double" in asserts("def double(x):\n    return x.y\n")


def test_other_files_can_be_imported_and_main_is_not_run() -> None:
    code = "from helper_ import two\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = two\n"
    code += CODE
    code += "if __name__ == '__main__':\n    raise SystemExit('ran')\n"
    assert asserts(code, "assert A().x == 2", **{"helper_.py": "two = 2\n"}) == ""


@pytest.mark.parametrize("early", ["raise SystemExit(0)", "import os\nos._exit(0)"])
def test_who_leaves_early_has_not_passed(early: str) -> None:
    assert asserts(f"{CODE}\n{early}\n") == "it ended before the tests were through"


def test_loops_and_floods_are_ended() -> None:
    began = time.monotonic()
    assert asserts("while True: pass", timeout_s=0.7) == "the tests were not done within 0.7 s"
    assert time.monotonic() - began < 3
    assert "MemoryError" in asserts("x = bytearray(2 ** 30)")
    assert asserts("while True: print('x' * 1000)") != ""


def test_nothing_of_our_environment_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    tests = "import os\nassert 'SECRET_KEY' not in os.environ\nassert os.getcwd() == os.environ['HOME']"
    assert asserts(CODE, tests) == ""


@pytest.mark.skipif(not alone(), reason="no namespaces here: the network is not cut off")
def test_the_network_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = asserts(CODE, f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)")
    assert said.startswith("the tests failed: OSError") or "ConnectionRefused" in said


def test_a_command_runs_where_the_files_are(tmp_path: Path) -> None:
    files = {"a.py": CODE, "t/test_a.py": "import a\nassert a.double(3) == 6\n"}
    assert trial.command("python -c 'import a, t.test_a'", files, 10) == ""
    said = trial.command("python -c 'import a; a.double(1, 2)'", files, 10)
    assert said.startswith("the tests failed: TypeError")
    assert "not done within" in trial.command("sleep 9", files, 0.3)
    assert trial.command("cat none.txt", files, 10).startswith("the tests failed: cat: none.txt")
    assert trial.command("false", files, 10) == "the tests ended with 1"
    assert trial.command("cat a.py; touch x", files, 10)  # no shell


@pytest.mark.skipif(shutil.which("node") is None, reason="node isn't installed")
def test_node_has_room_enough() -> None:
    files = {"a.js": "module.exports = x => 2 * x\n"}
    assert trial.command('node -e \'require("assert").equal(require("./a.js")(2), 4)\'', files, 20) == ""


def test_words_of_a_command() -> None:
    assert trial.words("python -m x")[0] == sys.executable
    for line, wrong in (
        ("", "is empty"),
        ("a 'b", "can't be read"),
        ("no-such-program-here", "isn't installed"),
    ):
        with pytest.raises(BadRequest, match=wrong):
            trial.words(line)


def test_files_that_can_not_be_there_are_a_fault() -> None:
    assert "can't be put there" in trial.command("true", {"a.b": "x", "a.b/c.py": "y"}, 5)
