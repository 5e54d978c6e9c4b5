"""Options that stand for a file: a glossary, a schema, a state to go on from.

In the store such an option is the id of a file. Before a recipe runs it becomes a path in the job's own
folder, and no other path is let through: who sends options from elsewhere must not have files of this machine
read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tokenworks.batches.outputs import inside
from tokenworks.errors import BadRequest
from tokenworks.ledger.store import Store

LARGEST = 4_000_000  # bytes
_ID = re.compile(r"file-[0-9a-f]{24}")


def named(options: Mapping[str, str]) -> dict[str, list[Path]]:
    """Options whose value is the path of a file here, or several with commas between, with those paths.

    A bare word without a suffix is a word, even where a file is called so. Raises ``BadRequest`` for a
    folder.
    """
    found: dict[str, list[Path]] = {}
    for name, value in options.items():
        path = _path(value)
        if path is not None and (_leads(value) or path.suffix) and path.is_dir():
            raise BadRequest(f"{name}={value}: a folder; name the file")
        paths = [_path(piece) for piece in _pieces(value) if _leads(piece) or "." in piece]
        files = [path for path in paths if path is not None and path.is_file()]
        if files and len(files) == len(_pieces(value)):
            for each in files:
                if each.stat().st_size > LARGEST:
                    raise BadRequest(f"{name}={each}: larger than {LARGEST // 1_000_000} MB")
            found[name] = files
    return found


def resolved(store: Store, key_id: str, options: Mapping[str, str], folder: Path) -> dict[str, str]:
    """``options`` with the files that they stand for written into ``folder``, as paths.

    Raises ``BadRequest`` for a file that is gone or another key's, and for a path of this machine.
    """
    found: dict[str, str] = {}
    for name, value in options.items():
        pieces = _pieces(value)
        if pieces and all(_ID.fullmatch(piece) for piece in pieces):
            places = [folder / f"{name}-{n}" for n in range(len(pieces))]
            written = [
                _written(store, key_id, name, file_id, place)
                for file_id, place in zip(pieces, places, strict=True)
            ]
            found[name] = ",".join(map(str, written))
        elif _is_here(value) or any(map(_is_file_here, pieces)):
            raise BadRequest(f"{name}: a path of the server is not read; upload the file and give its id")
        else:
            found[name] = value
    return found


def _written(store: Store, key_id: str, option: str, file_id: str, place: Path) -> Path:
    """The file under its own name, without commas, in a folder of its own."""
    row = store.file(file_id)
    if row is None or not row.done or row.key_id != key_id:
        raise BadRequest(f"{option}={file_id}: no such file of this key; upload it: POST /v1/files")
    if row.bytes > LARGEST:
        raise BadRequest(f"{option}={file_id}: larger than {LARGEST // 1_000_000} MB")
    place.mkdir(parents=True, exist_ok=True)
    path = place / inside(row.name).name.replace(",", "_")
    path.write_bytes(b"".join(store.read_file(file_id)))
    return path


def _pieces(value: str) -> list[str]:
    """What stands between commas."""
    return [piece.strip() for piece in value.split(",") if piece.strip()]


def _is_here(text: str) -> bool:
    """A bare word counts too where a file is called so: it may lie beside the server's own."""
    path = _path(text)
    return path is not None and (path.is_file() or (_leads(text) and path.exists()))


def _is_file_here(text: str) -> bool:
    path = _path(text)
    return path is not None and path.is_file()


def _leads(text: str) -> bool:
    return "/" in text or "\\" in text or text.strip() in (".", "..")


def _path(text: str) -> Path | None:
    text = text.strip()
    if not text:
        return None
    try:
        path = Path(text)
        path.exists()
    except (OSError, ValueError):  # a text that can be none
        return None
    return path
