"""Ids of tool calls, which makers give and others must accept."""

from __future__ import annotations

import hashlib
import re

_ODD = re.compile(r"[^a-zA-Z0-9_-]")


def plain(call_id: str) -> str:
    """``call_id`` of letters, digits, - and _ only. The same id gives the same result, here and below."""
    return _ODD.sub("_", call_id)


def shortened(name: str, longest: int) -> str:
    """``name`` itself, or a hash of it when it has more than ``longest`` (16 to 64) characters."""
    return name if len(name) <= longest else hashlib.sha256(name.encode()).hexdigest()[:longest]
