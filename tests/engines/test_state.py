"""States travel as JSON, and never show their keys."""

import msgspec

from tokenworks.engines.load import Load
from tokenworks.engines.state import EngineState


def test_it_travels_and_hides_its_key() -> None:
    load = Load(1, 2, 1.0, 16, 0.5, 10.0, 3.0)
    state = EngineState("a", "ready", api_key="hunter2", url="http://h:1", kind="k", load=load)
    assert msgspec.json.decode(msgspec.json.encode(state), type=EngineState) == state
    assert "hunter2" not in repr(state) and "http://h:1" in repr(state)
