"""The agent's process: its environment, its folder, its end, and what signals do."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tokenworks.cli.agents import AGENTS
from tokenworks.cli.agents.agent import FOLDER, Launch
from tokenworks.cli.agents.process import environment, program, run
from tokenworks.errors import NotFound

HOST = "127.0.0.1"
PATIENCE_S = 20.0


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def shell(script: str, **more: Any) -> int:
    return run("/bin/sh", Launch(["sh", "-c", script], {}, **more), os.environ, HOST)


def test_files_are_for_the_user_alone_and_gone_afterwards(temporary: Path, tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = (
        "import json, os, sys; from pathlib import Path; folder = Path(sys.argv[1])\n"
        "found = {str(f.relative_to(folder)): [f.stat().st_mode, f.is_file() and f.read_text()]"
        " for f in [folder, *folder.rglob('*')]}\n"
        "(folder / 'mine').write_text('x')\n"
        "Path(sys.argv[2]).write_text(json.dumps([found, os.environ['WHERE'], os.environ['PWD']]))"
    )
    launch = Launch(
        ["python", "-c", script, FOLDER, str(note)],
        {"WHERE": f"{FOLDER}/a.json"},
        files={"a.json": "{}", "deep/er/b": "ünïcode"},
    )
    outer = {**os.environ, "PWD": "/elsewhere"}
    assert run(sys.executable, launch, outer, HOST) == 0
    found, where, working = json.loads(note.read_text())
    modes = {path: stat.filemode(mode) for path, (mode, _) in found.items()}
    assert modes.pop(".") == "drwx------"
    assert (modes["a.json"], modes["deep/er/b"]) == ("-rw-------", "-rw-------")
    assert len(modes) == 4
    assert (found["a.json"][1], found["deep/er/b"][1]) == ("{}", "ünïcode")
    assert Path(where).parent.parent == temporary
    assert working == str(Path.cwd())
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_its_exit_status_is_ours(temporary: Path, script: str, status: int) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    assert shell(script, files={"a": "b"}) == status
    assert list(temporary.iterdir()) == []
    assert {number: signal.getsignal(number) for number in before} == before


def test_what_can_not_be_started_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(PermissionError):
        run(str(text), Launch(["text"], {}, files={"a": "b"}), os.environ, HOST)
    assert list(temporary.iterdir()) == []


def test_a_folder_that_can_not_be_removed_is_told(
    temporary: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(path: Path) -> None:
        raise OSError(39, "Directory not empty", str(path))

    monkeypatch.setattr("shutil.rmtree", busy)
    assert shell("exit 3") == 3
    (left,) = temporary.iterdir()
    assert f"{left} could not be removed" in capsys.readouterr().err


def test_environment() -> None:
    outer = {"A": "1", "GONE": "2", "B": "3", "PWD": "/elsewhere"}
    env = environment(Launch([], {"B": "4", "C": ""}, ("GONE", "NEVER")), outer, HOST)
    assert env == {"A": "1", "B": "4", "C": "", "PWD": str(Path.cwd())}
    assert outer["B"] == "3"


@pytest.mark.parametrize(
    ("outer", "direct"),
    [
        ({"http_proxy": "http://proxy:1"}, HOST),
        ({"ALL_PROXY": "http://proxy:1", "NO_PROXY": "x.example"}, f"x.example,{HOST}"),
        ({"HTTP_PROXY": "", "NO_PROXY": "x.example"}, "x.example"),
    ],
)
def test_no_proxy_stands_in_between(outer: dict[str, str], direct: str) -> None:
    assert environment(Launch([], {}), outer, HOST)["NO_PROXY"] == direct


def test_a_program_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    packages = {
        "claude": "@anthropic-ai/claude-code",
        "codex": "@openai/codex",
        "openclaw": "openclaw",
        "opencode": "opencode-ai",
    }
    for name, agent in AGENTS.items():
        with pytest.raises(NotFound) as caught:
            program(agent)
        assert f"'{name}'" in caught.value.message
        assert caught.value.message.endswith(f"npm install -g {packages[name]}")
    there = tmp_path / "codex"
    there.touch(mode=0o755)
    assert program(AGENTS["codex"]) == str(there)


# --- signals ----------------------------------------------------------------------------------

# Starts the agent as the command does, in a process of its own.
STARTER = """
import os, sys, tempfile
from tokenworks.cli.agents.agent import FOLDER, Launch
from tokenworks.cli.agents.process import run
launch = Launch(["agent", "-c", sys.argv[1], FOLDER], {}, files={"a": "b"})
sys.exit(run(sys.executable, launch, os.environ, "127.0.0.1"))
"""
# Counts the signals that it gets; ends with status 7 when none came for a while after the first.
AGENT = """
import signal, sys, time
got = []
def note(number, frame):
    got.append(number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        got.append(-number)
    signal.signal(number, note)
print("ready", sys.argv[1], flush=True)
while not [n for n in got if n > 0]:
    time.sleep(0.01)
time.sleep(0.3)
print(*got, flush=True)
sys.exit(7)
"""


def signalled(tmp_path: Path, send: Callable[[int], None], agent: str = AGENT) -> tuple[int, str, Path]:
    """The starter's exit status, what the agent said at last, and its folder, after ``send(pid)``."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, agent],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as starter:
        assert starter.stdout is not None
        word, _, folder = starter.stdout.readline().strip().partition(" ")
        assert word == "ready"
        assert (Path(folder) / "a").read_text() == "b"
        send(starter.pid)
        said = starter.stdout.read().strip()
        status = starter.wait(PATIENCE_S)
    return status, said, Path(folder)


def test_ctrl_c_is_the_agents_and_comes_once(tmp_path: Path) -> None:
    """A terminal sends it to the whole process group."""
    status, said, folder = signalled(tmp_path, lambda pid: os.killpg(pid, signal.SIGINT))
    assert (status, said) == (7, str(int(signal.SIGINT)))
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_others_are_passed_on(tmp_path: Path, number: signal.Signals) -> None:
    status, said, folder = signalled(tmp_path, lambda pid: os.kill(pid, number))
    assert (status, said) == (7, str(int(number)))
    assert not folder.exists()


def test_an_agent_that_ctrl_c_ends(tmp_path: Path) -> None:
    agent = "import sys, time; print('ready', sys.argv[1], flush=True); time.sleep(60)"
    agent = f"import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); {agent}"
    status, _, folder = signalled(tmp_path, lambda pid: os.killpg(pid, signal.SIGINT), agent)
    assert status == 130
    assert not folder.exists()


def test_an_agent_may_outlive_ctrl_c(tmp_path: Path) -> None:
    """It stops an answer there; only then a real end."""

    def twice(pid: int) -> None:
        os.killpg(pid, signal.SIGINT)
        time.sleep(0.1)
        os.kill(pid, signal.SIGTERM)

    status, said, folder = signalled(tmp_path, twice)
    assert (status, said) == (7, f"{int(signal.SIGINT)} {int(signal.SIGTERM)}")
    assert not folder.exists()
