"""Log probabilities that follow from the token alone, so that tests can tell them apart."""

from __future__ import annotations

from typing import Any

from tokenworks.providers.scripted.turn import Turn


def choice_logprobs(turn: Turn, tokens: list[str]) -> dict[str, Any] | None:
    """The ``logprobs`` of a choice for ``tokens``; None when they were not asked for."""
    body = turn.ask.body
    if body.get("logprobs") is not True:
        return None
    wanted = body.get("top_logprobs")
    top = wanted if isinstance(wanted, int) else 0
    return {"content": [_entry(token, top) for token in tokens], "refusal": None}


def _entry(token: str, top: int) -> dict[str, Any]:
    value = logprob(token)
    others = [_one(token if i == 0 else f"{token}~{i}", value - i) for i in range(top)]
    return {**_one(token, value), "top_logprobs": others}


def _one(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": value, "bytes": list(token.encode())}


def logprob(token: str) -> float:
    """The log probability claimed for ``token``."""
    return -0.01 * (len(token) % 10 + 1)
