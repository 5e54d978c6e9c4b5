"""A worker's view of the engines: who is ready where, and whom to ask for a start."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks.engines.load import Load
from tokenworks.engines.state import EngineState

Waiter = Callable[[EngineState], None]


class EngineLink:
    """Engines live in the supervisor; this mirrors what it says and passes on what workers need."""

    def __init__(self, ask_start: Callable[[str], None]) -> None:
        self._ask_start = ask_start
        self._states: dict[str, EngineState] = {}
        self._waiting: dict[str, list[Waiter]] = {}

    def update(self, state: EngineState) -> None:
        """The supervisor's news of one engine; wakes whoever waited for it."""
        self._states[state.name] = state
        if state.state in ("ready", "failed", "unreachable"):
            for waiter in self._waiting.pop(state.name, ()):
                waiter(state)

    def ready(self, name: str) -> EngineState | None:
        """The engine's state when it can be called at this moment."""
        state = self._states.get(name)
        return state if state is not None and state.state == "ready" else None

    def load(self, name: str) -> Load | None:
        """How busy the engine is, all workers together, a few seconds ago; None where it isn't known."""
        state = self._states.get(name)
        return state.load if state is not None else None

    def states(self) -> list[EngineState]:
        """What was heard of each engine; one that never ran is not among them. From any thread."""
        return list(self._states.values())

    def when_ready(self, name: str, waiter: Waiter) -> None:
        """Have the engine started; ``waiter`` is called once it is ready or has failed.

        That is at once where somebody else runs it and it does not answer: nobody here can start it.
        """
        state = self._states.get(name)
        if state is not None and state.state == "unreachable":
            waiter(state)
            return
        waiting = self._waiting.setdefault(name, [])
        waiting.append(waiter)
        self._ask_start(name)

    def forget(self, name: str, waiter: Waiter) -> None:
        """``waiter`` no longer waits."""
        waiting = self._waiting.get(name)
        if waiting and waiter in waiting:
            waiting.remove(waiter)
