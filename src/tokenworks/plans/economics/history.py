"""Who used what, and when: the input of a replay, in compact columns."""

from __future__ import annotations

from array import array

import msgspec

DAY_US = 86_400_000_000
MONTH_US = 30 * DAY_US  # what a plan's monthly price pays for here
NOT_RECORDED = -1


class Columns:
    """Requests of one subscriber in order of time, a column for each fact. Tokens are disjoint classes."""

    __slots__ = ("cost_nano_usd", "model", "output", "read", "time_us", "uncached", "write")

    def __init__(self) -> None:
        self.time_us = array("q")
        self.model = array("i")  # place in ``History.models``
        self.uncached = array("q")  # input tokens, as ``Usage`` counts them
        self.read = array("q")
        self.write = array("q")
        self.output = array("q")
        self.cost_nano_usd = array("q")  # as recorded, else NOT_RECORDED

    def add(
        self,
        time_us: int,
        model: int,
        uncached: int,
        read: int,
        write: int,
        output: int,
        cost_nano_usd: int = NOT_RECORDED,
    ) -> None:
        """Append one request; the caller keeps the order of time."""
        self.time_us.append(time_us)
        self.model.append(model)
        self.uncached.append(uncached)
        self.read.append(read)
        self.write.append(write)
        self.output.append(output)
        self.cost_nano_usd.append(cost_nano_usd)

    def __len__(self) -> int:
        return len(self.time_us)


class Subscriber:
    """Somebody who would have the plan."""

    __slots__ = ("kind", "name", "requests")

    def __init__(self, name: str, kind: str = "") -> None:
        self.name = name
        self.kind = kind  # "person" | "agent" in a demonstration, else ""
        self.requests = Columns()


class History(msgspec.Struct):
    """Usage of everybody from ``since_us`` up to but not including ``until_us`` (unix µs)."""

    since_us: int
    until_us: int
    subscribers: list[Subscriber]
    models: list[str]
    note: str  # where it is from, in one sentence
    synthetic: bool = False

    @property
    def span_us(self) -> int:
        """Its length."""
        return self.until_us - self.since_us

    @property
    def days(self) -> float:
        """Its length in days."""
        return self.span_us / DAY_US

    def __len__(self) -> int:
        return sum(len(each.requests) for each in self.subscribers)


class Models:
    """Numbers models in the order in which they are first seen."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, name: str) -> int:
        """The number of ``name``."""
        found = self._places.get(name)
        if found is None:
            found = self._places[name] = len(self.names)
            self.names.append(name)
        return found
