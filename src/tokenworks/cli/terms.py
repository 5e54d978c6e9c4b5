"""What keys and teams are given on the command line: limits, and rules of what they may ask for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.span import Span

if TYPE_CHECKING:
    from tokenworks.ledger.store import Store
    from tokenworks.plans.granting import Written

NONE = "none"  # takes a rule away
_LISTS = ("models", "providers", "clients", "hours")
_COUNTS = ("max_input_tokens", "max_output_tokens")
_FLAGS = ("capture", "private")
_LOOPS = {
    "max_iterations": "iterations",
    "max_session_spend": "spend_usd",
    "max_session_time": "wall_clock_s",
    "max_repeats": "repeats",
    "max_stale_turns": "stale_turns",
}


_ROUTING = {"quality": "quality", "max_request_cost": "max_cost_usd"}


class OrNone(click.ParamType):  # type: ignore[type-arg]  # older ones have none
    """The same as another type, or the word none."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.name = inner.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the other type makes of it. Fails with one line."""
        return NONE if value == NONE else self.inner.convert(value, param, ctx)


class Price(click.ParamType):  # type: ignore[type-arg]
    """Dollars per million tokens of input and output, as in 3:15; either may be left out."""

    name = "IN:OUT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float | None, float | None]:
        """Both. Fails with one line."""
        if isinstance(value, tuple):
            return value
        before, colon, after = str(value).partition(":")
        try:
            if colon:
                return (float(before) if before else None, float(after) if after else None)
        except ValueError:
            pass
        self.fail(f"{value!r}: give dollars per million tokens of input and output, as in 3:15", param, ctx)


@dataclass(frozen=True)
class Terms:
    """What was given; what was not is left as it is."""

    budgets: Sequence[str]
    limits: Sequence[str]
    strict: bool | None
    timezone: str | None
    rules: dict[str, Any]  # fields of ``Rules``; None takes one away

    @property
    def any(self) -> bool:
        """Whether anything was given at all."""
        return bool(self.budgets or self.limits or self.rules or self.timezone or self.strict is not None)

    def wanted(self) -> list[Written]:
        """The limits. Fails with one line for one that is none."""
        from tokenworks.plans.granting import Written, checked
        from tokenworks.plans.limit import parse_budget, parse_limit

        with wrong("--budget"):
            found = [Written("usd", *parse_budget(each)) for each in self.budgets]
        with wrong("--limit"):
            found += [Written(*parse_limit(each)) for each in self.limits]
        with wrong("--budget / --limit"):
            checked("key", "new", found, self.timezone, self.strict)
        return found

    def rules_text(self, before: str) -> str:
        """Rules as they are kept, after those that are kept now. Fails with one line."""
        from tokenworks.plans import rules
        from tokenworks.plans.sound import rules_from

        with wrong("rules"):
            known = rules.read(before)
            given = dict(self.rules)
            if self.timezone and (given.get("hours") or known.hours):
                given["timezone"] = self.timezone
            return rules.write(rules_from(given, known))

    def grant(self, store: Store, scope: str, subject: str, actor: str) -> None:
        """Limit a key or team to what was given, in its ``turn``."""
        from tokenworks.plans.granting import grant, own_limits

        wanted = self.wanted()
        if wanted:
            grant(store, scope, subject, wanted, timezone=self.timezone, strict=self.strict, actor=actor)
        elif self.strict is not None:
            for each in own_limits(store.limits(), scope, subject):
                if each.unit == "usd":
                    store.update_limit(each.id, strict=self.strict, actor=actor)


@contextlib.contextmanager
def wrong(hint: str) -> Iterator[None]:
    """``ValueError`` of what was given is an error of that option."""
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=hint) from None


def terms(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of limits and rules, passed on as ``terms``."""

    @functools.wraps(function)
    def command(
        *args: Any,
        budget: tuple[str, ...],
        limit: tuple[str, ...],
        strict: bool | None,
        timezone: str | None,
        **options: Any,
    ) -> Any:
        rules = _rules(options)
        return function(*args, terms=Terms(budget, limit, strict, timezone, rules), **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _rules(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the options of rules out of ``options``."""
    found: dict[str, Any] = {}
    for name in _LISTS:
        values = options.pop(name)
        if values:
            found[name] = [each for each in values if each not in ("", NONE)]
    for name in _COUNTS:
        value = options.pop(name)
        if value is not None:
            found[name] = None if value == NONE else value
    price = options.pop("max_price")
    if price is not None:
        found["max_input_mtok"], found["max_output_mtok"] = (None, None) if price == NONE else price
    loops = {field: options.pop(name) for name, field in _LOOPS.items()}
    loops = {field: None if value == NONE else value for field, value in loops.items() if value is not None}
    if loops:
        found["loops"] = loops
    routing = {field: options.pop(name) for name, field in _ROUTING.items()}
    routing = {
        field: None if value == NONE else value for field, value in routing.items() if value is not None
    }
    allowed = options.pop("auto_models")
    if allowed:
        routing["allowed"] = [each for each in allowed if each not in ("", NONE)] or None
    if routing:
        found["routing"] = routing
    for name in _FLAGS:
        value = options.pop(name)
        if value is not None:
            found[name] = value
    return found


def _count(name: str, text: str) -> Callable[..., Any]:
    return click.option(name, type=OrNone(click.IntRange(1)), metavar="N", help=text)


_OPTIONS = (
    click.option(
        "--budget",
        multiple=True,
        metavar="USD/WINDOW",
        help="Dollars: 20/month, 2/5h, 100/lifetime. Repeat it.",
    ),
    click.option("--limit", multiple=True, metavar="LIMIT", help="60rpm, 100ktpm, 10 concurrent. Repeat it."),
    click.option("--strict/--no-strict", default=None, help="Never a cent over a budget."),
    click.option("--timezone", metavar="ZONE", help="Of budgets by the calendar, and of hours [UTC]."),
    click.option("--models", multiple=True, metavar="GLOB", help="Only these models. Repeat it."),
    click.option("--providers", multiple=True, metavar="GLOB", help="Only these providers. Repeat it."),
    click.option("--clients", multiple=True, metavar="GLOB", help="Only these clients. Repeat it."),
    click.option("--hours", multiple=True, metavar="SPAN", help='Only then: "Mon-Fri 09:00-18:00".'),
    _count("--max-input-tokens", "Of one request."),
    _count("--max-output-tokens", "Of one request."),
    click.option("--max-price", type=OrNone(Price()), metavar="IN:OUT", help="$ per million tokens at most."),
    _count("--max-iterations", "Requests of one session."),
    click.option(
        "--max-session-spend",
        type=OrNone(click.FloatRange(0)),
        metavar="USD",
        help="Dollars of one session.",
    ),
    click.option(
        "--max-session-time",
        type=OrNone(Span()),
        metavar="2h",
        help="Of one session from its start.",
    ),
    _count("--max-repeats", "The same step of a session in a row; warned at one less."),
    _count("--max-stale-turns", "Turns in a row with nothing new."),
    click.option(
        "--quality",
        type=OrNone(click.FloatRange(0, 1)),
        metavar="0..1",
        help="Of auto: least share of the strong model's quality to keep.",
    ),
    click.option(
        "--max-request-cost",
        type=OrNone(click.FloatRange(0)),
        metavar="USD",
        help="Of auto: what one request may be expected to cost.",
    ),
    click.option("--auto-models", multiple=True, metavar="GLOB", help="Of auto: only these. Repeat it."),
    click.option(
        "--capture/--no-capture",
        default=None,
        help="Whether its prompts and answers may be kept to learn from.",
    ),
    click.option(
        "--private/--no-private",
        default=None,
        help="Whether rankings without private traffic leave its requests out.",
    ),
)
