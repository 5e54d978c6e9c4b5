"""What a decision that was carried out tells of the models that were asked.

The weight of an observation follows from the kind of evidence alone, never from how it came out: else sure
results would count more than doubtful ones, and every model would look better than it is (or worse).
"""

from __future__ import annotations

from tokenworks.ledger.decided import Outcome
from tokenworks.routing.decision import Decision, Step, named

# How much is learnt from what, in verdicts of people.
AGREEMENT_WEIGHT = 0.3
CHECKS_WEIGHT = 0.1
SAME = 0.5  # two answers that agree as far say the same
LOOKED_AT = frozenset({"accepted", "doubted", "shadow"})
SAME_MISTAKE = 0.3  # P(two wrong answers agree), of models of different families


def observed(decision: Decision) -> tuple[Outcome, ...]:
    """Of each model whose answer was looked at: how sure it is that it was right, and what that counts.

    An answer that was compared with the one before it tells of both. One that only passed through the checks
    tells little, and one that nobody looked at nothing.
    """
    found: list[Outcome] = []
    answered = [step for step in decision.steps if step.outcome != "failed"]
    for at, step in enumerate(answered):
        later = answered[at + 1] if at + 1 < len(answered) else None
        if later is not None and later.agrees is not None:
            right = _after(decision, step, later, later)
        elif step.agrees is not None and at:
            right = _after(decision, step, answered[at - 1], step)
        elif step.outcome in LOOKED_AT:
            found.append(Outcome(step.model, step.right, CHECKS_WEIGHT))
            continue
        else:
            continue
        found.append(Outcome(step.model, right, AGREEMENT_WEIGHT))
    return tuple(found)


def _after(decision: Decision, one: Step, other: Step, later: Step) -> float:
    """P(``one`` is right) once it was compared with ``other``; ``later`` of the two has what came out.

    Answers that say the same are right or wrong together, and how likely that is was worked out then.
    """
    if later.agrees is not None and later.agrees >= SAME and later.right > 0:
        return later.right
    return _compared(decision, one, other, later.agrees or 0.0)


def _compared(decision: Decision, one: Step, other: Step, agrees: float) -> float:
    """P(``one`` is right) once it is known how far ``other`` agrees with it, by Bayes.

    Both are right or wrong independently; two right answers agree.
    """
    mine, theirs = _before(decision, one), _before(decision, other)
    both, neither = mine * theirs, (1 - mine) * (1 - theirs)
    if_same = _share(both, both + neither * SAME_MISTAKE)
    mine_alone, theirs_alone = mine * (1 - theirs), theirs * (1 - mine)
    if_not = _share(mine_alone, mine_alone + theirs_alone + neither * (1 - SAME_MISTAKE))
    same = min(max(agrees, 0.0), 1.0)
    return same * if_same + (1 - same) * if_not


def _before(decision: Decision, step: Step) -> float:
    candidate = named(decision.candidates, step.model)
    return candidate.right if candidate is not None else 0.5


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
