"""What would have to change for a plan to pay for itself: its windows, a class's weights, or its price.

Windows and weights are found by bisection, and every value that is told was replayed. A price needs none:
it changes nothing of what is served.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import msgspec

from tokenworks.plans.economics.history import MONTH_US
from tokenworks.plans.economics.replay import Outcome, Replay
from tokenworks.plans.spec import ModelClass, PlanSpec
from tokenworks.schema import NANO_USD

LOSERS = 20  # one subscriber in so many may lose money: 5 %
TARGETS = ("margin", "losers")  # total margin of 0 or more; no more than 5 % lose money

_CENT = NANO_USD // 100
_FINE = 1.001  # how near to each other the last good and the first bad scale are
_SMALLEST, _LARGEST = 1e-5, 1e5  # scales that are tried
_CURVE = tuple(float(f"{10 ** (step / 4):.4g}") for step in range(-6, 7))  # 0.03 to 32

Progress = Callable[[str], None]  # told what is looked for, with every replay


class BreakEven(msgspec.Struct, frozen=True):
    """One answer. ``status``: "found", "always" (nothing has to change that way) or "never"."""

    knob: str  # "windows" | "weights" | "price"
    target: str  # one of TARGETS
    status: str
    detail: str  # a sentence
    class_name: str = ""  # of "weights"
    scale: float | None = None  # of all windows' credits, or of the class's weights
    price_usd: float | None = None  # a month
    plan: PlanSpec | None = None  # the plan with that changed


class Point(msgspec.Struct, frozen=True):
    """How the plan comes out with its windows scaled."""

    scale: float
    margin_nano_usd: int
    losing: int


def meets(outcome: Outcome, target: str) -> bool:
    """Whether ``outcome`` is as good as ``target`` asks."""
    return _meets(outcome.margin_nano_usd, outcome.losing, len(outcome.standings), target)


def _meets(margin_nano_usd: int, losing: int, subscribers: int, target: str) -> bool:
    return margin_nano_usd >= 0 if target == "margin" else losing * LOSERS <= subscribers


def scaled_windows(plan: PlanSpec, scale: float) -> PlanSpec:
    """``plan`` with ``scale`` times the credits in every window."""
    windows = tuple(msgspec.structs.replace(each, credits=each.credits * scale) for each in plan.windows)
    return msgspec.structs.replace(plan, windows=windows)


def scaled_class(plan: PlanSpec, name: str, scale: float) -> PlanSpec:
    """``plan`` with ``scale`` times the weights of the class of this name."""
    classes = tuple(_heavier(each, scale) if each.name == name else each for each in plan.classes)
    return msgspec.structs.replace(plan, classes=classes)


def _heavier(each: ModelClass, scale: float) -> ModelClass:
    read, write = each.cache_read_mtok, each.cache_write_mtok
    return msgspec.structs.replace(
        each,
        input_mtok=each.input_mtok * scale,
        output_mtok=each.output_mtok * scale,
        cache_read_mtok=None if read is None else read * scale,
        cache_write_mtok=None if write is None else write * scale,
        request=each.request * scale,
    )


class Search:
    """Looks for what breaks even. Remembers what was replayed, so two targets cost little more than one."""

    def __init__(self, replay: Replay, progress: Progress | None = None) -> None:
        self._replay = replay
        self._plan = replay.plan
        self._progress = progress
        self._known: dict[tuple[str, float], tuple[int, int]] = {}
        self._now: Outcome | None = None
        self._guesses = dict.fromkeys(TARGETS, 1.0)  # of the scale of weights

    @property
    def now(self) -> Outcome:
        """The plan as it is."""
        if self._now is None:
            self._now = self._replay.run()
        return self._now

    def everything(self) -> list[BreakEven]:
        """All answers: windows, the weights of each class that is used, price; for both targets."""
        self.curve()  # a start for the bisection
        return list(self._all())

    def _all(self) -> Iterator[BreakEven]:
        for target in TARGETS:
            yield self.windows(target)
            for each in self._plan.classes:
                if self._replay.uses(each.name):
                    yield self.weights(each.name, target)
            yield self.price(target)

    def windows(self, target: str) -> BreakEven:
        """The largest scale of all windows' credits that meets ``target``."""

        def answer(status: str, detail: str, scale: float | None = None) -> BreakEven:
            plan = None if scale is None else scaled_windows(self._plan, scale)
            return BreakEven("windows", target, status, detail, scale=scale, plan=plan)

        if not self._plan.windows or not any(each.credits for each in self._plan.windows):
            status = "always" if meets(self.now, target) else "never"
            return answer(status, "the plan has no windows whose credits could be scaled")
        if not self._good("", 0.0, target):
            return answer("never", self._why_never("", 0.0, target, "even with nothing included"))
        most = self._replay.unlimited_scale()
        if math.isinf(most):
            most = _LARGEST
        top = _round_up(max(most, _SMALLEST))
        if self._good("", top, target):
            return answer("always", "it holds with windows of any size, even if they are never used up")
        best = self._bisect("", min(_SMALLEST, top / 10), top, target, good_is_low=True)
        if best is None:
            return answer(
                "never", f"only windows below {_SMALLEST:g} of these would do: sell nothing instead"
            )
        self._guesses[target] = 1 / best
        return answer("found", f"{_times(best)} the credits in every window", best)

    def weights(self, name: str, target: str) -> BreakEven:
        """The smallest scale of the weights of class ``name`` that meets ``target``."""

        def answer(status: str, detail: str, scale: float | None = None) -> BreakEven:
            plan = None if scale is None else scaled_class(self._plan, name, scale)
            return BreakEven("weights", target, status, detail, name, scale=scale, plan=plan)

        if not self._plan.windows:
            status = "always" if meets(self.now, target) else "never"
            return answer(status, "the plan has no windows, so weights count for nothing")
        if self._good(name, 0.0, target):
            return answer("always", f"it holds even if {name} weighs nothing")
        if not self._good(name, _LARGEST, target):
            return answer("never", self._why_never(name, _LARGEST, target, f"even with {name} priced out"))
        best = self._bisect(name, _SMALLEST, _LARGEST, target, good_is_low=False)
        if best is None:
            best = _SMALLEST
        return answer("found", f"{_times(best)} the weights of {name}", best)

    def price(self, target: str) -> BreakEven:
        """The lowest price in whole cents that meets ``target``; what is served does not depend on it."""
        months = self._replay.history.span_us
        net = sorted(
            (each.cost_nano_usd - each.overflow_nano_usd for each in self.now.standings), reverse=True
        )
        if not net:
            return BreakEven("price", target, "always", "there are no subscribers")
        of_all = -(-max(sum(net), 0) // len(net))
        needed = of_all if target == "margin" else max(net[len(net) // LOSERS], 0)
        cents = -(-needed * MONTH_US // (months * _CENT))
        if cents * _CENT * months // MONTH_US < needed:  # the fee of the span is rounded down
            cents += 1
        price = cents / 100
        plan = msgspec.structs.replace(self._plan, price_usd=price)
        status = "found" if cents else "always"
        return BreakEven(
            "price", target, status, f"${price:,.2f} a month", price_usd=price, plan=plan if cents else None
        )

    def curve(self) -> list[Point]:
        """The plan with its windows scaled up and down; empty without windows."""
        if not any(each.credits for each in self._plan.windows):
            return []
        found = []
        for scale in _CURVE:
            margin, losing = self._try("", scale)
            found.append(Point(scale, margin, losing))
        return found

    def _bisect(self, name: str, low: float, high: float, target: str, *, good_is_low: bool) -> float | None:
        """The outermost good scale; None where the end that should be good is not."""
        if not self._good(name, low if good_is_low else high, target):
            return None
        if self._good(name, high if good_is_low else low, target):
            return high if good_is_low else low

        def below(scale: float) -> bool:  # what is looked for is not below this scale
            return self._good(name, scale, target) == good_is_low

        low, high = self._bracket(name, low, high, below, last=good_is_low)
        if name:
            low, high = _near(self._guesses[target], low, high, below)
        while high / low > _FINE:
            middle = float(f"{math.sqrt(low * high):.5g}")
            if not low < middle < high:
                break
            if below(middle):
                low = middle
            else:
                high = middle
        return low if good_is_low else high

    def _bracket(
        self, name: str, low: float, high: float, below: Callable[[float], bool], *, last: bool
    ) -> tuple[float, float]:
        """The ``last`` or first place between scales that were tried where good and bad meet."""
        tried = sorted(scale for known, scale in self._known if known == name and low < scale < high)
        scales = [low, *tried, high]
        sides = [True, *map(below, tried), False]
        steps = [at for at in range(len(scales) - 1) if sides[at] and not sides[at + 1]]
        step = steps[-1 if last else 0]
        return scales[step], scales[step + 1]

    def _good(self, name: str, scale: float, target: str) -> bool:
        margin, losing = self._try(name, scale)
        return _meets(margin, losing, len(self.now.standings), target)

    def _try(self, name: str, scale: float) -> tuple[int, int]:
        """Margin and losers; ``name``: of a class, "" for the windows."""
        found = self._known.get((name, scale))
        if found is None:
            if self._progress is not None:
                self._progress(f"weights of {name}" if name else "windows")
            scaled = scaled_class(self._plan, name, scale) if name else scaled_windows(self._plan, scale)
            outcome = self._replay.run(scaled)
            found = self._known[name, scale] = outcome.margin_nano_usd, outcome.losing
        return found

    def _why_never(self, name: str, scale: float, target: str, case: str) -> str:
        margin, losing = self._try(name, scale)
        if target == "margin":
            sign = "-" if margin < 0 else ""
            return f"{case} the margin is {sign}${abs(margin) / NANO_USD:,.2f}"
        return f"{case} {losing:,} of {len(self.now.standings):,} lose money"


def _near(guess: float, low: float, high: float, below: Callable[[float], bool]) -> tuple[float, float]:
    """Narrow the bracket from a guess outwards, in steps that grow."""
    factor = 1.02
    if not low < guess < high:
        return low, high
    rising = below(guess)
    while low < guess < high:
        if below(guess):
            low = guess
            if not rising:
                break
        else:
            high = guess
            if rising:
                break
        guess = float(f"{guess * factor if rising else guess / factor:.5g}")
        factor *= factor
    return low, high


def _times(scale: float) -> str:
    return f"{scale:.5g} times"


def _round_up(scale: float) -> float:
    return float(f"{scale * 1.001:.5g}")
