"""Words for how much to think, and the tokens they stand for."""

from __future__ import annotations

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Reasoning

# Share of the output that may be thought.
SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95, "max": 0.95}
EFFORTS = ("none", *SHARES)
LOWEST = "low"  # that every model knows which knows any, for those that can't be switched off
LEAST_BUDGET = 1024  # tokens; smaller ones are refused
DEFAULT_OUTPUT = 32_000  # tokens, where nobody tells the most

_NEAREST = {effort: share for effort, share in SHARES.items() if effort != "max"}


def known(effort: str) -> str:
    """``effort`` in lower case. Raises BadRequest for one that nobody knows."""
    effort = effort.lower()
    if effort and effort not in EFFORTS:
        raise BadRequest(f"the reasoning effort '{effort}' is unknown; it is one of {', '.join(EFFORTS)}")
    return effort


def thinks(reasoning: Reasoning | None) -> bool | None:
    """Is thinking asked for? None where nothing is said."""
    if reasoning is None:
        return None
    if reasoning.enabled is False or reasoning.effort == "none" or reasoning.max_tokens == 0:
        return False
    return True if reasoning.enabled or reasoning.effort or reasoning.max_tokens else None


def effort_of(reasoning: Reasoning, most: int) -> str:
    """The word that says ``reasoning``: "none" for off, empty where no measure is given.

    ``most`` is the most tokens the output may have.
    """
    if thinks(reasoning) is False:
        return "none"
    if reasoning.effort or not reasoning.max_tokens:
        return reasoning.effort
    share = reasoning.max_tokens / most
    return min(_NEAREST, key=lambda effort: abs(_NEAREST[effort] - share))


def budget_of(reasoning: Reasoning, most: int) -> int | None:
    """Tokens for thinking that say ``reasoning``; None where no measure is given."""
    if reasoning.max_tokens:
        return reasoning.max_tokens
    share = SHARES.get(reasoning.effort)
    return None if share is None else max(LEAST_BUDGET, int(most * share))
