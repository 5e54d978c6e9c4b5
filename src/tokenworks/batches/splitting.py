"""A recipe's split in a process of its own: ``python -m tokenworks.batches.splitting``.

Reading a pile of documents would keep a server from its requests. In and out go JSON; of the parts only what
an estimate needs comes back. A document that takes the process down with it takes nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tokenworks.batches.cookbook import recipe
from tokenworks.batches.recipes.recipe import Part, Skipped, Split
from tokenworks.errors import BadRequest, TokenworksError

NICE = 10
TIMEOUT_S = 120.0


class Task(msgspec.Struct, frozen=True):
    """What is to be split."""

    recipe: str
    files: tuple[str, ...]  # paths
    options: dict[str, str]


class Told(msgspec.Struct, frozen=True):
    """What came of it: parts without their data, or why there are none."""

    parts: tuple[Part, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    error: str = ""


def split_apart(
    name: str, files: Sequence[Path], options: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Split:
    """What the recipe makes of ``files``, without the data of its parts. Raises BadRequest."""
    task = Task(name, tuple(str(path) for path in files), dict(options))
    command = [sys.executable, "-m", "tokenworks.batches.splitting"]
    try:
        done = subprocess.run(
            command, input=msgspec.json.encode(task), capture_output=True, timeout=timeout_s, check=False
        )
        told = msgspec.json.decode(done.stdout, type=Told)
    except subprocess.TimeoutExpired:
        raise BadRequest(
            f"no estimate within {timeout_s:.0f} s; start it without one, with max_cost"
        ) from None
    except msgspec.MsgspecError:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise BadRequest(
            f"{name} can't read these files: {last[:300] or f'exit {done.returncode}'}"
        ) from None
    if told.error:
        raise BadRequest(told.error)
    return Split(told.parts, {}, told.skipped)


def _split(task: Task) -> Told:
    try:
        found = recipe(task.recipe).split([Path(path) for path in task.files], task.options)
    except TokenworksError as error:
        return Told(error=error.message)
    thin = (msgspec.structs.replace(part, data={}) for part in found.parts)
    return Told(tuple(thin), found.skipped)


def main() -> None:
    """Standard input to standard output."""
    os.nice(NICE)
    told = _split(msgspec.json.decode(sys.stdin.buffer.read(), type=Task))
    sys.stdout.buffer.write(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
