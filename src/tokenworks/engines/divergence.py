"""How far one reading of a model is from another: the same tokens, once with each setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import msgspec

LEAST = 1e-12  # share that a model is taken to leave to all that it is not asked about
NOTHING = 1e-9  # a share as small as this adds nothing


class Position(msgspec.Struct, frozen=True):
    """One token of an answer, and what the model thought of that place."""

    token: int
    logprob: float  # of this token, natural logarithm
    top: Mapping[int, float]  # the likeliest tokens' log-probabilities

    @property
    def likeliest(self) -> int:
        return max(self.top, key=lambda token: self.top[token])


class Reading(msgspec.Struct, frozen=True):
    """An answer, token by token."""

    positions: tuple[Position, ...]
    ended: bool = True  # by itself; else it was cut at its longest length

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(each.token for each in self.positions)


class Divergence(msgspec.Struct, frozen=True):
    """A setting against the reference, over all prompts."""

    prompts: int
    tokens: int  # compared, all prompts together
    mean_logprob_difference: float  # absolute, of the reference answer's tokens
    max_logprob_difference: float
    mean_kl: float  # nats a token, from the reference; see ``kl``
    top_agreement: float  # share of positions with the same likeliest token
    identical: float  # share of prompts whose own greedy answers are the same tokens
    first_divergence: float | None  # mean position of the first other token, of answers that differ


def kl(reference: Mapping[int, float], other: Mapping[int, float], top: int) -> float:
    """Kullback-Leibler divergence over the reference's ``top`` tokens and all others as one, in nats.

    Putting the others together makes it a lower bound of the whole. So does what is taken of those tokens
    that ``other`` does not name: none is likelier than the least likely one that it names, and together they
    have of what is left there whatever makes the sum least.
    """
    kept = sorted(reference.items(), key=lambda each: -each[1])[:top]
    named = [(math.exp(mine), math.exp(other[token])) for token, mine in kept if token in other]
    unnamed = [math.exp(mine) for token, mine in kept if token not in other]
    mine = sum(unnamed)
    rest = max(0.0, 1 - mine - sum(probability for probability, _ in named))
    left = max(LEAST, 1 - sum(theirs for _, theirs in named))
    pairs = [*named, (rest, left)]
    if unnamed:
        theirs = min(left * mine / (mine + rest), len(unnamed) * math.exp(min(other.values())))
        pairs[-1:] = [(mine, max(LEAST, theirs)), (rest, max(LEAST, left - theirs))]
    return max(0.0, sum(one * math.log(one / another) for one, another in pairs if one > NOTHING))


def compare(
    references: Sequence[Reading], forced: Sequence[Reading], own: Sequence[Reading], top: int
) -> Divergence:
    """``references`` are greedy answers; ``forced`` the same tokens read with the other setting, which gave
    ``own`` greedy answers. All three in one order, and not all empty.
    """
    differences, divergences, agreed, first = [], [], 0, []
    for reference, read, answer in zip(references, forced, own, strict=True):
        for one, other in zip(reference.positions, read.positions, strict=True):
            assert one.token == other.token, "the answer was not read token by token"
            differences.append(abs(one.logprob - other.logprob))
            divergences.append(kl(one.top, other.top, top))
            agreed += one.likeliest == other.likeliest
        if (answer.tokens, answer.ended) != (reference.tokens, reference.ended):
            first.append(_first_difference(reference, answer))
    return Divergence(
        prompts=len(references),
        tokens=len(differences),
        mean_logprob_difference=fmean(differences),
        max_logprob_difference=max(differences),
        mean_kl=fmean(divergences),
        top_agreement=agreed / len(differences),
        identical=1 - len(first) / len(references),
        first_divergence=fmean(first) if first else None,
    )


def _first_difference(one: Reading, other: Reading) -> int:
    """Which token, counted from 1, is the first that is not the same in both."""
    same = 0
    for mine, theirs in zip(one.positions, other.positions, strict=False):
        if mine.token != theirs.token:
            break
        same += 1
    return same + 1
