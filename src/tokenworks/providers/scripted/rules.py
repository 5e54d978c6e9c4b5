"""Which rule of a script applies to a request: the first whose conditions all hold."""

from __future__ import annotations

from fnmatch import fnmatchcase
from random import Random

from tokenworks.providers.scripted.reply import Reply, When
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.script import Script

ECHO = Reply()


class Rules:
    """The rules of one script and how often each has been met."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._met = [0] * len(script.reply)

    def reset(self) -> None:
        """Starts counting anew."""
        self._met = [0] * len(self.script.reply)

    def choose(self, ask: Ask) -> tuple[int | None, Reply]:
        """The rule for ``ask`` and its place; (None, the echo) when none applies."""
        for place, reply in enumerate(self.script.reply):
            if not holds(reply.when, ask):
                continue
            self._met[place] += 1
            met = self._met[place]
            numbers = reply.when.numbers
            if (not numbers or met in numbers) and met % reply.when.every == 0:
                return place, reply
        return None, ECHO


def holds(when: When, ask: Ask) -> bool:
    """Whether the conditions that look at the request alone hold."""
    if when.wire != ask.wire and (when.wire is not None or ask.wire == "models"):
        return False  # lists of models are fetched by health checks too: only a rule of their own applies
    if when.stream is not None and when.stream != ask.stream:
        return False
    if when.model != "*" and not fnmatchcase(ask.model, when.model):
        return False
    if when.header and not _has_header(when.header, ask.headers):
        return False
    return not when.says or when.says in ask.said


def dice(seed: int, number: int) -> Random:
    """The chances of request ``number``: the same on every run, whatever runs beside it."""
    return Random(seed * 1_000_003 + number)  # noqa: S311 — a test's dice, not a secret


def _has_header(wanted: str, headers: dict[str, str]) -> bool:
    name, _, pattern = wanted.partition(":")
    value = headers.get(name.strip().lower())
    return value is not None and fnmatchcase(value, pattern.strip() or "*")
