"""What came of each paragraph, as JSON and to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokenworks.batches.recipes.recipe import Output, Skipped

NAME = "translation-report"
SHOWN = 80  # characters of a paragraph


class Flagged(msgspec.Struct, frozen=True):
    """A paragraph that kept its original words."""

    paragraph: int
    text: str
    problems: tuple[str, ...]


class FileReport(msgspec.Struct, frozen=True):
    """One file. ``paragraphs`` = ``translated`` + flagged ones."""

    file: str
    output: str
    source_language: str
    paragraphs: int
    translated: int
    flagged: tuple[Flagged, ...]
    notes: tuple[str, ...]
    names: dict[str, dict[str, int]]  # names that came out in more than one way, how often each


def write(
    folder: Path, files: Sequence[FileReport], skipped: Sequence[Skipped], language: str
) -> list[Output]:
    """Both reports."""
    total = sum(each.paragraphs for each in files)
    translated = sum(each.translated for each in files)
    told = {
        "target_language": language,
        "paragraphs": total,
        "translated": translated,
        "flagged": total - translated,
        "files": msgspec.to_builtins(files),
        "skipped": msgspec.to_builtins(skipped),
    }
    text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    (folder / f"{NAME}.json").write_text(text, encoding="utf-8")
    (folder / f"{NAME}.md").write_text(_readable(files, skipped, total, translated), encoding="utf-8")
    return [
        Output(f"{NAME}.json", "application/json"),
        Output(f"{NAME}.md", "text/markdown", f"{translated} of {total} paragraphs translated"),
    ]


def _readable(files: Sequence[FileReport], skipped: Sequence[Skipped], total: int, translated: int) -> str:
    lines = ["# Translation", "", f"{translated} of {total} paragraphs are translated."]
    for each in files:
        lines += ["", f"## {_plain(each.output)}", ""]
        lines += [f"{each.translated} of {each.paragraphs} paragraphs, from {_plain(each.file)}."]
        lines += [f"- Note: {_plain(note)}" for note in each.notes]
        for flag in each.flagged:
            lines.append(f"- Paragraph {flag.paragraph} ({'; '.join(flag.problems)}): {_plain(flag.text)}")
        for name, ways in each.names.items():
            told = ", ".join(f"{way} ({times})" for way, times in ways.items())
            lines.append(f"- {_plain(name)} came out in {len(ways)} ways: {_plain(told)}")
    if skipped:
        lines += ["", "## Left out", ""]
        lines += [f"- {_plain(each.file)}: {each.reason}" for each in skipped]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Words that can't become markup."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|" else sign for sign in text)
