"""``plan(case)``: what a model on some devices does under a load, what it draws, what a token costs."""

from __future__ import annotations

from pathlib import Path

from tokenworks.energy import architectures, hardware
from tokenworks.energy.case import Case, check
from tokenworks.energy.evaluation import evaluate
from tokenworks.energy.outcome import Change, Plan
from tokenworks.energy.sensitivity import with_changes

__all__ = ["Case", "Change", "Plan", "plan"]


def plan(case: Case, *, home: Path | None = None, sensitivity: bool = True) -> Plan:
    """Answer ``case``. ``home``: where profiles of measured hardware are.

    Raises ``BadRequest``: unknown names (with near ones), a load or terms that can't be, a model that does
    not fit (with what would).
    """
    check(case)
    device = hardware.load(case.hardware, home)
    arch = architectures.load(case.model)
    result = evaluate(case, arch, device)
    return with_changes(result, arch, device) if sensitivity else result
