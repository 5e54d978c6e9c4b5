"""What keeps a request out before anything is counted: rules, hours, stopped sessions, loops."""

from __future__ import annotations

from tokenworks.errors import BadRequest, Forbidden, LoopStopped
from tokenworks.gateway.caller import MAX_LABEL, Caller
from tokenworks.gateway.choice import conversation_of
from tokenworks.ledger.record import Record
from tokenworks.plans.allowance import Allowance
from tokenworks.plans.book import Book
from tokenworks.plans.loops import judge
from tokenworks.plans.subscription import CHEAPER, ELSEWHERE, PLAN
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import raw


class Guard:
    """What one worker needs to refuse requests by rule."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def check(
        self,
        allowance: Allowance,
        caller: Caller,
        asked: Asked,
        record: Record,
        now_us: int,
        *,
        named: bool = True,
    ) -> None:
        """Raises what the rules have against this caller and the size of his request.

        Names the session where anything depends on it, unless how it began is still to be found
        (not ``named``).
        """
        if now_us >= allowance.checked_until_us:
            allowance.check(now_us)
        if caller.cleared is not allowance:
            if allowance.clients:
                allowance.check_client(caller.client, caller.app)
            caller.cleared = allowance
        if named and (allowance.by_session or allowance.loops is not None) and not record.session:
            record.session = conversation_of(record, asked.fields)[:MAX_LABEL]
        self.check_stopped(asked, record)
        most = allowance.max_input_tokens
        if most is not None and record.uncached_input_tokens > most:
            raise BadRequest(
                f"this request has about {record.uncached_input_tokens} input tokens; "
                f"key {allowance.name} may send {most} at a time"
            )

    def check_stopped(self, asked: Asked, record: Record) -> None:
        """Raises LoopStopped for a session that somebody has stopped, whatever else limits its key."""
        if not self.book.stops:
            return
        session = record.session or conversation_of(record, asked.fields)[:MAX_LABEL]
        if self.book.stopped(session, record.key_id):
            raise LoopStopped(
                f"session {session} was stopped by an administrator; begin another "
                f"(tokenworks session resume {session})"
            )

    def slowed(self, allowance: Allowance, now_us: int) -> float:
        """By how many seconds fair use slows this key's requests down; 0 for not at all."""
        if not allowance.at_work("slow", now_us):
            return 0.0
        subscription = allowance.subscription
        fair = subscription.spec.fair_use if subscription is not None else None
        return fair.slow_s if fair is not None else 10.0

    def turned(self, allowance: Allowance, asked: Asked, state: str, now_us: int) -> str:
        """Turn the request to the plan's cheaper model where that is done about its key; its state then."""
        subscription = allowance.subscription
        if state != PLAN or subscription is None or not allowance.at_work("cheaper_model", now_us):
            return state
        model = subscription.spec.cheaper_model
        if not model:
            return state
        turn_to(asked, model)
        return CHEAPER

    def state(self, allowance: Allowance, caller: Caller, state: str) -> str:
        """Where the request stands with its plan: one that is not for this client is as good as none."""
        subscription = allowance.subscription
        if state != PLAN or subscription is None or subscription.serves(caller.client, caller.app):
            return state
        return ELSEWHERE

    def look(self, allowance: Allowance, asked: Asked, record: Record) -> bytes:
        """Look at the conversation itself: header lines that warn, or LoopStopped."""
        loops = allowance.loops
        if loops is None or (loops.repeats is None and loops.stale_turns is None):
            return b""
        verdict = judge(asked.fields, loops)
        if verdict.level == "stop":
            raise LoopStopped(verdict.message, rule=verdict.rule, count=verdict.count)
        return warning(verdict.message) if verdict.level else b""


def turn_to(asked: Asked, model: str) -> None:
    """Ask for ``model`` instead, and for no other."""
    for name in ("models", "fallbacks"):
        asked.fields.pop(name, None)
    asked.fields["model"] = raw(model)
    asked.model = model


def warning(message: str) -> bytes:
    """A header line that tells the caller what is about to happen."""
    text = "".join(each if each.isprintable() else " " for each in message[:MAX_LABEL])
    return b"x-tokenworks-warning: %b\r\n" % text.encode("ascii", "replace")


def refused(allowance: Allowance, model: str) -> Forbidden:
    """The rules leave no endpoint of ``model``."""
    return Forbidden(f"key {allowance.name} may not use {model[:MAX_LABEL]!r}; it may use {allowance.says()}")
