"""Agents' turns with labels: is the model that works here stuck?

The files beside this one hold conversations in a short form, written by hand for this project. ``tuned.txt``
is what the stage was made with. ``first.txt`` was written before it and held out: it came to a precision of
1.000 and a recall of 0.875 when it was first run, and 0.917 at the end; only then were its two misses looked
at and mended. ``held_out.txt`` was written after that, and only its figures are read. Keep it so.

A case is stuck when a good engineer who looks over the shoulder would say
that it leads nowhere and that someone better should take over:

* the same failure came back after at least one more attempt, and nothing has succeeded since,
* three failures in a row, of whatever kind, without an edit or a success in between,
* two failures that alternate, or more failing tests with every edit,
* a process of its own died for want of memory or crashed,
* the same refused permission, refused edit or timeout again,
* the same call with the same answer again and again, or reading in circles without an edit.

It is not stuck at a first failure, when failures become fewer, when a test was written that has to fail, when
what failed works by now, at exit codes that are an answer (grep, diff, test), at a linter's remarks, and
whatever a file, a page, a row or a person says about errors while the tool itself did well.

The short form: ``== name | stuck or fine | shape | agent``, then lines that begin with

    >   a person says           ^   the agent's summary of an earlier conversation
    $   a shell command         @   another tool and its arguments as JSON
    &   before $ or @: called at the same time as the one before
    |   a line of the result    =   the exit code (0 where none stands)     !   the tool reports an error
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .rendering import WIRES, rendered

HERE = Path(__file__).parent
PARTS = ("tuned", "first", "held_out")

__all__ = ["PARTS", "WIRES", "Call", "Case", "Said", "cases"]


@dataclass
class Said:
    """Words of a person, or the summary that an agent puts in their place."""

    text: str


@dataclass
class Call:
    """A tool's call and its result. ``arguments`` of None: a shell command, ``command``."""

    tool: str = ""
    arguments: dict[str, Any] | None = None
    command: str = ""
    lines: list[str] = field(default_factory=list)
    exit_code: int = 0
    error: bool = False
    at_once: bool = False  # with the one before


@dataclass
class Case:
    """A conversation up to the request that has to be routed."""

    name: str
    stuck: bool
    shape: str
    agent: str
    steps: list[Said | Call] = field(default_factory=list)

    def body(self, wire: str) -> dict[str, Any]:
        """The request as ``wire`` has it."""
        return rendered(self, wire)


def cases(part: str) -> list[Case]:
    """The cases of one of ``PARTS``. Raises ValueError for a line that is none of the short form."""
    found: list[Case] = []
    for number, line in enumerate((HERE / f"{part}.txt").read_text("utf-8").splitlines(), 1):
        if not line:
            continue
        mark, rest = line[:1], line[2:]
        if line.startswith("== "):
            name, label, shape, agent = (one.strip() for one in line[3:].split("|"))
            if label not in ("stuck", "fine"):
                raise ValueError(f"{part}.txt:{number}: '{label}' is no label; write stuck or fine")
            found.append(Case(name, label == "stuck", shape, agent))
            continue
        steps = found[-1].steps
        at_once = mark == "&"
        if at_once:
            mark, rest = line[1:2], line[3:]
        last = steps[-1] if steps else None
        if mark in ">^":
            steps.append(Said(rest))
        elif mark == "$":
            steps.append(Call(command=rest, at_once=at_once))
        elif mark == "@":
            tool, arguments = rest.split(" ", 1)
            steps.append(Call(tool, json.loads(arguments), at_once=at_once))
        elif mark == "|" and isinstance(last, Call):
            last.lines.append(rest)
        elif mark == "=" and isinstance(last, Call):
            last.exit_code = int(rest)
        elif mark == "!" and isinstance(last, Call):
            last.error = True
        else:
            raise ValueError(f"{part}.txt:{number}: what is '{line}'?")
    return found
