"""Subscribers of a flat plan, made of what real services saw: people of many habits, and programs.

Lengths, waits between turns, growth of contexts and gaps within bursts are drawn from traces. What no trace
tells is assumed and stands in this file: when people are awake, how long tools take, how agents, schedules
and resellers behave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tokenworks.plans.fair_use.signals import Seen
from trace_samples import Samples

DAYS = 2  # the first fills the 24 hours that are looked at, the second is judged
DAY_S, HOUR_S = 86_400.0, 3600.0
START_S = 1_767_225_600.0  # midnight UTC
CLIENTS = ("desk-chat/*", "code-agent/*", "ide-plugin/*")  # whom the plan is for
FULL = 160_000  # tokens of context at which an agent sums up and begins anew


@dataclass
class Subscriber:
    """One key over ``DAYS`` days; requests in order of time."""

    name: str
    kind: str
    automated: bool
    clients: tuple[str, ...]
    begin_us: int  # of the first day, where its owner lives
    seen: list[Seen]


@dataclass
class Life:
    """One subscriber being played."""

    rng: Random
    samples: Samples
    app: str
    names_sessions: bool
    rate: float  # output tokens a second
    seen: list[Seen] = field(default_factory=list)
    sessions: int = 0

    def session(self) -> str:
        """A new one's name; many clients send none."""
        self.sessions += 1
        return f"s{self.sessions}" if self.names_sessions else ""

    def ask(self, at_s: float, session: str, lengths: tuple[int, int], finish: str = "stop") -> float:
        """One request; returns when its answer is complete."""
        latency_s = self.rng.lognormvariate(-0.4, 0.5) + lengths[0] / 20_000 + lengths[1] / self.rate
        start_us, latency_us = int((START_S + at_s) * 1e6), int(latency_s * 1e6)
        self.seen.append(Seen(start_us, session, self.app, *lengths, latency_us, finish))
        return at_s + latency_s

    # --- what people do

    def chat(self, at: float, until: float, pace: float = 1.0) -> float:
        """A conversation with the waits and lengths of a real one, or of one-off questions."""
        session = self.session()
        if self.rng.random() < 0.4:
            return self.ask(at, session, self.rng.choice(self.samples.chat))
        for wait_s, *lengths in self.rng.choice(self.samples.sessions):
            at += wait_s * pace * self.rng.uniform(0.7, 1.3)
            if at > until:
                break
            end = self.ask(at, session, (lengths[0], lengths[1]))
        else:
            return max(at, end)
        return at

    def think(self, low: float = 0.3, high: float = 1.0) -> float:
        return self.rng.choice(self.samples.think_s) * self.rng.uniform(low, high)

    def complete(self, at: float, until: float) -> float:
        """Typing with completions: bursts of short answers, a pause to read, the next burst.

        The gaps are those of a service, stretched: each programmer has a tenth of its traffic.
        """
        while at < until:
            for _ in range(self.rng.randint(2, 25)):
                lengths = self.rng.choice(self.samples.code)
                self.ask(at, "", lengths, "stop" if self.rng.random() < 0.7 else "")
                at += self.rng.choice(self.samples.burst_gaps_s) * 10 + self.rng.uniform(0.2, 1.5)
            at += self.think()
        return at

    def agent_turn(
        self, at: float, session: str, context: int, steps: int, tool_s: float = 1.5
    ) -> tuple[float, int]:
        """One prompt to an agent and the ``steps`` that it takes; returns the end and the context then."""
        for step in range(steps + 1):
            context += self.rng.choice(self.samples.growth)
            output = self.rng.choice(self.samples.code if self.rng.random() < 0.6 else self.samples.chat)[1]
            at = self.ask(at, session, (context, output + 20), "tool_calls" if step < steps else "stop")
            context += output
            if context > FULL:
                context = self.rng.randint(15_000, 50_000)
            # Tools are fast, but tests and builds are not, and some people confirm each call.
            at += self.rng.lognormvariate(0.0, 1.1) * tool_s
        return at, context

    def agent(
        self, at: float, until: float, prompts: int, steps: tuple[int, int], tool_s: float = 1.5
    ) -> float:
        """A session with an agent: prompts with thought between them, each of several steps."""
        session, context = self.session(), self.rng.randint(4_000, 25_000)
        for _ in range(prompts):
            if at > until:
                break
            at, context = self.agent_turn(at, session, context, self.rng.randint(*steps), tool_s)
            at += self.think()
        return at

    def write(self, at: float, until: float) -> float:
        """A novel: long answers, long thought, a context that grows all evening."""
        session, context = self.session(), self.rng.randint(1_000, 30_000)
        while at < until:
            output = self.rng.choice(self.samples.chat)[1] * self.rng.randint(2, 5)
            at = self.ask(at, session, (context, output), "stop" if self.rng.random() < 0.9 else "length")
            context += output + self.rng.randint(20, 600)
            at += self.think(0.6, 2.0)
        return at


Part = Callable[[Life, float, float], float]


def fill(life: Life, start: float, end: float, part: Part, rest_s: float) -> None:
    """Repeat ``part`` from ``start`` to ``end`` with rests of ``rest_s`` on average between."""
    at = start + life.rng.expovariate(1 / rest_s)
    while at < end:
        at = part(life, at, end) + life.rng.expovariate(1 / rest_s)


def office(life: Life, day: float, part: Part, rest_s: float) -> None:
    """From some time in the morning to some time in the afternoon, with lunch."""
    rng = life.rng
    start, lunch = day + rng.uniform(7, 10) * HOUR_S, day + rng.uniform(11.5, 13) * HOUR_S
    fill(life, start, lunch, part, rest_s)
    fill(life, lunch + rng.uniform(0.4, 1.2) * HOUR_S, day + rng.uniform(15.5, 19) * HOUR_S, part, rest_s)


def evening(life: Life, day: float, part: Part, rest_s: float) -> None:
    start = day + life.rng.uniform(18, 20.5) * HOUR_S
    fill(life, start, start + life.rng.uniform(1, 4.5) * HOUR_S, part, rest_s)


def chat(life: Life, at: float, until: float) -> float:
    return life.chat(at, until)


def complete(life: Life, at: float, until: float) -> float:
    return life.complete(at, min(until, at + life.rng.uniform(0.2, 1.5) * HOUR_S))


def agent(life: Life, at: float, until: float) -> float:
    return life.agent(at, until, life.rng.randint(2, 10), (4, 30))


def write(life: Life, at: float, until: float) -> float:
    return life.write(at, until)


# --- people ---------------------------------------------------------------------------------------


def chatter(life: Life) -> None:
    rest = life.rng.uniform(0.1, 1.5) * HOUR_S
    for day in range(DAYS):
        if life.rng.random() < 0.8:
            office(life, day * DAY_S, chat, rest)
        if life.rng.random() < 0.5:
            evening(life, day * DAY_S, chat, rest / 2)


def ide_coder(life: Life) -> None:
    rest = life.rng.uniform(0.1, 0.6) * HOUR_S
    for day in range(DAYS):
        office(life, day * DAY_S, complete, rest)
        if life.rng.random() < 0.4:
            evening(life, day * DAY_S, chat if life.rng.random() < 0.5 else complete, rest)


def agent_coder(life: Life) -> None:
    """Prompts of up to 30 steps all day, often in two windows, sometimes with helpers beside."""
    rest, windows = life.rng.uniform(0.05, 0.6) * HOUR_S, life.rng.choice((1, 1, 2, 2, 3))
    for day in range(DAYS):
        for _ in range(windows):
            office(life, day * DAY_S, agent, rest)
        if life.rng.random() < 0.5:
            evening(life, day * DAY_S, agent, rest)


def novelist(life: Life) -> None:
    for day in range(DAYS):
        if life.rng.random() < 0.6:
            fill(
                life, (day + 0.25) * DAY_S, (day + 0.25) * DAY_S + life.rng.uniform(1, 5) * HOUR_S, write, 900
            )
        evening(life, day * DAY_S, write, 900)


def night_owl(life: Life) -> None:
    """Awake from noon to early morning."""
    part, rest = life.rng.choice((chat, agent, write)), life.rng.uniform(0.05, 0.6) * HOUR_S
    for day in range(DAYS):
        start = day * DAY_S + life.rng.uniform(17, 22) * HOUR_S
        fill(life, start, start + life.rng.uniform(4, 10) * HOUR_S, part, rest)


def clerk(life: Life) -> None:
    """One-off tasks of one template: mails, summaries, translations; as fast as somebody can paste."""
    size, pace = life.rng.randint(150, 900), life.rng.uniform(25, 240)

    def paste(life: Life, at: float, until: float) -> float:
        for _ in range(life.rng.randint(1, 15)):
            lengths = life.rng.choice(life.samples.chat)
            end = life.ask(at, life.session(), (size + lengths[0] // life.rng.choice((1, 2, 4)), lengths[1]))
            at = max(end, at + life.rng.lognormvariate(0, 0.6) * pace)
        return at

    for day in range(DAYS):
        office(life, day * DAY_S, paste, life.rng.uniform(0.2, 1) * HOUR_S)


def deadline(life: Life) -> None:
    """Up to 20 hours at it with several agents at once, and a short night."""
    windows = life.rng.randint(2, 4)
    for day in range(DAYS):
        start = day * DAY_S + life.rng.uniform(6, 9) * HOUR_S
        hours = life.rng.uniform(14, 19.5)
        for _ in range(windows):
            fill(life, start, start + hours * HOUR_S, agent, life.rng.uniform(0.1, 0.7) * HOUR_S)


def long_runner(life: Life) -> None:
    """Gives an agent a task of hours, once or twice a day, and looks at it afterwards."""
    for day in range(DAYS):
        office(life, day * DAY_S, agent, HOUR_S)
        for _ in range(life.rng.randint(1, 2)):
            start = day * DAY_S + life.rng.uniform(10, 24) * HOUR_S
            life.agent(start, start + 4 * HOUR_S, 1, (80, 500), life.rng.uniform(1.0, 12.0))


# --- programs -------------------------------------------------------------------------------------


def bot(life: Life) -> None:
    """Answers somebody's customers around the clock; some have more of them by day."""
    per_hour, swing = life.rng.uniform(2, 70), life.rng.choice((0.0, 0.4, 1.0))
    at = 0.0
    while at < DAYS * DAY_S:
        at += life.rng.expovariate(per_hour / HOUR_S)
        by_day = abs(((at / DAY_S) % 1.0) - 0.6) * 2  # 0 in the afternoon, 1 at night
        if life.rng.random() < 1.0 - swing * min(by_day, 1.0):
            if life.rng.random() < 0.5:
                life.ask(at, life.session(), life.rng.choice(life.samples.chat))
            else:
                life.chat(at, at + HOUR_S, 0.5)


def schedule(life: Life) -> None:
    """A job every so many minutes, late by up to half a minute, of one or several requests."""
    every, late = life.rng.choice((5, 10, 15, 20, 30)) * 60.0, life.rng.choice((0.5, 5.0, 30.0, 90.0))
    chain, size = life.rng.randint(1, 8), life.rng.randint(300, 6000)
    hours = life.rng.choice((24, 24, 24, 12, 9))
    for tick in range(int(DAYS * DAY_S / every)):
        at = tick * every + life.rng.uniform(0, late)
        if (at % DAY_S) < hours * HOUR_S:
            session, context = life.session(), size
            for _ in range(life.rng.randint(1, chain)):
                context += life.rng.choice(life.samples.chat)[0] // 4
                at = life.ask(at, session, (context, life.rng.choice(life.samples.chat)[1]))
                at += life.rng.lognormvariate(-0.5, 0.8)


def farm(life: Life) -> None:
    """Agents side by side that get their next task from a queue."""
    side, hours = life.rng.randint(2, 8), life.rng.choice((6, 10, 16, 24))
    for day in range(DAYS):
        start = day * DAY_S + life.rng.uniform(0, 3) * HOUR_S
        for _ in range(side):
            at = start
            while at < start + hours * HOUR_S:
                session, context = life.session(), life.rng.randint(4_000, 25_000)
                at, _ = life.agent_turn(
                    at, session, context, life.rng.randint(5, 60), life.rng.uniform(0.5, 4)
                )
                at += life.rng.choice((2.0, 30.0, 1200.0)) * life.rng.uniform(0.5, 3)


def reseller(life: Life) -> None:
    """One key, many people, of one country or of the world; all through the reseller's own program."""
    users, world = life.rng.randint(3, 25), life.rng.random() < 0.5
    for _ in range(users):
        shift, rest = life.rng.uniform(0, DAY_S) if world else 0.0, life.rng.uniform(0.3, 2) * HOUR_S
        part = life.rng.choice((chat, chat, agent))
        for day in range(-1, DAYS):
            if life.rng.random() < 0.7:
                office(life, day * DAY_S + shift, part, rest)
            if life.rng.random() < 0.5:
                evening(life, day * DAY_S + shift, part, rest)


def night_batch(life: Life) -> None:
    """A file of tasks worked off in the night, some at a time."""
    pause, spread = life.rng.choice((0.05, 0.5, 5.0, 30.0)), life.rng.choice((4, 2, 1))
    side, size = life.rng.choice((1, 1, 2, 4)), life.rng.randint(200, 4000)
    for day in range(DAYS):
        start = day * DAY_S + life.rng.uniform(0, 4) * HOUR_S
        end = start + life.rng.uniform(0.5, 6) * HOUR_S
        for _ in range(side):
            at = start
            while at < end:
                lengths = life.rng.choice(life.samples.chat)
                at = life.ask(at, life.session(), (size + lengths[0] // spread, lengths[1]))
                at += pause * life.rng.uniform(0.5, 2)


def polite(life: Life) -> None:
    """Sleeps at night, waits as people do, talks in conversations: meant not to be told from a person."""
    wake, awake = life.rng.uniform(5, 9), life.rng.uniform(6, 18)
    wait, spread = life.rng.uniform(15, 300), life.rng.uniform(0.2, 1.2)
    for day in range(DAYS):
        at, end = (day + wake / 24) * DAY_S, (day + (wake + awake) / 24) * DAY_S
        while at < end:
            session, context = life.session(), life.rng.choice(life.samples.chat)[0]
            for _ in range(life.rng.randint(1, 8)):
                output = life.rng.choice(life.samples.chat)[1]
                at = life.ask(at, session, (context, output))
                context += output + life.rng.choice(life.samples.growth) // 4
                at += wait * life.rng.lognormvariate(0, spread)


def loop(life: Life) -> None:
    """One agent in an endless loop, task after task, for most of the day and night."""
    hours, tool_s = life.rng.choice((6, 10, 14, 20, 24)), life.rng.uniform(0.7, 10)
    for day in range(DAYS):
        start = at = day * DAY_S + life.rng.uniform(0, 2) * HOUR_S
        while at < start + hours * HOUR_S:
            session, context = life.session(), life.rng.randint(4_000, 25_000)
            at, _ = life.agent_turn(at, session, context, life.rng.randint(10, 120), tool_s)
            at += life.rng.uniform(1, 60)


PEOPLE = (chatter, ide_coder, agent_coder, novelist, night_owl, clerk, deadline, long_runner)
PROGRAMS = (bot, schedule, farm, reseller, night_batch, polite, loop)
KINDS: dict[str, tuple[Callable[[Life], None], bool]] = {
    **{kind.__name__: (kind, False) for kind in PEOPLE},
    **{kind.__name__: (kind, True) for kind in PROGRAMS},
}
OWN_APP = {
    "ide_coder": "ide-plugin/2.1", "agent_coder": "code-agent/1.9", "deadline": "code-agent/1.9",
    "long_runner": "code-agent/1.9", "farm": "code-agent/1.9", "loop": "code-agent/1.9",
}  # fmt: skip
SCRIPTS = ("", "python-client/1.2", "node-client/5", "my-proxy", "runner/0.3")
HIDES = {"polite": 1.0, "loop": 0.8, "farm": 0.6}  # how often an allowed client's name is sent; else 0.4


def subscriber(kind: str, number: int, samples: Samples, seed: int) -> Subscriber:
    """The ``number``-th of its kind; the same for the same seed."""
    rng = Random(f"{seed}/{kind}/{number}")
    play, automated = KINDS[kind]
    own = OWN_APP.get(kind, "desk-chat/4.0")
    app = own if not automated or rng.random() < HIDES.get(kind, 0.4) else rng.choice(SCRIPTS)
    life = Life(rng, samples, app, rng.random() < 0.4, rng.uniform(30, 140))
    play(life)
    shift_us = int(rng.uniform(-0.5, 0.5) * DAY_S) * 1_000_000  # nobody knows where a key's owner lives
    # A person has a script of his own now and then; that alone is nothing.
    stray = rng.uniform(0.02, 0.3) if not automated and rng.random() < 0.15 else 0.0
    other = rng.choice(SCRIPTS)
    moved = [
        Seen(one.time_us + shift_us, one.session, other if rng.random() < stray else one.app,
             one.input_tokens, one.output_tokens, one.latency_us, one.finish_reason)
        for one in life.seen
    ]  # fmt: skip
    moved.sort(key=lambda one: one.time_us)
    clients = CLIENTS if rng.random() < 0.7 else ()
    return Subscriber(f"{kind}-{number}", kind, automated, clients, int(START_S * 1e6) + shift_us, moved)
