"""What a worker is told of engines, and whom it wakes."""

from tokenworks.engines.link import EngineLink
from tokenworks.engines.manager import EngineState


def test_waiters_are_woken_by_ready_and_by_failed_only() -> None:
    asked: list[str] = []
    heard: list[EngineState] = []
    link = EngineLink(asked.append)
    link.when_ready("a", heard.append)
    assert asked == ["a"]
    for state in (EngineState("a", "starting"), EngineState("a", "restarting"), EngineState("b", "ready")):
        link.update(state)
    assert not heard and link.ready("a") is None
    ready = EngineState("a", "ready", 1234, "key")
    link.update(ready)
    link.update(ready)
    assert heard == [ready] and link.ready("a") is ready
    link.when_ready("b", heard.append)
    link.update(EngineState("b", "failed", reason="no"))
    assert heard[1].reason == "no"
    assert {state.name: state.state for state in link.states()} == {"a": "ready", "b": "failed"}


def test_who_left_is_not_called() -> None:
    heard: list[EngineState] = []
    link = EngineLink(lambda name: None)
    link.when_ready("a", heard.append)
    link.forget("a", heard.append)
    link.forget("never", heard.append)
    link.update(EngineState("a", "ready"))
    assert not heard


def test_an_engine_that_died_is_not_ready() -> None:
    link = EngineLink(lambda name: None)
    link.update(EngineState("a", "ready", 1))
    link.update(EngineState("a", "restarting"))
    assert link.ready("a") is None
