"""What a worker is told of engines, and whom it wakes."""

from tokenworks.engines.link import EngineLink
from tokenworks.engines.load import Load
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


def test_a_server_that_does_not_answer_is_told_at_once_and_to_those_who_wait() -> None:
    asked: list[str] = []
    heard: list[EngineState] = []
    link = EngineLink(asked.append)
    link.when_ready("big", heard.append)
    gone = EngineState("big", "unreachable", reason="refuses connections")
    link.update(gone)
    assert (asked, heard) == (["big"], [gone])
    link.when_ready("big", heard.append)
    assert (asked, heard) == (["big"], [gone, gone]), "the supervisor could not start it either"


def test_load_is_that_of_the_last_news() -> None:
    link = EngineLink(lambda name: None)
    assert link.load("big") is None
    link.update(EngineState("big", "ready", load=Load(3, 1)))
    assert link.load("big") == Load(3, 1)
    link.update(EngineState("big", "unreachable"))
    assert link.load("big") is None
