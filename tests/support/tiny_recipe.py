"""The smallest recipe with lanes and memory: each file is a lane, each of its lines a part.

Each request says how many lines of its file were answered before it, so that a memory that was lost shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Skipped, Split
from tokenworks.errors import BadRequest


class Tiny:
    name: ClassVar[str] = "tiny"
    summary: ClassVar[str] = "Says every line."
    options: ClassVar[Mapping[str, str]] = {"shout": "yes: in capitals"}
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        if options.get("shout") == "refuse":
            raise BadRequest("shout must be yes or no")
        parts = [
            Part(f"{n:04}.{k:04}", f"{n:04}", {"line": line}, 4, 4)
            for n, file in enumerate(files)
            for k, line in enumerate(file.read_text().splitlines())
        ]
        skipped = tuple(Skipped(file.name, "empty") for file in files if not file.read_text())
        return Split(tuple(parts), {"shout": options.get("shout") == "yes"}, skipped)

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        line = part.data["line"].upper() if shared["shout"] else part.data["line"]
        said = f"{line} after {memory.get('seen', 0)} try {len(tries)}"
        return Ask(({"role": "user", "content": said},), max_tokens=50)

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        told = re.search(r"faults: (\d)", said.text)
        wrong = "bad" in part.data["line"] and said.text.endswith("try 0")
        problems = ("it is bad",) * (int(told[1]) if told else wrong)
        return Checked({"text": said.text, "model": said.model}, problems)

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        return {"seen": memory.get("seen", 0) + 1}

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        if any("unmergeable" in part.data["line"] for part in split.parts):
            raise OSError("no room")
        (folder / "sub").mkdir()
        made = []
        for n, file in enumerate(files):
            wanted = [part.id for part in split.parts if part.lane == f"{n:04}"]
            path = folder / "sub" / f"{file.stem}.json"
            path.write_bytes(msgspec.json.encode([results[name] for name in wanted]))
            made.append(Output(f"sub/{path.name}", "application/json", f"{len(wanted)} lines"))
        return made


RECIPE = Tiny()
