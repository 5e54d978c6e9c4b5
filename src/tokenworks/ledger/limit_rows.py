"""What the store keeps of limits, plans and teams, and what it counts against them.

A *limit* caps an amount in a window. What is counted against it stands in *accounts*, one for each whom
the limit counts for itself. An account's *bucket* is a stretch of time by its first second since 1970: the
whole period of a calendar window, a small part of a rolling one, 0 for a window without an end.
"""

from __future__ import annotations

import msgspec

SCOPES = ("key", "team", "app", "user", "session")
UNITS = ("usd", "requests", "input_tokens", "output_tokens", "tokens", "concurrent")
ACTIONS = ("slow", "cheaper_model", "metered", "suspend")


class LimitRow(msgspec.Struct, frozen=True):
    """One limit. A budget is a limit whose unit is "usd"."""

    id: str  # "l_" and 16 hex digits
    scope: str  # one of SCOPES
    subject: str  # key id, team id, app, user or session; "*": each app, user or session for itself
    unit: str  # one of UNITS
    amount: int  # nano-dollars for "usd", else a count
    window: str  # "month", "5h", "lifetime", ...: see ``plans.window``
    created_us: int
    updated_us: int
    within: str = ""  # id of a key or team whose requests alone are counted; "": everybody's
    timezone: str = "UTC"  # in which days, weeks and months of a calendar window begin
    strict: bool = False  # never a cent over, at the price of reserving the most a request may cost
    purpose: str = ""  # "": a limit; "wallet": what pays when a plan is used up


class TeamRow(msgspec.Struct, frozen=True):
    """Keys that are managed and limited together."""

    id: str  # "t_" and 16 hex digits
    name: str  # unique
    rules: str  # JSON of ``plans.rules.Rules``
    created_us: int
    updated_us: int


class PlanRow(msgspec.Struct, frozen=True):
    """A plan as stored."""

    name: str
    spec: str  # JSON of ``plans.spec.PlanSpec``
    created_us: int
    updated_us: int


class SubscriptionRow(msgspec.Struct, frozen=True):
    """Who has which plan; a key or a team has one at most."""

    scope: str  # "key" | "team"
    subject: str  # key id or team id
    plan: str
    since_us: int


class StopRow(msgspec.Struct, frozen=True):
    """A session that was stopped by hand."""

    session: str
    key_id: str  # "": whoever's it is
    time_us: int


class ActionRow(msgspec.Struct, frozen=True):
    """What is done about a key whose use is not fair; one for each key at most."""

    key_id: str
    action: str  # one of ACTIONS
    reasons: str  # JSON list of sentences
    since_us: int
    until_us: int | None = None


class AuditRow(msgspec.Struct, frozen=True):
    """One change that somebody made."""

    time_us: int
    actor: str  # key id, "cli:USER" or "tokenworks"
    action: str  # "key.create", "limit.remove", ...
    target: str  # id or name of what was changed
    detail: str = ""  # JSON object: what it is now. Never a secret


class Want(msgspec.Struct, frozen=True):
    """What a worker asks of one account.

    Given is between ``least`` and ``amount``, or nothing. ``cap`` is the limit's amount; what is spent in
    buckets before ``since`` is over. The store interprets no window.
    """

    account: int  # 63 bits, made of limit and subject
    limit_id: str
    subject: str
    cap: int
    since: int
    amount: int
    least: int
    span_s: int = 0  # buckets older than twice this are deleted some day; 0: never


class Given(msgspec.Struct, frozen=True):
    """What was given, and how the account stands after that."""

    account: int
    amount: int
    spent: int  # in the window, by records that are in the store
    leased: int  # held by all workers together, this grant included, and not yet seen as spent
    oldest: int  # the first bucket of the window in which anything was spent; 0 for none
    opened_us: int  # when the account was first seen


class Leased(msgspec.Struct, frozen=True):
    """The answer to one ``lease``."""

    given: list[Given]  # in the order of the wants
    wanted: list[int]  # accounts of ``held`` of which another worker lately wanted more than was left


class StandingRow(msgspec.Struct, frozen=True):
    """How one account stands: a row for each bucket in which something was spent, at least one."""

    account: int
    limit_id: str
    subject: str
    bucket: int
    spent: int
    leased: int  # of the whole account, the same in each of its rows
    opened_us: int
