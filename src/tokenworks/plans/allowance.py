"""What one key may do: its own rules, limits and plan, and those of its team, its app and its users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tokenworks.config.glob import lets_in, matches
from tokenworks.errors import Forbidden, PaymentRequired
from tokenworks.ledger.limit_rows import ActionRow, LimitRow
from tokenworks.plans.account import FOREVER, MONEY, Account, Kind, kind_of
from tokenworks.plans.block import Block
from tokenworks.plans.hours import Hours
from tokenworks.plans.leases import Leases
from tokenworks.plans.rules import LoopRules, Rules
from tokenworks.plans.subscription import Subscription
from tokenworks.plans.window import Window, parse
from tokenworks.schema import Endpoint, Price, PriceTier

_MOST = (Kind.MOST_USD, Kind.MOST_INPUT_TOKENS, Kind.MOST_OUTPUT_TOKENS, Kind.MOST_TOKENS)
LOOP_SPEND = "loop:spend"
_EXPECTED = (Kind.OUTPUT_TOKENS, Kind.TOKENS)  # of which a request takes as much as is expected
MAX_SUBJECTS = 10_000  # apps, users or sessions of one limit that are remembered
TYPICAL_OUTPUT = 512  # tokens, before anything is known of a key


class Template(NamedTuple):
    """A limit of each app, user or session, which is known only with the request."""

    limit_id: str
    scope: str
    subject: str  # "*": each for itself
    prefix: str  # of the account's subject: sessions of two keys are two sessions
    unit: str
    kind: int
    cap: int
    window: Window
    known: dict[str, Account]

    def account(self, leases: Leases, subject: str) -> Account | None:
        """The account of ``subject``; None where this limit is another's."""
        account = self.known.get(subject)
        if account is None or leases.accounts.get(account.id) is not account:
            if not subject or self.subject not in ("*", subject):
                return None
            if len(self.known) >= MAX_SUBJECTS:
                self.known.clear()
            name = subject
            account = Account(
                self.limit_id,
                self.prefix + subject,
                self.scope,
                name,
                self.unit,
                self.kind,
                self.cap,
                self.window,
            )
            account = self.known[subject] = leases.keep(account)
        return account


class Permit(msgspec.Struct, frozen=True):
    """The rules of a key or a team, ready to be asked."""

    rules: Rules
    hours: Hours | None


class Allowance:
    """Made for a key when it is first used after a change."""

    def __init__(
        self,
        key_id: str,
        name: str,
        *,
        rules: Sequence[Rules],
        accounts: Sequence[Account],
        templates: Sequence[Template],
        subscription: Subscription | None,
        action: ActionRow | None,
    ) -> None:
        self.key_id = key_id
        self.name = name
        self.permits = tuple(
            Permit(each, Hours(each.hours, each.timezone) if each.hours else None) for each in rules
        )
        self.action = action
        self.subscription = subscription
        self.templates = tuple(templates)
        self.rates = tuple(a for a in accounts if a.kind not in MONEY)
        self.money = tuple(a for a in accounts if a.kind in MONEY)
        self.meters = self.rates + self.money  # of a key without a plan
        self.of_plan = self.rates
        self.of_wallet = self.meters
        if subscription is not None:
            self.of_plan = self.rates + subscription.meters
            self.of_wallet = self.meters + subscription.wallet
        # The shortest window is the one to be told of.
        self.told_requests = _shortest(self.rates, "requests")
        self.told_tokens = _shortest(self.rates, "tokens") or _shortest(self.rates, "input_tokens")
        kinds = {a.kind for a in self.of_wallet} | {t.kind for t in templates}
        self.strict = not kinds.isdisjoint(_MOST)
        self.cost_kind = int(Kind.MOST_USD if Kind.MOST_USD in kinds else Kind.USD)
        self.by_session = any(t.scope == "session" for t in templates)
        self.loops = strictest([each.loops for each in rules if each.loops is not None])
        self.restricts = any(
            each.models
            or each.providers
            or each.max_input_mtok is not None
            or each.max_output_mtok is not None
            for each in rules
        )
        self.routing = next((each.routing for each in rules if each.routing is not None), None)
        said = {each.capture for each in rules} - {None}
        self.capture = None if not said else False not in said  # a no, of key or team, is stronger
        self.private = any(each.private for each in rules)  # here a yes, of key or team, is stronger
        self.max_input_tokens = _least([each.max_input_tokens for each in rules])
        self.max_output_tokens = _least([each.max_output_tokens for each in rules])
        self.clients = any(each.clients for each in rules)
        self.typical = TYPICAL_OUTPUT  # output tokens of its requests lately
        # What is expected of a request that names no limit: with more than this of a limit on tokens, one
        # long answer would make all that follow look too large.
        limits: list[Account | Template] = [*accounts, *templates]
        caps = [each.cap for each in limits if each.kind in _EXPECTED]
        self.most_typical = max(min(caps, default=FOREVER) // 4, 1)
        self.most_credits = min((each.cap for each in subscription.windows), default=0) if subscription else 0
        self.checked_until_us = 0
        # Nothing about it depends on the request: a stock of requests may be taken for it in advance.
        self.plain = not (templates or subscription or self.loops or action) and (
            self.max_output_tokens is None and bool(accounts)
        )
        self.block: Block | None = None
        # Nothing is to be asked about a request but the time.
        self.easy = not (self.clients or self.by_session or self.loops) and self.max_input_tokens is None
        self._allowed: dict[tuple[str, str, str], bool] = {}

    def stock(self, leases: Leases) -> None:
        """Let most of its requests come out of a stock."""
        if self.plain:
            self.block = Block(self.meters, leases, self.typical)

    def retire(self) -> None:
        """Another allowance takes its place."""
        if self.block is not None:
            self.typical = self.block.typical
            self.block.retire()

    def check(self, now_us: int) -> None:
        """Raises Forbidden outside of the allowed hours, or while the key is suspended."""
        until_us = FOREVER
        action = self.action
        if action is not None and (action.until_us is None or now_us < action.until_us):
            if action.action == "suspend":
                raise Forbidden(
                    f"key {self.name} is suspended for its use; an administrator can lift it "
                    f"(tokenworks fair-use lift {self.key_id})"
                )
            if action.action == "metered" and self.subscription is not None:
                raise PaymentRequired(
                    f"the use of key {self.name} looks automated, which its plan is not for; "
                    "use a metered key"
                )
            if action.until_us is not None:
                until_us = action.until_us
        elif action is not None:  # its time is over
            self.action = None
        for permit in self.permits:
            if permit.hours is not None:
                if not permit.hours.allows(now_us):
                    opens_s = (permit.hours.opens_us(now_us) - now_us) / 1e6
                    raise Forbidden(
                        f"key {self.name} may be used only at {', '.join(permit.rules.hours)} "
                        f"({permit.rules.timezone})",
                        retry_after_s=opens_s,
                    )
                until_us = min(until_us, permit.hours.until_us(now_us))
        self.checked_until_us = until_us

    def check_client(self, client: str, app: str) -> None:
        """Raises Forbidden for a client that the rules don't name."""
        for permit in self.permits:
            clients = permit.rules.clients
            if not lets_in(clients, client, app):
                raise Forbidden(
                    f"key {self.name} may be used only by {', '.join(clients)}, "
                    f"not by {client or 'a client without a user-agent'!r}"
                )

    def allows(self, endpoint: Endpoint) -> bool:
        """Whether the rules permit this endpoint: its model, its provider and its price."""
        key = (endpoint.model, endpoint.provider, endpoint.price.id)
        found = self._allowed.get(key)
        if found is None:
            if len(self._allowed) >= MAX_SUBJECTS:
                self._allowed.clear()
            found = self._allowed[key] = all(_allows(permit.rules, endpoint) for permit in self.permits)
        return found

    def says(self) -> str:
        """The rules about endpoints, for messages."""
        parts = []
        for permit in self.permits:
            rules = permit.rules
            parts += [f"models {', '.join(rules.models)}"] if rules.models else []
            parts += [f"providers {', '.join(rules.providers)}"] if rules.providers else []
            if rules.max_input_mtok is not None:
                parts.append(f"input at ${rules.max_input_mtok:g} per million tokens at most")
            if rules.max_output_mtok is not None:
                parts.append(f"output at ${rules.max_output_mtok:g} per million tokens at most")
        return "; ".join(parts)

    def at_work(self, action: str, now_us: int) -> bool:
        """Whether this is being done about the key now."""
        acts = self.action
        return (
            acts is not None and acts.action == action and (acts.until_us is None or now_us < acts.until_us)
        )


def accounts_of(rows: Sequence[LimitRow], leases: Leases, name: str) -> list[Account]:
    """The accounts of limits whose subject is known: keys and teams."""
    return [
        leases.keep(
            Account(
                row.id,
                row.subject,
                row.scope,
                name,
                row.unit,
                kind_of(row.unit, strict=row.strict),
                row.amount,
                parse(row.window, row.timezone),
            )
        )
        for row in rows
    ]


def template_of(row: LimitRow, key_id: str) -> Template:
    """A limit of apps, users or sessions."""
    prefix = f"{key_id}/" if row.scope == "session" else ""
    return Template(
        row.id,
        row.scope,
        row.subject,
        prefix,
        row.unit,
        kind_of(row.unit, strict=row.strict),
        row.amount,
        parse(row.window, row.timezone),
        {},
    )


def strictest(loops: Sequence[LoopRules]) -> LoopRules | None:
    """The loop rules of a key and its team as one: of each, the lower."""
    if len(loops) < 2:
        return loops[0] if loops else None
    names = LoopRules.__struct_fields__
    lowest = {
        name: min((value for each in loops if (value := getattr(each, name)) is not None), default=None)
        for name in names
    }
    return LoopRules(**lowest)


def loop_templates(loops: LoopRules, key_id: str, *, never: int = 10**15) -> list[Template]:
    """The caps of a session as limits. A wall clock needs an account too: it tells when it began."""
    lifetime = parse("lifetime")
    found = []
    if loops.iterations is not None or loops.wall_clock_s is not None:
        cap = loops.iterations if loops.iterations is not None else never
        found.append(
            Template("loop:iterations", "session", "*", f"{key_id}/", "requests", 2, cap, lifetime, {})
        )
    if loops.spend_usd is not None:
        cap = round(loops.spend_usd * 1_000_000_000)
        found.append(
            Template(LOOP_SPEND, "session", "*", f"{key_id}/", "usd", int(Kind.MOST_USD), cap, lifetime, {})
        )
    return found


def _allows(rules: Rules, endpoint: Endpoint) -> bool:
    if not (matches(rules.models, endpoint.model) and matches(rules.providers, endpoint.provider)):
        return False
    prices: list[Price | PriceTier] = [endpoint.price, *endpoint.price.tiers]  # long input may be dearer
    if rules.max_input_mtok is not None and max(each.input_mtok for each in prices) > rules.max_input_mtok:
        return False
    most = rules.max_output_mtok
    return most is None or max(each.output_mtok for each in prices) <= most


def _shortest(accounts: Sequence[Account], unit: str) -> Account | None:
    found = [account for account in accounts if account.unit == unit and account.window.kind != "lifetime"]
    return min(found, key=lambda account: account.window.span_s or 86_400, default=None)


def _least(values: Sequence[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)
