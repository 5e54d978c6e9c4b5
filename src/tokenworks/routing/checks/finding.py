"""What goes into a check and what comes out of it."""

from __future__ import annotations

from typing import Any

import msgspec


class Answer(msgspec.Struct):
    """One answer of a model. ``finish`` in the words of the chat wire: "stop", "length", "tool_calls"…"""

    text: str
    finish: str = "stop"
    tool_calls: int = 0
    mean_logprob: float | None = None  # natural logarithm, mean over the tokens of the answer


class Expected(msgspec.Struct):
    """What the request demands of it."""

    prompt: str = ""
    task: str = ""
    schema: dict[str, Any] | None = None
    json: bool = False
    language: str = ""  # two letters (ISO 639-1); empty: nothing is known
    max_output_tokens: int | None = None
    usual_logprob: tuple[float, float] | None = (
        None  # mean and deviation of this model's answers (logprob.Usual)
    )


class Finding(msgspec.Struct, frozen=True):
    """``fatal``: the answer must not be served while a stronger model is left."""

    check: str
    ok: bool
    fatal: bool = False
    detail: str = ""
