"""Captures for tests, as the gateway would have written them."""

from __future__ import annotations

import json
import zlib
from typing import Any

from tokenworks.ledger.captured import CaptureRow

SURE = "microsoft/phi-4"  # whose terms allow to learn from it
START_US = 1_767_225_600_000_000  # 2026-01-01


def captured(number: int, prompt: str = "", answer: str = "", **more: Any) -> CaptureRow:
    """One capture; any field of its body or row may be given."""
    model = more.pop("model", SURE)
    right = more.pop("right", 0.95)
    task = more.pop("task", "extraction")
    time_us = more.pop("time_us", START_US + number * 1_000_000)
    key_id = more.pop("key_id", "k_1")
    body = {
        "messages": [{"role": "user", "content": prompt or f"question {number} about thing number {number}"}],
        "answer": answer or f"answer {number}",
        "finish": "stop",
        "provider": "acme",
        "checks": {"refusal": True},
        "consent": "request",
        "license": {"state": "allowed", "name": "MIT", "checked": ""},
        "redacted": {},
    } | more
    return CaptureRow(
        f"gen-{number:04d}",
        time_us,
        time_us + 30 * 86_400_000_000,
        key_id,
        model,
        task,
        right,
        zlib.compress(json.dumps(body).encode()),
    )
