"""A recipe's split and merge, whatever its files do to the process that reads them.

One process does each. Where it dies the file that it was at is left out and the rest is read again; where
that dies too, each file is read by itself once, to see which ones can't be. Those are listed as skipped.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from tokenworks.batches import apart, phase
from tokenworks.batches.apart import Died, Late, NoRoom
from tokenworks.batches.phase import Head, Result, Task
from tokenworks.batches.recipes.recipe import Output, Part, Skipped, Split
from tokenworks.errors import BadRequest

INPUTS = "in"  # the folder of a job's input files, within its own
TIMEOUT_S = 120.0  # of an estimate
_head = msgspec.json.Decoder(Head)
_part = msgspec.json.Decoder(Part)
_encode = msgspec.json.Encoder().encode
_NONE: Mapping[int, str] = {}


class Pieces(msgspec.Struct, frozen=True):
    """What a recipe made of its files. Its parts lie in a file, a line each."""

    head: Head  # what all parts need, and what was left out
    unusable: dict[int, str]  # files that no process survives, by their place among all, and why
    lines: Path

    def parts(self) -> Iterator[Part]:
        """In order."""
        with self.lines.open("rb") as source:
            source.readline()
            for line in source:
                yield _part.decode(line)


def split_apart(
    name: str, files: Sequence[Path], options: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Split:
    """What the recipe makes of ``files``, for an estimate: parts without data. Raises BadRequest."""
    with tempfile.TemporaryDirectory(prefix="tokenworks-split-") as folder:
        try:
            pieces = split(name, files, options, Path(folder), thin=True, whole_s=timeout_s)
            parts = tuple(pieces.parts())
        except Late:
            raise BadRequest(
                f"no estimate within {timeout_s:.0f} s; start it without one, with max_cost"
            ) from None
        except Died as death:
            raise BadRequest(f"{name} can't read these files: {death}") from None
        except NoRoom as error:
            raise BadRequest(f"no estimate: the server's disk is full ({error})") from None
    skipped = (msgspec.structs.replace(each, file=Path(each.file).name) for each in pieces.head.skipped)
    return Split(parts, {}, tuple(skipped))


def split(
    recipe: str,
    files: Sequence[Path],
    options: Mapping[str, str],
    folder: Path,
    *,
    thin: bool = False,
    whole_s: float | None = None,
    memory_bytes: int = 0,
    file_s: float = apart.FILE_S,
    left_out: Mapping[int, str] = _NONE,
) -> Pieces:
    """Read ``files``, absolute or relative to ``INPUTS`` in ``folder``, but those known to be unusable.

    Raises BadRequest as the recipe does, and where no file is left; NoRoom where the disk is full; Late after
    ``whole_s``; Died where the files can be read each by itself, and not together.
    """
    lines = folder / "split.jsonl"
    task = Task(
        phase.SPLIT,
        recipe,
        tuple(map(str, files)),
        memory_bytes or apart.memory_limit(),
        file_s,
        dict(options),
        lines=str(lines),
        thin=thin,
    )

    def run(numbers: Sequence[int], work: str) -> phase.Line:
        chosen = tuple(task.files[number] for number in numbers)
        asked = msgspec.structs.replace(task, files=chosen, work=work)
        return apart.run(asked, _place(folder), whole_s=whole_s)

    left = [number for number in range(len(files)) if number not in left_out]
    bad = dict(sorted((dict(left_out) | _survived(run, left)).items()))
    with lines.open("rb") as source:
        head = _head.decode(source.readline())
    skipped = tuple(Skipped(str(files[number]), reason) for number, reason in bad.items())
    return Pieces(Head(head.shared, (*skipped, *head.skipped)), bad, lines)


def _survived(run: Callable[[Sequence[int], str], phase.Line], left: list[int]) -> dict[int, str]:
    """Split what can be; files that can't, each with the reason."""
    bad: dict[int, str] = {}
    try:
        run(left, phase.SPLIT)
        return bad
    except Died as death:
        if death.at is None:
            raise
        bad[left.pop(death.at)] = death.of_file
    _some_left(left, bad)
    try:
        run(left, phase.SPLIT)
        return bad
    except Died:
        alone = run(left, phase.PROBE).bad
    if not alone:
        raise BadRequest("its files can be read one by one, but not together: give fewer of them at a time")
    bad |= {left[place]: reason for place, reason in alone.items()}
    left = [number for number in left if number not in bad]
    _some_left(left, bad)
    run(left, phase.SPLIT)
    return bad


def _place(folder: Path) -> Path:
    """Where the process works, so that files are called as they are in what it writes."""
    inputs = folder / INPUTS
    return inputs if inputs.is_dir() else folder


def _some_left(left: Sequence[int], bad: Mapping[int, str]) -> None:
    if not left:
        first = min(bad)
        which = "its file" if len(bad) == 1 else f"none of its {len(bad)} files can be read; the first one"
        raise BadRequest(f"{which} {bad[first]}")


# --- merge


@contextlib.contextmanager
def to_merge(folder: Path, head: Head) -> Iterator[BinaryIO]:
    """The file to write what is to be merged into, a line by ``line_of`` each."""
    with (folder / "merge.jsonl").open("wb") as out:
        out.write(_encode(head) + b"\n")
        yield out


def line_of(result: Result) -> bytes:
    """A part with what came of it."""
    return _encode(result) + b"\n"


def merge(
    recipe: str, files: Sequence[Path], folder: Path, *, memory_bytes: int = 0, quiet_s: float = 3600.0
) -> tuple[Path, tuple[Output, ...]]:
    """Write what came out into a folder within ``folder``, which has what ``to_merge`` wrote.

    Raises BadRequest as the recipe does, NoRoom where the disk is full, and Died.
    """
    out = folder / "out"
    out.mkdir(exist_ok=True)
    task = Task(
        phase.MERGE,
        recipe,
        tuple(map(str, files)),
        memory_bytes or apart.memory_limit(),
        quiet_s,
        lines=str(folder / "merge.jsonl"),
        folder=os.fspath(out),
    )
    return out, apart.run(task, _place(folder)).outputs
