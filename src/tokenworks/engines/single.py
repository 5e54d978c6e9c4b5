"""One engine's process by itself, without a server: for measuring it and for comparing settings."""

from __future__ import annotations

import contextlib
import http.client
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import msgspec

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.door import BATCH_HEADER
from tokenworks.engines.llama_cpp import LOG_SIZES, Launch, Launched
from tokenworks.engines.manager import MODULES, environment
from tokenworks.errors import ConfigError, Unavailable

END_S = 5.0
PATIENCE_S = 600
PATH = "/v1/chat/completions"
_CACHE_SIZE = re.compile(r"llama_kv_cache(?:_\w+)?: size = +([0-9.]+) MiB")


class Streamed(msgspec.Struct, frozen=True):
    """What one streamed answer was, seen from its caller."""

    ttft_s: float  # to the first token
    tokens: int
    first_s: float  # when the first and the last token came, on the clock of time.perf_counter
    last_s: float
    gaps_s: tuple[float, ...] = ()  # between one token and the next

    @property
    def tokens_per_s(self) -> float:
        """Speed after the first token; 0 of an answer that had no second."""
        took = self.last_s - self.first_s
        return (self.tokens - 1) / took if took > 0 else 0.0


class Single:
    """A running engine. Its methods block, and may be called from several threads."""

    def __init__(self, name: str, launched: Launched, api_key: str, log: Path) -> None:
        self.name = name
        self.pid = launched.pid
        self._port = launched.port
        self._headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
        self._log = log

    def chat(self, body: dict[str, Any], *, batch: bool = False) -> dict[str, Any]:
        """One whole answer. Raises Unavailable where there is none."""
        with self._sent(body, batch) as answer:
            data = answer.read()
            if answer.status != 200:
                raise Unavailable(f"engine {self.name}: {_complaint(data)}")
            return msgspec.json.decode(data, type=dict[str, Any])

    def stream(self, body: dict[str, Any], *, batch: bool = False) -> Streamed:
        """One streamed answer, timed."""
        began = time.perf_counter()
        times, ended = [], False
        with self._sent({**body, "stream": True}, batch) as answer:
            if answer.status != 200:
                raise Unavailable(f"engine {self.name}: {_complaint(answer.read())}")
            for line in answer:
                if b'"content":"' in line:
                    times.append(time.perf_counter())
                ended = ended or line.startswith(b"data: [DONE]")
        if times and not ended:
            raise Unavailable(f"engine {self.name}: its answer broke off after {len(times)} tokens")
        if not times:
            raise Unavailable(f"engine {self.name}: answered with no token")
        gaps = tuple(after - before for before, after in pairwise(times))
        return Streamed(times[0] - began, len(times), times[0], times[-1], gaps)

    def cache_mib(self) -> float:
        """What the library says that its KV cache takes, all slots together; 0 where it does not say."""
        return sum(float(size) for size in _CACHE_SIZE.findall(self._log.read_text("utf-8", "replace")))

    @contextlib.contextmanager
    def _sent(self, body: dict[str, Any], batch: bool) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        headers = {**self._headers, BATCH_HEADER.decode(): "1"} if batch else self._headers
        try:
            connection.request("POST", PATH, msgspec.json.encode(body), headers)
            yield connection.getresponse()
        except TimeoutError:
            raise Unavailable(f"engine {self.name} said nothing for {PATIENCE_S} s") from None
        except (OSError, http.client.HTTPException) as error:  # the latter where it ends amid an answer
            raise Unavailable(f"engine {self.name} has ended: {error}") from None
        finally:
            connection.close()


@contextlib.contextmanager
def running(name: str, settings: EngineSettings) -> Iterator[Single]:
    """A process of this engine, ended afterwards. Raises ConfigError that says why there is none."""
    with tempfile.TemporaryDirectory(prefix="tokenworks-") as folder:
        log = Path(folder) / "engine.log"
        with log.open("wb") as written:
            process = _start(settings, written)
        try:
            api_key = secrets.token_urlsafe(32)
            launched = _launch(process, Launch(name, settings, api_key, log_level=LOG_SIZES))
            yield Single(name, launched, api_key, log)
        finally:
            _end(process)


def _start(settings: EngineSettings, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", MODULES[settings.runtime]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment(),
    )


def _launch(process: subprocess.Popen[bytes], launch: Launch) -> Launched:
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already
        process.stdin.write(msgspec.json.encode(launch) + b"\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise ConfigError(
            f"engine {launch.name} ended while it started (exit status {process.wait()}); fewer slots or a "
            "smaller context_length need less memory"
        )
    launched = msgspec.json.decode(line, type=Launched)
    if launched.error:
        raise ConfigError(launched.error)
    return launched


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()  # its sign to end
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _complaint(data: bytes) -> str:
    """What an error's body says."""
    try:
        return str(msgspec.json.decode(data)["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return data[:200].decode("utf-8", "replace")
