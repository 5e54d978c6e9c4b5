"""A recipe that does what its files say: a line "crash", "hang", "eat", "raise" or "full" is done."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Split
from tokenworks.errors import BadRequest


class Deadly:
    name: ClassVar[str] = "deadly"
    summary: ClassVar[str] = "Does what it is told."
    options: ClassVar[Mapping[str, str]] = {
        "merge": "what to do when it is merged",
        "early": "before it reads",
    }
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        done(options.get("early", ""))
        parts = []
        crowded = [file for file in files if "crowd" in file.read_text()]
        if len(crowded) > 1:
            done("raise")
        for n, file in enumerate(files):
            for k, line in enumerate(file.read_text().splitlines()):
                done(line)
                parts.append(Part(f"{n:04}.{k:04}", str(file), {"line": line}, len(line), 7))
        return Split(tuple(parts), {"merge": options.get("merge", "")})

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        return Ask(({"role": "user", "content": part.data["line"]},))

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        return Checked(said.text)

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        return memory

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        done(split.shared["merge"])
        said = [f"{file}: {file.read_text()!r}" for file in files]
        said += [f"{part.id}: {results[part.id].value}" for part in split.parts]
        (folder / "said.txt").write_text("\n".join([*said, *(f"{s.file} {s.reason}" for s in split.skipped)]))
        return [Output("said.txt", "text/plain")]


def done(word: str) -> None:
    """What a line says; others are none."""
    print(f"this is {word}")  # as some libraries do: it must not be taken for an answer
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif word == "hang":
        time.sleep(60)
    elif word == "eat":
        eaten = [bytearray(1 << 24)]
        while True:
            eaten.append(bytearray(1 << 24))
    elif word == "raise":
        raise KeyError("page 7")
    elif word == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    elif word == "refuse":
        raise BadRequest("not with these options")


RECIPE = Deadly()
