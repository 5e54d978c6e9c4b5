"""Reasoning that a provider writes into the text itself, between <think> and </think>."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"
_START, _BETWEEN, _OPENED, _THOUGHT, _SPEECH = range(5)

Told = list[tuple[bool, str]]


class ThinkTags:
    """Tells thought from speech in a text that comes in pieces of any length.

    Only a tag at the very start, or right behind such a thought, is one: further on it is something the
    model talks about. White space around a thought belongs to neither.
    """

    __slots__ = ("held", "state")

    def __init__(self) -> None:
        self.held = ""  # what can't be told yet
        self.state = _START

    def feed(self, text: str) -> Told:
        """What ``text`` adds, in order: (is it thought?, the text of it)."""
        if self.state == _SPEECH:
            return [(False, text)]
        self.held += text
        told: Told = []
        while self._inside(told) if self.state in (_OPENED, _THOUGHT) else self._outside(told):
            pass
        return told

    def flush(self) -> Told:
        """At the end of the text: what was still held back."""
        held, self.held = self.held, ""
        if self.state == _THOUGHT:  # cut off within it
            held = held.rstrip()
        elif self.state == _OPENED:
            held = held.strip()
        elif self.state == _BETWEEN:
            held = held.lstrip()
        return [(self.state in (_OPENED, _THOUGHT), held)] if held else []

    def _outside(self, told: Told) -> bool:
        """Look for a thought that begins; False when more must come first."""
        rest = self.held.lstrip()
        if rest.startswith(OPEN):
            self.state, self.held = _OPENED, rest[len(OPEN) :]
            return True
        if not OPEN.startswith(rest):
            told.append((False, self.held if self.state == _START else rest))
            self.state, self.held = _SPEECH, ""
        return False

    def _inside(self, told: Told) -> bool:
        """Look for a thought's end; False when it has not come yet."""
        held = self.held.lstrip() if self.state == _OPENED else self.held
        thought, tag, rest = held.partition(CLOSE)
        if not tag:
            at = held.rfind("<")
            if at >= 0 and CLOSE.startswith(held[at:]):
                thought = held[:at]
        ready = thought.rstrip()
        if ready:
            told.append((True, ready))
            self.state = _THOUGHT
        if tag:
            self.state = _BETWEEN
        self.held = rest if tag else held[len(ready) :]
        return bool(tag)
