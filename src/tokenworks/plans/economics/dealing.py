"""Sessions of traces, dealt to subscribers: as they say it, or to an invented population.

The sizes of requests and what follows what are real; who made them, how often and at which hour is not.
Use of people is lognormal with a daily rhythm; a few subscribers are agents, which work around the clock
and use some hundred times as much as the median person.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from tokenworks.errors import ConfigError
from tokenworks.plans.economics.history import DAY_US, History, Models, Subscriber
from tokenworks.plans.economics.trace import Request, Session

Progress = Callable[[int, int], None]  # done, of how many

START_US = 1_780_272_000_000_000  # 2026-06-01 00:00 UTC: a Monday, and the first of a month of 30 days
PEOPLE_SIGMA = 1.0  # of the logarithm of use: one in a hundred uses ten times the median
AGENT_SIGMA = 0.5
_PEAK_HOUR = 15  # UTC, of people
_HOURS = [1 + 0.95 * math.cos(2 * math.pi * (hour - _PEAK_HOUR) / 24) for hour in range(24)]
_HOUR_US = 3_600_000_000
_BATCH = 1024  # sessions drawn at a time


class Population(msgspec.Struct, frozen=True):
    """Who the subscribers of a demonstration are."""

    subscribers: int = 200
    agents: float = 0.05  # share of subscribers
    median_per_day: float = 10.0  # requests of the median person
    agent_factor: float = 200.0  # use of the median agent in that of the median person
    days: int = 30
    seed: int = 1
    models: tuple[tuple[str, float], ...] = ()  # model and share of sessions, where the trace says none


def as_recorded(sessions: Sequence[Session], model: str = "", days: float | None = None) -> History:
    """A history of traces that name their subscribers, from the first request on for ``days``.

    ``model`` is that of rows that say none. Without ``days``: whole days up to the last request.
    """
    models = Models()
    people: dict[str, list[Request]] = {}
    for session in sessions:
        if not session.subscriber:
            raise ConfigError("some rows name their subscriber and some do not; give all or none one")
        people.setdefault(session.subscriber, []).extend(session.requests)
    since_us = min(request.time_us for requests in people.values() for request in requests)
    last_us = max(request.time_us for requests in people.values() for request in requests)
    span_us = round(days * DAY_US) if days else (last_us - since_us) // DAY_US * DAY_US + DAY_US
    found = []
    for name, requests in people.items():
        subscriber = Subscriber(name)
        for each in sorted(requests):
            if each.time_us < since_us + span_us:
                place = models.place(each.model or model or _no_model())
                subscriber.requests.add(
                    each.time_us, place, each.uncached, each.read, each.write, each.output
                )
        found.append(subscriber)
    note = f"{len(found):,} subscribers as the trace names them, over {span_us / DAY_US:g} days"
    return History(since_us, since_us + span_us, found, models.names, note)


def deal(
    sessions: Sequence[Session],
    agent_sessions: Sequence[Session],
    population: Population,
    progress: Progress | None = None,
) -> History:
    """An invented month of ``population``, made of real sessions; the same for the same seed."""
    models = Models()
    until_us = START_US + population.days * DAY_US
    agents = round(population.subscribers * population.agents)
    found = []
    for place in range(population.subscribers):
        is_agent = place < agents
        number = place + 1 if is_agent else place - agents + 1
        name = f"{'agent' if is_agent else 'person'}-{number:03}"
        dice = random.Random(f"{population.seed}/{name}")  # noqa: S311 - nobody must be unable to guess it
        subscriber = Subscriber(name, "agent" if is_agent else "person")
        drawn = _month(dice, agent_sessions if is_agent else sessions, population, is_agent=is_agent)
        for each in sorted(drawn):
            if each.time_us < until_us:
                subscriber.requests.add(
                    each.time_us, models.place(each.model), each.uncached, each.read, each.write, each.output
                )
        found.append(subscriber)
        if progress is not None:
            progress(place + 1, population.subscribers)
    note = (
        "Synthetic: the sizes of requests are real, but they were dealt to "
        f"{population.subscribers - agents:,} invented people (lognormal around "
        f"{population.median_per_day:g} requests a day) and {agents:,} invented agents (around "
        f"{population.agent_factor:g} times that) over {population.days} days, seed {population.seed}"
    )
    return History(START_US, until_us, found, models.names, note, synthetic=True)


def _month(
    dice: random.Random, sessions: Sequence[Session], population: Population, *, is_agent: bool
) -> list[Request]:
    """What one subscriber does, not in order."""
    wanted = population.median_per_day * population.days
    wanted *= math.exp(dice.gauss(0, AGENT_SIGMA if is_agent else PEOPLE_SIGMA))
    if is_agent:
        wanted *= population.agent_factor
    names = [name for name, _ in population.models]
    shares = [share for _, share in population.models]
    drawn: list[Request] = []
    left = round(wanted)
    while left > 0:
        for session in dice.choices(sessions, k=min(left, _BATCH)):
            if left <= 0:
                break
            model = dice.choices(names, shares)[0] if len(names) > 1 else names[0] if names else ""
            first_us = session.requests[0].time_us
            moved_us = _start(dice, population.days, is_agent=is_agent) - first_us
            for time_us, own, *tokens in session.requests[:left]:
                drawn.append(Request(time_us + moved_us, own or model or _no_model(), *tokens))
            left -= len(session.requests)
    return drawn


def _start(dice: random.Random, days: int, *, is_agent: bool) -> int:
    """When a session begins, unix µs: agents at any time, people more by day than by night."""
    day_us = START_US + dice.randrange(days) * DAY_US
    if is_agent:
        return day_us + dice.randrange(DAY_US)
    return day_us + dice.choices(range(24), _HOURS)[0] * _HOUR_US + dice.randrange(_HOUR_US)


def _no_model() -> NoReturn:
    raise ConfigError("the trace names no models; say which they were with --model AUTHOR/SLUG")
