"""The recipe ``generate``: a lane for each file, for they don't wait for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tokenworks.batches.recipes import words
from tokenworks.batches.recipes.clipping import clipped
from tokenworks.batches.recipes.generate import specs, syntax, tree, trial, unwrapped
from tokenworks.batches.recipes.generate.specs import Listed, Spec
from tokenworks.batches.recipes.generate.tree import Line
from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Skipped, Split
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.batches.recipes.soundness import faults
from tokenworks.errors import BadRequest

TYPICAL = 800  # tokens of a file, before any was written
PATHS = 200  # of the other files that are named in a request
FIX = 6_000  # tokens of the last try that are shown again
_SYSTEM = (
    "You write one file of a project. Answer with the whole content of that file in one fenced code block, "
    "and with nothing else. Leave nothing out: no placeholders, no “rest of the code”."
)


class Generate:
    """A file is checked by its syntax and, where asked for, its tests; what is wrong goes into the retry."""

    name: ClassVar[str] = "generate"
    summary: ClassVar[str] = "Code files from a list of specifications, checked by syntax and tests"
    options: ClassVar[Mapping[str, str]] = {
        "context": "files that every request shows, with commas between: interfaces, conventions",
        "context_tokens": "most tokens of all of them together (8000)",
        "instructions": "what holds for all files, or a file that holds it",
        "run_tests": "run the tests and commands of the list, in a restricted process: yes or no (default)",
        "timeout_s": "most seconds of the tests of one file (10)",
        "max_tokens": "most tokens of one answer",
    }
    suffixes: ClassVar[tuple[str, ...]] = (".md", ".markdown", ".toml", ".csv", ".tsv", ".jsonl", ".ndjson")

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        """A part for each file that is to be written."""
        words.known(options, self.options)
        given = words.text_or_file(options, "instructions").strip()
        most = words.number(options, "context_tokens", 8000, 0, 2_000_000)
        shared: dict[str, Any] = {
            "run_tests": words.yes(options, "run_tests", False),
            "timeout_s": words.number(options, "timeout_s", 10, 1, 600),
            "max_tokens": words.number(options, "max_tokens", 0, 16, 1_000_000) or None,
            "groups": [],
        }
        named = [Path(name.strip()) for name in options.get("context", "").split(",") if name.strip()]
        parts: list[Part] = []
        skipped: list[Skipped] = []
        taken: set[str] = set()
        for file in files:
            try:
                if file.suffix.lower() not in self.suffixes:
                    raise BadRequest(f"not a list that generate reads: {' '.join(self.suffixes)}")
                found = specs.listed(file)
                group = _group(file, found, given, named, most)
            except BadRequest as error:
                skipped.append(Skipped(file.name, error.message))
                continue
            skipped += found.skipped
            good = _fresh(found.specs, taken, file, skipped, shared["run_tests"])
            group["paths"] = [spec.path for spec in good]
            shared["groups"].append(group)
            parts += _parts(good, len(shared["groups"]) - 1, shared, len(parts))
        if not parts:
            why = f"{skipped[0].file}: {skipped[0].reason}" if skipped else "give a list"
            raise BadRequest(f"generate: no file to write; {why}")
        return Split(tuple(parts), shared, tuple(skipped))

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        """What is shared comes first, the same in every request, so that it may be cached."""
        messages = [
            {"role": "system", "content": _head(shared["groups"][part.data["group"]])},
            {"role": "user", "content": _wish(part.data)},
        ]
        if tries:
            last = tries[-1].value["code"] if tries[-1].value else ""
            if last:
                shown = f"```\n{clipped(last, FIX)}\n```"
                messages.append({"role": "assistant", "content": shown})
            wrong = "\n".join(f"- {problem[:800]}" for problem in tries[-1].problems[:5])
            again = f"That can't be used:\n{wrong}\nWrite the whole file again, without these mistakes."
            messages.append({"role": "user", "content": again})
            if not last:  # two of the same side don't follow each other
                messages[-2:] = [{"role": "user", "content": f"{_wish(part.data)}\n\n{again}"}]
        return Ask(tuple(messages), shared["max_tokens"])

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        """``{"code", "tests", "model"}``: the file, and whether its tests ran."""
        data = part.data
        path, language = data["path"], data["language"]
        wrong = faults(said, prose=False)
        found, faulty = unwrapped.code(said.text, language, lambda code: syntax.fault(language, code, path))
        wrong += faulty
        tests = "none"
        if data["tests"] or data["command"]:
            tests = "not run"
            if shared["run_tests"] and not wrong:
                failed = self._tried(data, shared, found)
                wrong += failed
                tests = "failed" if failed else "passed"
        useless = 0 if not wrong else 1 if tests == "failed" else 2 if found.strip() else 3
        return Checked({"code": found, "tests": tests, "model": said.model}, tuple(wrong), useless)

    def _tried(self, data: Mapping[str, Any], shared: Mapping[str, Any], code: str) -> list[str]:
        files = {c["path"]: c["text"] for c in shared["groups"][data["group"]]["context"] if c["whole"]}
        files[data["path"]] = code
        timeout_s = float(shared["timeout_s"])
        found = trial.asserts(data["path"], data["tests"], files, timeout_s) if data["tests"] else ""
        if not found and data["command"]:
            found = trial.command(data["command"], files, timeout_s)
        return [found] if found else []

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        """Nothing: files don't wait for each other."""
        return {}

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        """The tree and ``generate-report.json``. What isn't right stands there as ``PATH.failed``."""
        lines: list[Line] = []
        outputs: list[Output] = []
        for part in split.parts:
            path = part.data["path"]
            result = results.get(part.id)
            value = result.value if result and result.value else {"code": "", "tests": "not run", "model": ""}
            problems = list(result.problems) if result else ["not answered"]
            line = Line(path, not problems, tests=value["tests"], model=value["model"], problems=problems)
            if value["code"]:
                line.written, why_not = tree.put(folder, path, value["code"], line.ok)
                line.problems += [why_not] if why_not else []
                line.ok = not line.problems
                line.lines = value["code"].count("\n")
            lines.append(line)
            if line.written:
                outputs.append(Output(line.written, tree.kind(path), "; ".join(line.problems)[:200]))
        return [*outputs, tree.report(folder, lines, [(skip.file, skip.reason) for skip in split.skipped])]


def _fresh(
    found: Sequence[Spec], taken: set[str], file: Path, skipped: list[Skipped], run_tests: bool
) -> list[Spec]:
    """Those whose path nobody has yet, and whose command can be run."""
    good: list[Spec] = []
    for spec in found:
        key = specs.same(spec.path)
        above = {"/".join(key.split("/")[:at]) for at in range(1, key.count("/") + 1)}
        why = ""
        if key in taken:
            why = "it is listed twice"
        elif above & taken or any(other.startswith(key + "/") for other in taken):
            why = "it is a file and a folder"
        elif spec.command and run_tests:
            try:
                trial.words(spec.command)
            except BadRequest as error:
                why = error.message
        if why:
            skipped.append(Skipped(file.name, f"{spec.path}: {why}"))
            continue
        taken.add(key)
        good.append(spec)
    return good


def _parts(good: Sequence[Spec], group: int, shared: Mapping[str, Any], before: int) -> list[Part]:
    head = tokens_of(_head(shared["groups"][group])) + 8
    expected = min(shared["max_tokens"] or 1_000_000, TYPICAL)
    made: list[Part] = []
    for at, spec in enumerate(good, before):
        data = {**msgspec.to_builtins(spec), "group": group}
        name = f"{at:07d}"
        made.append(Part(name, name, data, head + tokens_of(_wish(data)), expected))
    return made


def _group(file: Path, found: Listed, given: str, named: Sequence[Path], most: int) -> dict[str, Any]:
    """What all files of one list share."""
    context: list[dict[str, Any]] = []
    left = most
    places = [(place.name, place) for place in named]
    places += [(name, specs.beside(file, name)) for name in found.context]
    for name, place in places:
        text = words.content(place, "context")
        shown = clipped(text, left)
        left -= tokens_of(shown)
        whole = shown == text and not specs.wrong_path(name)
        context.append({"path": name, "text": shown, "whole": whole})
    instructions = "\n\n".join(text for text in (given, found.instructions.strip()) if text)
    return {"instructions": instructions, "context": context, "paths": []}


def _head(group: Mapping[str, Any]) -> str:
    pieces = [_SYSTEM]
    if group["instructions"]:
        pieces.append(group["instructions"])
    if len(group["paths"]) > 1:
        paths = "\n".join(group["paths"][:PATHS])
        more = f"\n… and {len(group['paths']) - PATHS} more" if len(group["paths"]) > PATHS else ""
        pieces.append(f"Files of the project that are written now:\n{paths}{more}")
    pieces += [f"{c['path']}, which is there:\n```\n{c['text']}\n```" for c in group["context"] if c["text"]]
    return "\n\n".join(pieces)


def _wish(data: Mapping[str, Any]) -> str:
    pieces = [f"File: {data['path']}" + (f" ({data['language']})" if data["language"] else ""), data["spec"]]
    if data["tests"].strip():
        pieces.append(f"These tests run after it and must pass:\n```python\n{data['tests'].strip()}\n```")
    if data["command"]:
        pieces.append(f"This command must succeed: {data['command']}")
    return "\n\n".join(pieces)
