"""What was weighed for one request for ``auto``, what was done, and why: for people, learning and replay."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

STEPS_OF_A_BYTE = 127  # a vector of at most unit length, quantised


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model that could have been asked."""

    model: str
    right: float  # P(its answer is right), before anybody was asked
    cost_usd: float  # what its answer was expected to cost
    weight: float = 0.0  # how much is known of it, in samples
    propensity: float = 0.0  # P(the policy asks it first)
    prior: float | None = None  # what the predictor alone said of ``right``


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model that was asked."""

    model: str
    id: str  # of its record
    outcome: str  # "accepted" | "doubted" | "served" (unchecked) | "failed" | "shadow"
    cost_usd: float = 0.0
    right: float = 0.0  # P(its answer is right) after the checks and the agreement
    failed_checks: tuple[str, ...] = ()
    agrees: float | None = None  # with the answer before it, 0..1
    why: str = ""


class Decision(msgspec.Struct, omit_defaults=True):
    """The whole story. As JSON it is the ``detail`` of a ``DecisionRow``."""

    task: str
    path: str  # "direct" | "cascade" | "strong" | "stage" | "rule"
    strong: str
    why: str
    candidates: tuple[Candidate, ...] = ()
    steps: tuple[Step, ...] = ()
    served: str = ""  # the model whose answer was served
    quality: float = 1.0
    max_cost_usd: float | None = None
    expected_right: float = 0.0
    expected_cost_usd: float = 0.0
    task_share: float = 0.0
    known: float = 0.0  # 1: like work that was seen before; 0: nothing like it
    explored: bool = False  # asked first to learn of it, not because it seemed best
    rule: str = ""
    stage: str = ""  # of an agent's session: what its tool results say
    vector: str = ""  # see ``packed``


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Decision).decode


def read(detail: bytes) -> Decision:
    """The decision in ``detail``. Raises ``ValueError`` where it is none."""
    try:
        return _decode(detail)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a decision: {error}") from error


def story(told: Decision) -> dict[str, Any]:
    """``told`` for people and clients: every field, also those that say nothing, but for the vector."""
    found = msgspec.structs.asdict(told)
    del found["vector"]
    for name in ("candidates", "steps"):
        found[name] = [msgspec.structs.asdict(each) for each in found[name]]
    return found


def packed(vector: NDArray[np.float32]) -> str:
    """``vector`` (values within -1..1) as text, one byte a value: right to 0.4 %."""
    whole = np.clip(np.rint(vector * np.float32(STEPS_OF_A_BYTE)), -STEPS_OF_A_BYTE, STEPS_OF_A_BYTE).astype(
        np.int8
    )
    return base64.b64encode(whole.tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """The vector in ``text``; empty where there is none. Raises ``ValueError`` for what is no vector."""
    try:
        whole = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.int8)
    except binascii.Error as error:
        raise ValueError(f"not a vector: {error}") from error
    return whole.astype(np.float32) / np.float32(STEPS_OF_A_BYTE)


def named(candidates: Sequence[Candidate], model: str) -> Candidate | None:
    """The candidate of that model."""
    return next((each for each in candidates if each.model == model), None)
