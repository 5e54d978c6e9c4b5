"""One request for ``auto`` on its way from model to model, and the story of it."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from tokenworks.ledger.decided import Call, Decided
from tokenworks.ledger.decided import encode as encode_decided
from tokenworks.ledger.record import Record
from tokenworks.routing import cascade, decision
from tokenworks.routing.calibration import leader
from tokenworks.routing.cascade import Evidence, Option, Route, Seen, Verdict
from tokenworks.routing.checks import Answer, Expected, Finding
from tokenworks.routing.checks import run as run_checks
from tokenworks.routing.decision import Decision, Step
from tokenworks.routing.extracted import final, numeric
from tokenworks.routing.knobs import FIELDS
from tokenworks.routing.observed import observed
from tokenworks.schema import NANO_USD, Price, Usage
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import raw

log = logging.getLogger(__name__)

SHADOW = "shadow"  # path and kind of a call that only teaches
LEFT = ("client_gone", "shutdown")  # outcomes after which nobody is asked any more
FALLBACKS = 2  # further models that are asked where all endpoints of one fail
_MOST_WHY = 160


Keep = Callable[[bytes, bool], object]  # an answer as it goes out, and whether nothing speaks against it


class Judges(Protocol):
    """What is known beyond one request."""

    def agreement(self, one: str, other: str, task: str) -> float | None:
        """How far two answers say the same, 0..1; None where that can't be told."""

    def pattern(self, answers: Sequence[str], task: str) -> str:
        """Who agrees with whom, as ``routing.calibration`` has it; "" where that can't be told."""

    def usual_output(self, task: str, model: str) -> float:
        """Output tokens that this model mostly writes at such a task; 0: not known."""


class Taken(msgspec.Struct):
    """An answer that came. ``render`` makes it anew for another total of nano-dollars, where that works."""

    model: str
    id: str
    time_us: int
    answer: Answer
    usage: Usage
    render: Callable[[int], bytes] | None = None
    right: float = 0.0  # after it was judged
    findings: tuple[Finding, ...] = ()
    sound: bool = True  # nothing speaks against serving it at all
    keep: Keep | None = None  # to be told what its caller got, once he does


class Course:
    """Made once for a request; asked by its exchanges and by what runs the cascade."""

    def __init__(
        self,
        told: Decision,
        route: Route,
        prices: Mapping[str, Price],
        judges: Judges,
        expected: Expected | None = None,
        suffix: str = "",
    ) -> None:
        """``prices`` by model; ``expected`` of None: the answer is served as it comes; ``suffix`` goes behind
        the name of every model that is asked.
        """
        self.decision = told
        self.route = route
        self.prices = prices
        self.judges = judges
        self.expected = expected
        self.suffix = suffix
        self.cheap: Sequence[Option] = route.cheap if route.checked and expected is not None else ()
        self.at = 0  # whose turn it is: one of ``cheap``, or behind them the last one
        self.after: Callable[[], None] | None = None  # to be done when it was served
        self.outcome = ""  # of the model that was asked last
        self.verdict: Verdict | None = None  # of the answer that came last
        self.taken: list[Taken] = []
        self.served: Taken | None = None
        self.calls: list[Call] = []
        self.spent_nano_usd = 0
        self.closed = False  # nobody is asked any more
        self._asked = False  # anybody was
        self._strong_nano_usd: int | None = None  # what the strong model's answer cost, where it gave one

    @property
    def checked(self) -> bool:
        """Whether any answer is looked at before it is served."""
        return bool(self.cheap)

    @property
    def last(self) -> bool:
        """Whether the answer of the model whose turn it is will be served whatever it is."""
        return self.at >= len(self.cheap)

    @property
    def model(self) -> str:
        """The one whose turn it is."""
        if not self.last:
            return self.cheap[self.at].model
        return self.route.strong.model if self.checked else self.route.first.model

    @property
    def right(self) -> float:
        """P(the answer that is served is right), as far as it is known by now."""
        served, told = self.served, self.decision
        if served is None:
            return told.expected_right
        if self.verdict is not None and self.verdict.step == "accept":
            return self.verdict.right
        before = decision.named(told.candidates, served.model)
        return served.right or (before.right if before is not None else told.expected_right)

    @property
    def doubted(self) -> bool:
        """The last answer is not good enough to be served."""
        return self.verdict is not None and self.verdict.step != "accept"

    @property
    def best(self) -> Taken | None:
        """Of the answers that were doubted, the one that is right most likely."""
        if self.decision.path == SHADOW:
            return None  # what it is compared with was served long ago
        return max(self.taken, key=lambda taken: (taken.sound, taken.right), default=None)

    # --- from exchanges -----------------------------------------------------------------------

    @property
    def listens(self) -> bool:
        """Whether what the answer says matters."""
        return self.checked or self.after is not None or bool(self.taken)

    def heard(
        self, answer: Answer, record: Record, usage: Usage, render: Callable[[int], bytes] | None = None
    ) -> None:
        """An answer is complete and not yet settled: is it good enough? ``verdict`` says so."""
        before = next((each for each in reversed(self.taken) if each.sound), None)
        taken = Taken(record.model, record.id, record.time_us, answer, usage, render)
        self.taken.append(taken)
        try:
            self._look_at(taken, before)
        except Exception:  # a mistake of ours is no reason to lose an answer
            log.exception("the answer of %s can't be judged", record.model)
            self._unjudged(taken)

    def keeps(self, record_id: str, keep: Keep) -> None:
        """Tell ``keep`` when the answer with that id is served, if it ever is."""
        for taken in self.taken:
            if taken.id == record_id:
                taken.keep = keep

    def _unjudged(self, taken: Taken) -> None:
        if any(step.id == taken.id for step in self.decision.steps):
            return  # it was judged, and told
        taken.right, self.served, self.verdict = 0.0, taken, None
        word = SHADOW if self.decision.path == SHADOW else "served"
        if not self.last and self.expected is not None:
            self.served, self.verdict, word = None, Verdict("strong", 0.0, "not judged"), "doubted"
        self._note(taken, word, (), None, "it could not be judged; see the server's log")

    def _look_at(self, taken: Taken, before: Taken | None) -> None:
        task, answer, agrees = self.decision.task, taken.answer, None
        if before is not None:
            agrees = self.judges.agreement(before.answer.text, answer.text, task)
        if self.expected is not None and self.checked:
            taken.findings = run_checks(answer, self.expected)
            taken.sound = not any(each.fatal and not each.ok for each in taken.findings)
        if self.last or self.expected is None:
            self._take_last(taken, agrees)
            return
        verdict = cascade.judge(self.route, self._evidence(agrees), task=task, quality=self.decision.quality)
        taken.right = verdict.right
        if verdict.step != "accept" and not self._affordable(verdict.step, taken):
            verdict = Verdict("accept", verdict.right, f"{verdict.why}; another call would exceed max_cost")
            self.served = self.best
        elif verdict.step == "accept":
            sound = self._sound
            self.served = sound[verdict.serve] if verdict.serve < len(sound) else taken
        self.verdict = verdict
        word = "accepted" if verdict.step == "accept" else "doubted"
        self._note(taken, word, taken.findings, agrees, verdict.why)

    def _take_last(self, taken: Taken, agrees: float | None) -> None:
        """Nobody is left to ask: this answer is served, unless it is none and one before it is."""
        sound = [each for each in self.taken if each.sound]
        self.verdict, self.served = None, taken
        if not taken.sound and sound:
            self.served = max(sound, key=lambda each: each.right)
        word = SHADOW if self.decision.path == SHADOW else "served" if self.served is taken else "doubted"
        self._note(taken, word, taken.findings, agrees, "")

    def _affordable(self, step: str, taken: Taken) -> bool:
        """Whether the next call likely stays within what the request may cost."""
        most = self.decision.max_cost_usd
        if most is None:
            return True
        more = step == "second" and self.at + 1 < len(self.cheap)
        later = self.cheap[self.at + 1] if more else self.route.strong
        price = self.prices.get(taken.model)
        spent = self.spent_nano_usd + (price.cost_nano_usd(taken.usage) if price is not None else 0)
        return spent / NANO_USD + later.cost_usd <= most

    @property
    def _sound(self) -> list[Taken]:
        """The answers that may be served; the last one where none may."""
        return [each for each in self.taken if each.sound] or self.taken[-1:]

    def _evidence(self, agrees: float | None) -> Evidence:
        sound, task = self._sound, self.decision.task
        rights = {each.model: each.right for each in self.cheap}
        pattern = ""
        if len(sound) > 1:
            pattern = self.judges.pattern([each.answer.text for each in sound], task)
        priors = tuple(rights.get(each.model, self.route.first.right) for each in sound)
        leads = sound[leader(pattern, priors)] if pattern else sound[-1]
        return Evidence(
            right=priors[0],
            findings=leads.findings,
            agrees=agrees if len(sound) > 1 else None,
            seen=tuple(self._seen(each, task) for each in sound),
            prompt_chars=len(self.expected.prompt) if self.expected is not None else 0,
            pattern=pattern,
        )

    def _seen(self, taken: Taken, task: str) -> Seen:
        usual, wrote = self.judges.usual_output(task, taken.model), taken.usage.output_tokens
        thought = math.log(wrote / usual) if usual > 0 and wrote > 0 else 0.0
        said = final(taken.answer.text) or ""
        return Seen(thought, numeric(said) is not None, len(said))

    def _note(
        self, taken: Taken, word: str, findings: tuple[Finding, ...], agrees: float | None, why: str
    ) -> None:
        failed = tuple(each.check for each in findings if not each.ok)
        rounded = None if agrees is None else round(agrees, 4)
        step = Step(
            taken.model,
            taken.id,
            word,
            right=round(taken.right if taken.sound else 0.0, 4),
            failed_checks=failed,
            agrees=rounded,
            why=why[:_MOST_WHY],
        )
        self.decision.steps = (*self.decision.steps, step)

    def settling(self, record: Record, outcome: str, usage: Usage | None = None) -> None:
        """``record`` is complete and about to be written; the last one carries the decision."""
        self._asked = True
        self._settled(record, outcome, usage)

    def refused(self, record: Record, outcome: str, *, for_all: bool) -> None:
        """Nobody was asked: ``record`` is about to be written. ``for_all``: nobody else would be either."""
        if for_all:
            self.at = len(self.cheap)
        self._settled(record, outcome, None)

    def _settled(self, record: Record, outcome: str, usage: Usage | None) -> None:
        if self.closed:
            return
        self.outcome = outcome
        cost_usd = record.cost_nano_usd / NANO_USD
        if usage is not None:
            self._count(record, usage)
        steps = self.decision.steps
        if steps and steps[-1].id == record.id:
            self.decision.steps = (*steps[:-1], msgspec.structs.replace(steps[-1], cost_usd=cost_usd))
        else:
            word = "served" if outcome == "ok" else "failed"
            why = outcome if outcome != "ok" else ""
            model = record.model or self.model
            self.decision.steps = (*steps, Step(model, record.id, word, cost_usd, why=why))
        if outcome == "ok" and record.model == self.decision.strong:
            self._strong_nano_usd = record.cost_nano_usd
        if not self._goes_on(outcome):
            self._close(record, outcome, usage)

    def _goes_on(self, outcome: str) -> bool:
        if self.last or outcome in LEFT:
            return False
        return self.doubted if outcome == "ok" else True

    def _count(self, record: Record, usage: Usage) -> None:
        self.spent_nano_usd += record.cost_nano_usd
        call = Call(
            record.model,
            usage.input_tokens,
            usage.cache_read_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            record.cost_nano_usd,
        )
        self.calls.append(call)

    def _close(self, record: Record, outcome: str, usage: Usage | None) -> None:
        self.closed = True
        told, served = self.decision, self.served
        if served is None and outcome not in ("ok", "client_gone"):
            served = self.served = self.best
        if not self._asked:
            return  # nothing was decided that anybody could learn from
        answered = served is not None or outcome == "ok"
        if served is not None:
            usage = served.usage
        told.served = (served.model if served is not None else record.model) if answered else ""
        first = decision.named(told.candidates, self.route.first.model)
        try:
            record.decision = encode_decided(
                Decided(
                    told.task,
                    told.path,
                    told.strong,
                    first.propensity if first is not None else 1.0,
                    self.spent_nano_usd,
                    self._baseline(usage) if answered and usage is not None and told.path != SHADOW else 0,
                    decision.encode(told),
                    tuple(self.calls),
                    observed(told),
                    served.id if served is not None else "",
                    told.served,
                    served.time_us if served is not None else 0,
                )
            )
        except Exception:  # the request is settled all the same
            log.exception("the decision of %s can't be written down", record.id)

    def _baseline(self, usage: Usage) -> int:
        """What the strong model costs for this: what it did where it answered, else for the same tokens."""
        if self._strong_nano_usd is not None:
            return self._strong_nano_usd
        price = self.prices.get(self.decision.strong)
        return price.cost_nano_usd(usage) if price is not None else 0

    # --- from what runs the cascade -----------------------------------------------------------

    def advance(self, *, answered: bool) -> None:
        """On to the next model. ``answered``: the one before it gave an answer, which was doubted."""
        step = self.verdict.step if answered and self.verdict is not None else "strong"
        self.at = self.at + 1 if step == "second" else len(self.cheap)
        self.verdict, self.outcome = None, ""

    def turn(self, asked: Asked) -> Asked:
        """``asked`` for the model whose turn it is; of the last one also for those that stand in for it.

        These are the models that the caller names himself, unless a rule has chosen.
        """
        made = copy.copy(asked)
        made.fields = fields = dict(asked.fields)
        told, model = self.decision, self.model + self.suffix
        named = [name for name in ("models", "fallbacks") if name in fields]
        stands_in = self.last and told.path != SHADOW
        theirs = stands_in and not told.rule and bool(named)
        for name in (*FIELDS, *(() if theirs else named)):
            fields.pop(name, None)
        made.model = model
        fields["model"] = raw(model)
        if stands_in and not theirs and told.path != "rule":
            asked_already = {self.model, *(step.model for step in told.steps)}
            others = [each for each in told.candidates if each.model not in asked_already]
            others.sort(key=lambda each: -each.right)
            if others:
                fields["models"] = raw([model, *(each.model + self.suffix for each in others[:FALLBACKS])])
        return made

    def line(self) -> bytes:
        """The header line that tells the caller what was decided."""
        told = self.decision
        models = ">".join(step.model for step in told.steps) or self.model
        text = (
            f"{told.path}; task={told.task}; models={models}; right={self.right:.2f}; "
            f"expected_cost={told.expected_cost_usd:.6f}; strong={told.strong}; why={told.why}"
        )
        clean = "".join(each if each.isprintable() else " " for each in text[:400])
        return b"x-tokenworks-decision: %b\r\n" % clean.encode("ascii", "replace")
