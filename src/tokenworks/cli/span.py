"""Spans of time as people type them: 30d, 12h, 90m, 2w."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_SPAN = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span_s(text: str) -> float | None:
    """Its seconds; None for what is no span."""
    found = _SPAN.fullmatch(text.strip())
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()


class Span(click.ParamType):  # type: ignore[type-arg]  # older ones have none
    """An option that takes a span and gives its seconds."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds. Fails with one line."""
        if isinstance(value, float | int):
            return float(value)
        seconds = span_s(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no span of time; give one such as 90m, 24h, 7d or 2w", param, ctx)
        return seconds
