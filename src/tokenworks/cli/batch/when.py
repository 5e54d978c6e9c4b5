"""Moments as people type them: 2026-11-27T08:00, or 8h for that long from now."""

from __future__ import annotations

import time
from datetime import datetime

import click

from tokenworks.cli.span import span_s


class When(click.ParamType):  # type: ignore[type-arg]  # older ones have none
    """An option that takes a moment and gives it in µs since 1970."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """One without a time zone is this machine's. Fails with one line."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        seconds = span_s(text)
        if seconds is not None:
            return time.time_ns() // 1000 + round(seconds * 1e6)
        try:
            return round(datetime.fromisoformat(text).astimezone().timestamp() * 1e6)
        except (ValueError, OverflowError, OSError):
            self.fail(f"{value!r} is no time; give one such as 2026-11-27T08:00, or 8h from now", param, ctx)
