"""The process of one engine: llama.cpp with one model, reached through a loopback port.

``python -m tokenworks.engines.llama_cpp`` reads one JSON line of settings (``Launch``) from standard
input and writes one JSON line (``Launched``) to standard output: where it answers, or why it can't.
It ends when its standard input ends, so it never outlives whoever started it. Exit status 78 means
that starting it again is of no use before somebody has changed something; its reason says what.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import importlib
import logging
import math
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import uvloop

from tokenworks.config.engines import STEP_TOKENS, batch_slots, conflict, draft_tokens
from tokenworks.config.settings import EngineSettings
from tokenworks.engines.door import Door
from tokenworks.engines.gguf import read_head
from tokenworks.errors import ConfigError

XLLAMACPP = "xllamacpp==2026.10.11549"  # tracks llama.cpp's structs, so exactly this one
EXIT_FAULT = 78
PR_SET_PDEATHSIG = 1  # linux/prctl.h
NGRAM_TOKENS = 12  # that must have stood in the text before, for what followed them to be drafted
LOG_ERRORS = 1  # the library's levels above log every request
LOG_SIZES = 4  # tells what memory the model and its cache take
MAX_LOG = 16 << 20
LOG_LOOK_S = 60.0


class Launch(msgspec.Struct, forbid_unknown_fields=True):
    """What an engine's process is told."""

    name: str
    settings: EngineSettings
    api_key: str
    log_level: int = LOG_ERRORS


class Launched(msgspec.Struct, omit_defaults=True):
    """What it answers, once: a port, or the reason why there is none."""

    port: int = 0
    pid: int = 0
    error: str = ""


def usable_cores() -> int:
    """Cores that this process may use: its affinity, less where a control group's quota is smaller."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()  # "max 100000" is no quota
        cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return cores


def load_library() -> ModuleType:
    """``xllamacpp``. Raises ConfigError that says what to install."""
    # Otherwise idle OpenMP threads spin, and starve each other on a machine that does other work too:
    # decoding was up to 10 times slower. It is read when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return importlib.import_module("xllamacpp")
    except ModuleNotFoundError:
        raise ConfigError(
            f"{XLLAMACPP.partition('=')[0]} is not installed; run: pip install {XLLAMACPP}"
        ) from None
    except ImportError as error:
        if "libgomp" in str(error):
            fix = "libgomp.so.1 is missing on this system; on Debian: apt-get install libgomp1"
            raise ConfigError(fix) from None
        raise ConfigError(
            f"xllamacpp can't be loaded ({error}); run: pip install --force-reinstall {XLLAMACPP}"
        ) from None


def check_model(name: str, settings: EngineSettings) -> None:
    """Raises ConfigError for a model file that is missing or is none, and for impossible settings."""
    if found := conflict(settings):
        raise ConfigError(f"engine {name}: {' '.join(found)}")
    path = Path(settings.path)
    again = f"tokenworks model add {name if name == 'smollm2' else 'PATH.gguf --name ' + name}"
    try:
        head = read_head(path)
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; put it back or run: {again}") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} {error}; run: {again}") from None
    if head.part:
        raise ConfigError(
            f"{path} is part {head.part + 1} of {head.parts}; give part 1, the others beside it"
        )


def parameters(library: ModuleType, launch: Launch, socket: Path) -> Any:
    """``xllamacpp.CommonParams`` of ``launch``; the library's own HTTP server goes to ``socket``."""
    settings = launch.settings
    threads = settings.threads or usable_cores()
    p = library.CommonParams()
    p.model.path = settings.path
    p.model_alias = {settings.model}  # what answers carry as their model
    p.n_parallel = settings.slots
    p.n_ctx = settings.context_length * settings.slots  # of all slots together
    p.n_batch = p.n_ubatch = STEP_TOKENS
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
    cache_type = getattr(library.ggml_type, f"GGML_TYPE_{settings.kv_cache_type.upper()}")
    p.cache_type_k = p.cache_type_v = cache_type
    p.flash_attn_type = _flash_attention(library, settings)
    p.cont_batching = True
    p.cache_prompt = settings.prompt_cache
    p.cache_ram_mib = settings.prompt_cache_mib if settings.prompt_cache else 0
    p.slot_prompt_similarity = settings.slot_similarity
    p.n_cache_reuse = settings.cache_reuse_tokens
    if settings.speculation == "ngram":
        p.speculative.types = [library.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
        p.speculative.ngram_simple.size_n = NGRAM_TOKENS
        p.speculative.ngram_simple.size_m = draft_tokens(settings)
    p.ctx_shift = False  # a full context ends the answer instead of forgetting its beginning
    p.fit_params = False  # what is set is meant
    p.use_jinja = True
    p.endpoint_metrics = True
    p.endpoint_slots = False  # would show prompts
    p.ui = False
    p.hostnames = [str(socket)]
    p.api_keys = [launch.api_key]
    p.verbosity = launch.log_level
    return p


def _flash_attention(library: ModuleType, settings: EngineSettings) -> Any:
    kinds = library.llama_flash_attn_type
    if settings.flash_attention == "off":
        return kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if settings.flash_attention == "on" or settings.kv_cache_type != "f16":  # nothing else reads such values
        return kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED
    return kinds.LLAMA_FLASH_ATTN_TYPE_AUTO


def load_model(library: ModuleType, launch: Launch) -> Any:
    """``xllamacpp.Server`` with the model in memory. Raises ConfigError."""
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:  # short: a socket's path has 107 bytes
        try:
            # The name must end in .sock. It vanishes with the folder: nobody is meant to get in there.
            return library.Server(parameters(library, launch, Path(folder) / "own.sock"))
        except RuntimeError:
            raise ConfigError(_why_not(launch)) from None


def _why_not(launch: Launch) -> str:
    """The library gives no reason why it did not load a model (some of it is in the log)."""
    settings = launch.settings
    path = Path(settings.path)
    if settings.sha256:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != settings.sha256:
                return f"{path} has changed since it was added; add it again: tokenworks model add"
    need = read_head(path).cache_bytes(settings.context_length * settings.slots, settings.kv_cache_type)
    return (
        f"{path} can't be loaded: it is damaged, of a kind that this llama.cpp does not know, or memory is "
        f"short (its cache takes {need >> 20} MiB: fewer slots, a smaller context_length or a quantised "
        "kv_cache_type help)"
    )


def die_with_parent() -> threading.Event:
    """End this process when its standard input ends, and on Linux at once when its parent dies.

    Once the event that is returned is set, it ends in its own way and time.
    """
    leaving = threading.Event()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        if not leaving.is_set():
            os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    return leaving


async def serve(runtime: Any, launch: Launch, answer: int) -> None:
    """Open the door, tell where it is, and answer for ever."""
    settings = launch.settings
    door = Door(runtime, launch.api_key, settings.slots, batch_slots(settings))
    async with door.opened() as port:
        _tell(answer, Launched(port=port, pid=os.getpid()))
        while True:
            await asyncio.sleep(LOG_LOOK_S)
            with contextlib.suppress(OSError):  # standard error is no file when started by hand
                if os.fstat(2).st_size > MAX_LOG:
                    os.ftruncate(2, 0)


def _tell(answer: int, said: Launched) -> None:
    os.write(answer, msgspec.json.encode(said) + b"\n")
    os.close(answer)


def main() -> int:
    """Read the launch line, load, serve until the parent is gone. The exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    answer = os.dup(1)
    os.dup2(2, 1)  # what the library prints belongs into the log
    launch = msgspec.json.decode(sys.stdin.buffer.readline(), type=Launch)
    leaving = die_with_parent()
    try:
        check_model(launch.name, launch.settings)
        runtime = load_model(load_library(), launch)
    except ConfigError as error:
        leaving.set()
        print(f"engine {launch.name}: {error.message}", file=sys.stderr)  # noqa: T201 - this is the log
        _tell(answer, Launched(error=error.message))
        return EXIT_FAULT
    for number in (signal.SIGTERM, signal.SIGINT):  # the library has put its own handlers there
        signal.signal(number, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(runtime, launch, answer))
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())  # a clean-up of the library's threads would only take time
