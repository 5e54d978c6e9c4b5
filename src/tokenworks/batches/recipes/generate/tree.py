"""The files that were made, as a tree, and a report of them. Nothing is written outside of its folder."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import msgspec

from tokenworks.batches.recipes.kept_file import write
from tokenworks.batches.recipes.recipe import Output

REPORT = "generate-report.json"
FAILED = ".failed"


class Line(msgspec.Struct):
    """What became of one file."""

    path: str
    ok: bool
    written: str = ""  # where; empty: nowhere
    lines: int = 0
    tests: str = ""  # "passed", "failed", "not run", "none"
    model: str = ""
    problems: list[str] = []


def put(folder: Path, path: str, code: str, ok: bool) -> tuple[str, str]:
    """(name under ``folder``, why not) of the written file. One that is wrong gets ``.failed`` after it."""
    name = path if ok else path + FAILED
    place = folder
    for part in name.split("/")[:-1]:
        place = place / part
        if place.is_symlink():
            return "", f"{place.relative_to(folder)} is a link, which is never followed"
        if place.exists() and not place.is_dir():
            return "", f"{place.relative_to(folder)} is a file, a folder is needed"
    target = folder / name
    if target.is_dir() and not target.is_symlink():
        return "", f"{name} is a folder already"
    write(target, code)
    stale = folder / (path + FAILED if ok else path)
    if not ok or not stale.is_file():
        return name, ""
    stale.unlink()  # it had failed before
    return name, ""


def report(folder: Path, lines: list[Line], skipped: list[tuple[str, str]]) -> Output:
    """The report as ``generate-report.json``."""
    good = sum(line.ok for line in lines)
    told = {
        "files": len(lines),
        "good": good,
        "failed": len(lines) - good,
        "tests": {
            kind: sum(line.tests == kind for line in lines) for kind in ("passed", "failed", "not run")
        },
        "skipped": [{"file": file, "reason": reason} for file, reason in skipped],
        "each": msgspec.to_builtins(lines),
    }
    write(folder / REPORT, msgspec.json.format(msgspec.json.encode(told), indent=1).decode() + "\n")
    note = f"{good:,} of {len(lines):,} files are good" + (f", {len(skipped):,} skipped" if skipped else "")
    return Output(REPORT, "application/json", note)


def kind(path: str) -> str:
    """Its media type."""
    return mimetypes.guess_type(path)[0] or "text/plain"
