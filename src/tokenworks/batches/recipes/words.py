"""Options of recipes: words, as the command line has them, read as what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenworks.errors import BadRequest

LARGEST = 4_000_000  # bytes of a file that an option names
_YES, _NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")


def known(options: Mapping[str, str], names: Iterable[str]) -> None:
    """Raises ``BadRequest`` for an option that isn't among ``names``."""
    names = sorted(names)
    for name in options:
        if name not in names:
            raise BadRequest(f"there is no option “{name}” here; there are: {', '.join(names)}")


def yes(options: Mapping[str, str], name: str, default: bool) -> bool:
    """Whether option ``name`` says yes. Raises ``BadRequest`` where it says neither yes nor no."""
    said = options.get(name, "").strip().lower()
    if not said:
        return default
    if said not in _YES + _NO:
        raise BadRequest(f"{name}={said}: say {name}=yes or {name}=no")
    return said in _YES


def number(options: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Option ``name`` as a whole number from ``least`` to ``most``. Raises ``BadRequest`` for any other."""
    said = options.get(name, "").strip()
    if not said:
        return default
    try:
        value = int(said)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise BadRequest(f"{name}={said[:40]}: give a whole number from {least} to {most}")
    return value


def text_or_file(options: Mapping[str, str], name: str) -> str:
    """Option ``name``, or what stands in the file that it names; empty where it isn't given."""
    said = options.get(name, "")
    if not said.strip() or "\n" in said or len(said) > 1000:
        return said
    file = Path(said.strip())
    try:
        return content(file, name) if file.is_file() else said
    except (OSError, ValueError):  # a text that can't be a path
        return said


def content(file: Path, name: str) -> str:
    """The text of the file that option ``name`` names. Raises ``BadRequest`` where it can't be read."""
    try:
        if file.stat().st_size > LARGEST:
            raise BadRequest(f"{name}={file.name}: larger than {LARGEST // 1_000_000} MB")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it isn't text in UTF-8"
        raise BadRequest(f"{name}={file.name} can't be read: {why}") from error
