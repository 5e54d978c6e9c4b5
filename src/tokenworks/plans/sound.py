"""Rules and plans as people give them, looked at before they are kept: one line says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from tokenworks.config.auto import KeyRouting
from tokenworks.plans import window
from tokenworks.plans.hours import Hours
from tokenworks.plans.rules import LoopRules, Rules
from tokenworks.plans.spec import FairUse, ModelClass, PlanSpec

MAX_NAME = 100
MAX_ITEMS = 200  # globs, classes or windows of one rule or plan
MAX_CREDITS = 1_000_000_000.0  # of a window: in billionths they are still a 63-bit number
MAX_NUMBER = 1_000_000_000_000
MAX_WEIGHT = 1_000_000.0  # credits or dollars per million tokens
MAX_HOURS = 24.0 * 366
T = TypeVar("T")


def rules_from(values: dict[str, Any], before: Rules) -> Rules:
    """``before`` with ``values`` in place of what it says; null takes a rule away.

    Raises ``ValueError`` with one line that names the field.
    """
    merged = {**msgspec.to_builtins(before), **values}
    loops = merged.get("loops")
    if isinstance(values.get("loops"), dict) and before.loops is not None:
        loops = {**msgspec.to_builtins(before.loops), **values["loops"]}
    if isinstance(loops, dict):
        merged["loops"] = _without_null(loops) or None
    routing = merged.get("routing")
    if isinstance(values.get("routing"), dict) and before.routing is not None:
        routing = {**msgspec.to_builtins(before.routing), **values["routing"]}
    if isinstance(routing, dict):
        merged["routing"] = {
            name: value for name, value in routing.items() if value not in (None, [], ())
        } or None
    return sound_rules(_converted(_without_null(merged), Rules, "rules"))


def sound_rules(rules: Rules) -> Rules:
    """``rules`` if they can be kept to. Raises ``ValueError`` with one line that names the field."""
    for name in ("models", "providers", "clients"):
        _globs(name, getattr(rules, name))
    _zone("timezone", rules.timezone)
    if len(rules.hours) > MAX_ITEMS:
        raise ValueError(f"hours: {MAX_ITEMS} spans at most")
    if rules.hours:
        Hours(rules.hours, rules.timezone)  # complains of a span that is none
    for name in ("max_input_tokens", "max_output_tokens"):
        _count(name, getattr(rules, name))
    for name in ("max_input_mtok", "max_output_mtok"):
        _number(name, getattr(rules, name), MAX_WEIGHT)
    if rules.loops is not None:
        _loops(rules.loops)
    if rules.routing is not None:
        _routing(rules.routing)
    return rules


def _routing(routing: KeyRouting) -> None:
    _number("routing.quality", routing.quality, 1.0)
    _number("routing.max_cost_usd", routing.max_cost_usd, MAX_WEIGHT)
    _globs("routing.allowed", routing.allowed)
    _globs("routing.excluded", routing.excluded)


def plan_from(values: Any) -> PlanSpec:
    """A plan from JSON that was decoded. Raises ``ValueError`` with one line that names the field."""
    return sound_plan(_converted(values, PlanSpec, "plan"))


def sound_plan(plan: PlanSpec) -> PlanSpec:
    """``plan`` if it can be kept to, its windows in their shortest form.

    Raises ``ValueError`` with one line that names the field.
    """
    named("name", plan.name)
    _number("price_usd", plan.price_usd, MAX_WEIGHT)
    _zone("timezone", plan.timezone)
    _count("concurrency", plan.concurrency)
    _globs("clients", plan.clients)
    plan = msgspec.structs.replace(plan, windows=_windows(plan))
    _classes(plan.classes)
    if plan.windows and not plan.classes:
        raise ValueError("classes: a plan with windows needs at least one, or no model is included in it")
    fair = plan.fair_use
    _fair_use(fair)
    if plan.used_up == "cheaper_model" and not plan.cheaper_model:
        raise ValueError("cheaper_model: name the model that serves when the plan is used up")
    if fair is not None and fair.action == "cheaper_model" and not plan.cheaper_model:
        raise ValueError("cheaper_model: name the model that serves under fair_use.action cheaper_model")
    return plan


def named(field: str, name: str) -> str:
    """``name`` if a list can show it. Raises ``ValueError``."""
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        raise ValueError(f"{field}: a name has 1 to {MAX_NAME} printable characters")
    return name


def _windows(plan: PlanSpec) -> Any:
    if len(plan.windows) > MAX_ITEMS:
        raise ValueError(f"windows: {MAX_ITEMS} at most")
    found = []
    for each in plan.windows:
        _number("windows: credits", each.credits, MAX_CREDITS)
        found.append(msgspec.structs.replace(each, window=window.parse(each.window, plan.timezone).text))
    twice = _twice(each.window for each in found)
    if twice is not None:
        raise ValueError(f"windows: {twice} stands there twice; leave the larger one out")
    return tuple(found)


def _classes(classes: tuple[ModelClass, ...]) -> None:
    if len(classes) > MAX_ITEMS:
        raise ValueError(f"classes: {MAX_ITEMS} at most")
    for each in classes:
        named("classes: name", each.name)
        if not each.models:
            raise ValueError(f"classes: {each.name} has no models; give globs such as acme/*")
        _globs(f"classes: {each.name}: models", each.models)
        weights = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "request")
        for name in weights:
            _number(f"classes: {each.name}: {name}", getattr(each, name), MAX_WEIGHT)
        if not any(getattr(each, name) for name in weights):
            raise ValueError(
                f"classes: {each.name} weighs nothing; give input_mtok and output_mtok, or request"
            )
    twice = _twice(each.name for each in classes)
    if twice is not None:
        raise ValueError(f"classes: {twice} stands there twice; give each a name of its own")


def _fair_use(fair: FairUse | None) -> None:
    if fair is None:
        return
    _number("fair_use: threshold", fair.threshold, 1.0)
    _number("fair_use: slow_s", fair.slow_s, 600.0)
    _number("fair_use: hours", fair.hours, MAX_HOURS)


def _loops(loops: LoopRules) -> None:
    for name in ("iterations", "repeats", "stale_turns"):
        _count(f"loops: {name}", getattr(loops, name))
    for name in ("repeats", "stale_turns"):
        if getattr(loops, name) == 1:
            raise ValueError(f"loops: {name}: 2 at least, or every first step would count as one too many")
    _number("loops: spend_usd", loops.spend_usd, MAX_CREDITS)
    _number("loops: wall_clock_s", loops.wall_clock_s, MAX_CREDITS)


def _globs(field: str, globs: tuple[str, ...]) -> None:
    if len(globs) > MAX_ITEMS:
        raise ValueError(f"{field}: {MAX_ITEMS} at most")
    for each in globs:
        if not each.strip() or not each.isprintable() or len(each) > 2 * MAX_NAME:
            raise ValueError(
                f"{field}: a pattern has 1 to {2 * MAX_NAME} printable characters, such as acme/*"
            )


def _zone(field: str, name: str) -> None:
    try:
        window.zone(name)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def _count(field: str, value: int | None) -> None:
    if value is not None and not 1 <= value <= MAX_NUMBER:
        raise ValueError(f"{field}: a whole number from 1 on; leave it out for no limit")


def _number(field: str, value: float | None, most: float) -> None:
    if value is not None and not (math.isfinite(value) and 0 <= value <= most):
        raise ValueError(f"{field}: a number from 0 to {most:,.0f}")


def _twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _without_null(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _converted(values: Any, kind: type[T], what: str) -> T:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{what}: {str(error).replace('`', '')}") from None
