"""Starting and watching: the real engine where it matters, scripted processes for all ways to die."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from model_server import NAME, model_server

from tokenworks.config.settings import EngineSettings
from tokenworks.engines import manager as module
from tokenworks.engines.load import Load
from tokenworks.engines.manager import EngineManager, EngineState
from tokenworks.errors import ConfigError

READY = """
import json, os, sys, time
launch = json.loads(sys.stdin.readline())
print(json.dumps({"port": 1234, "pid": os.getpid()}), flush=True)
"""
WAIT = "sys.stdin.read()\n"


class Watched:
    """A manager and everything it said."""

    def __init__(self, settings: dict[str, EngineSettings], folder: Path) -> None:
        self.heard: list[EngineState] = []
        self.manager = EngineManager(settings, self.heard.append, folder)
        self.log_path = folder / "engine-a.log"

    @property
    def states(self) -> list[str]:
        return [state.state for state in self.heard]

    async def until(self, condition: Callable[[], bool], patience_s: float = 10.0) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, self.heard
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watched(settings: dict[str, EngineSettings], folder: Path) -> AsyncIterator[Watched]:
    made = Watched(settings, folder)
    try:
        yield made
    finally:
        await made.manager.stop_all()


Scripted = Callable[..., dict[str, EngineSettings]]


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Settings of an engine ``a`` whose process runs the given code."""

    def write(code: str, start_timeout_s: float = 10.0) -> dict[str, EngineSettings]:
        (tmp_path / "scripted_engine.py").write_text(code)
        return {"a": EngineSettings(model="a/b", path="m.gguf", start_timeout_s=start_timeout_s)}

    monkeypatch.setitem(module.MODULES, "llama_cpp", "scripted_engine")
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "STOP_S", 0.5)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Two modules of one size within a second are one to Python's cache of compiled code.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return write


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# --- the real engine --------------------------------------------------------------------------


async def test_killed_engine_comes_back_and_ends_with_its_manager(
    small: EngineSettings, tmp_path: Path
) -> None:
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 2}
    async with watched({"a": small}, tmp_path) as it, httpx.AsyncClient(timeout=30) as http:

        async def ask(state: EngineState) -> int:
            url = f"http://127.0.0.1:{state.port}/v1/chat/completions"
            headers = {"authorization": f"Bearer {state.api_key}"}
            return (await http.post(url, json=body, headers=headers)).status_code

        first, same = await asyncio.gather(it.manager.start("a"), it.manager.start("a"))
        assert first is same and first.state == "ready"
        assert await ask(first) == 200
        os.kill(first.pid, signal.SIGKILL)
        await it.until(lambda: it.manager.state("a").state == "restarting", 2)
        second = await it.manager.start("a")
        assert second.state == "ready" and second.pid != first.pid and second.api_key != first.api_key
        assert await ask(second) == 200
        assert it.states == ["starting", "ready", "restarting", "ready"]
        assert "SIGKILL" in it.heard[2].reason
        await it.manager.stop_all()
        assert it.manager.state("a").state == "stopped"
        assert not alive(second.pid)


async def test_what_it_has_to_do_is_known_while_it_runs(small: EngineSettings, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(small, watch_s=0.05, slots=1)
    body = {"messages": [{"role": "user", "content": "Count."}], "max_tokens": 50, "ignore_eos": True}
    async with watched({"a": settings}, tmp_path) as it, httpx.AsyncClient(timeout=60) as http:
        it.manager.watch()
        state = await it.manager.start("a")
        assert state.kind == "llama_cpp"
        url = f"http://127.0.0.1:{state.port}/v1/chat/completions"
        headers = {"authorization": f"Bearer {state.api_key}"}
        asked = [asyncio.create_task(http.post(url, json=body, headers=headers)) for _ in range(2)]

        def load() -> Load:
            return it.manager.state("a").load or Load()

        await it.until(lambda: (load().running, load().waiting) == (1, 1), 30)
        assert {(await each).status_code for each in asked} == {200}
        await it.until(lambda: load().under_way == 0 and bool(load().output_per_s), 30)
        assert all(each.api_key == state.api_key for each in it.heard if each.state == "ready")
        os.kill(state.pid, signal.SIGKILL)
        await it.until(lambda: it.manager.state("a").state == "restarting", 5)
        assert it.manager.state("a").load is None


async def test_a_server_of_others_stands_beside_ones_that_are_started(tmp_path: Path) -> None:
    with model_server(key="k") as server:
        settings = {
            "big": EngineSettings("m", runtime="openai_server", url=server.url, served_as=NAME, watch_s=0.02),
            "small": EngineSettings("n", str(tmp_path / "gone.gguf"), watch_s=0.02),
        }
        made = EngineManager(settings, lambda state: None, tmp_path, {"big": "k"})
        try:
            made.watch()
            state = await made.start("big")
            assert (state.state, state.api_key, state.url) == ("ready", "k", server.url)
            assert made.state("small").state == "stopped", "nobody has asked for it"
        finally:
            await made.stop_all()
        asked = len(server.asked)
        await asyncio.sleep(0.1)
        assert len(server.asked) == asked, "nobody looks any more"


async def test_real_faults_are_told_at_once_and_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"nothing")
    settings = {
        "bad": EngineSettings(model="a/b", path=str(tmp_path / "bad.gguf")),
        "gone": EngineSettings(model="a/c", path=str(tmp_path / "gone.gguf")),
    }
    async with watched(settings, tmp_path) as it:
        bad, gone = await asyncio.gather(it.manager.start("bad"), it.manager.start("gone"))
        assert (bad.state, gone.state) == ("failed", "failed")
        assert "is no GGUF file" in bad.reason and "is missing" in gone.reason
        assert await it.manager.start("bad") is bad
        await asyncio.sleep(0.7)
        assert sorted(it.states) == ["failed", "failed", "starting", "starting"]


SERVER = """
import asyncio, sys
from pathlib import Path
import msgspec
from tokenworks.config.settings import EngineSettings
from tokenworks.engines.manager import EngineManager
async def main():
    settings = msgspec.json.decode(sys.argv[1], type=EngineSettings)
    manager = EngineManager({"a": settings}, lambda state: None, Path(sys.argv[2]))
    print((await manager.start("a")).pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_engine_is_gone_when_the_server_was_killed(small: EngineSettings, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, msgspec.json.encode(small).decode(), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert alive(pid)
        server.kill()
    deadline = time.monotonic() + 3
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- scripted processes -----------------------------------------------------------------------


LIVES = """
lives = os.path.getsize(LOG) if os.path.exists(LOG) else 0
open(LOG, "a").write("x")
time.sleep(0.8 if lives == 3 else 0)
sys.exit(9)
"""


async def test_pauses_double_and_start_anew_after_a_steady_life(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.3)
    monkeypatch.setattr(module, "STEADY_S", 0.5)
    code = READY + LIVES.replace("LOG", repr(str(tmp_path / "lives")))
    async with watched(scripted(code), tmp_path) as it:
        assert (await it.manager.start("a")).state == "ready"
        await it.until(lambda: it.states.count("restarting") == 5)
    assert [message.rpartition(" in ")[2] for message in caplog.messages] == [
        "0.1 s",
        "0.2 s",
        "0.3 s",
        "0.1 s",
        "0.2 s",
    ]
    assert "exit status 9" in it.heard[2].reason


async def test_an_engine_that_always_dies_in_its_start_is_given_up(
    scripted: Scripted, tmp_path: Path
) -> None:
    async with watched(scripted("import sys; sys.exit('broken')"), tmp_path) as it:
        state = await it.manager.start("a")
        assert state.state == "failed"
        assert "exit status 1" in state.reason and str(it.log_path) in state.reason
        assert it.states == ["starting", "restarting", "restarting", "failed"]
        assert it.log_path.read_text() == "broken\n" * 3
        assert stat.S_IMODE(it.log_path.stat().st_mode) == 0o600


async def test_a_fault_is_tried_again_later_on_demand(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_FAILED_S", 0.3)
    fault = 'import sys\nprint(\'{"error": "no library"}\', flush=True)\nsys.exit(78)\n'
    async with watched(scripted(fault), tmp_path) as it:
        assert (await it.manager.start("a")).reason == "no library"
        scripted(READY + WAIT)  # somebody has mended it
        assert (await it.manager.start("a")).state == "failed"
        await asyncio.sleep(0.3)
        assert (await it.manager.start("a")).state == "ready"


async def test_an_engine_that_takes_too_long_is_ended(scripted: Scripted, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    async with watched(scripted(code, start_timeout_s=0.5), tmp_path) as it:
        state = await it.manager.start("a")
        assert state.state == "failed" and "start_timeout_s" in state.reason
    assert not alive(int(pid.read_text()))


async def test_illegal_instruction_and_kill_are_explained(scripted: Scripted, tmp_path: Path) -> None:
    for number, says in ((signal.SIGILL, "AVX2"), (signal.SIGKILL, "memory is short")):
        async with watched(scripted(f"import os; os.kill(os.getpid(), {int(number)})"), tmp_path) as it:
            assert says in (await it.manager.start("a")).reason


async def test_the_process_gets_no_secrets_of_the_server(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-upstream")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    show = "print(sorted(os.environ), launch['api_key'], file=sys.stderr, flush=True)\n"
    async with watched(scripted(READY.replace("print(", show + "print(") + WAIT), tmp_path) as it:
        state = await it.manager.start("a")
        seen = it.log_path.read_text()
    assert "ACME_API_KEY" not in seen and "OMP_NUM_THREADS" in seen and "PATH" in seen
    assert state.api_key in seen and len(state.api_key) > 40
    assert state.api_key not in repr(state)


async def test_stopping_ends_a_start_in_progress(scripted: Scripted, tmp_path: Path) -> None:
    async with watched(scripted("import time; time.sleep(60)", 60), tmp_path) as it:
        starting = asyncio.create_task(it.manager.start("a"))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await it.manager.stop_all()
        assert (await starting).state == "stopped"
        assert time.monotonic() - began < module.STOP_S + 1


async def test_a_long_log_is_set_aside(scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "engine-a.log").write_bytes(b"x" * (module.MAX_LOG + 1))
    async with watched(scripted(READY + WAIT), tmp_path) as it:
        await it.manager.start("a")
    assert (tmp_path / "engine-a.log").stat().st_size == 0
    assert (tmp_path / "engine-a.log.1").stat().st_size == module.MAX_LOG + 1


async def test_unwritable_log_folder_is_a_reason(scripted: Scripted, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with watched(scripted(READY + WAIT), tmp_path / "file") as it:
        state = await it.manager.start("a")
    assert state.state == "failed" and "can't be started" in state.reason


async def test_unknown_names_and_states_that_travel(scripted: Scripted, tmp_path: Path) -> None:
    async with watched(scripted(READY + WAIT), tmp_path) as it:
        with pytest.raises(ConfigError, match='no engine is called "b"'):
            await it.manager.start("b")
        state = it.manager.state("a")
        assert state == EngineState("a")
        assert msgspec.json.decode(msgspec.json.encode(state), type=EngineState) == state
