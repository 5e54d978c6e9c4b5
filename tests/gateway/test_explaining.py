"""What auto would do, told by the decision that a worker makes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from auto_serving import MID, MODELS, PROMPTS, STRONG, SWIFT, config
from fresh_store import fresh_store

from tokenworks.catalog.load import load as load_catalog
from tokenworks.config.load import load
from tokenworks.errors import BadRequest
from tokenworks.gateway.auto import Auto
from tokenworks.gateway.explaining import foretold, request_of
from tokenworks.gateway.front import AFFINITIES
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.health import Health
from tokenworks.routing.learner import Learner
from tokenworks.routing.rules import Rules
from tokenworks.routing.task import TASKS

PROMPT = PROMPTS["capital"]


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> Auto:
    home: Path = tmp_path_factory.mktemp("home")
    (home / "tokenworks.toml").write_text(config("http://127.0.0.1:9/v1", "[routing.auto]\nexplore = 0.5\n"))
    settings = load(home)
    store = fresh_store(f"sqlite:///{home / 'tokenworks.db'}")
    return Auto(
        settings.routing.auto,
        Rules(settings.routes, TASKS),
        load_catalog(settings),
        Health(settings.routing),
        Affinity(AFFINITIES, settings.routing.affinity_s),
        Difficulty.load(),
        Learner(store),
        time.monotonic,
    )


def test_wishes_stand_in_the_request() -> None:
    plain = json.loads(request_of("hi"))
    assert plain == {"model": "tokenworks/auto", "messages": [{"role": "user", "content": "hi"}]}
    told = json.loads(request_of("hi", allowed=["a/*"], quality=0.0, max_cost_usd=0.5, strong="b/c"))
    assert (told["quality"], told["max_cost"], told["strong"]) == (0.0, 0.5, "b/c")
    assert told["plugins"] == [{"id": "auto-router", "allowed_models": ["a/*"]}]


def test_it_says_who_would_be_asked_and_changes_nothing(auto: Auto) -> None:
    draw = auto.draw
    told = foretold(auto, request_of(PROMPT))
    assert [each["model"] for each in told["candidates"]] == list(MODELS)
    assert told["asks"] and told["steps"] == [] and told["input_tokens"] > 0
    assert all(foretold(auto, request_of(PROMPT)) == told for _ in range(10)), "nothing is explored"
    assert auto.draw is draw
    assert foretold(auto, request_of(PROMPT, quality=0.0))["asks"] == [SWIFT]


def test_wishes_are_heard(auto: Auto) -> None:
    assert foretold(auto, request_of(PROMPT, allowed=["gamma/*"]))["asks"] == [STRONG]
    assert foretold(auto, request_of(PROMPT, strong=MID))["strong"] == MID
    with pytest.raises(BadRequest, match="no model is left"):
        foretold(auto, request_of(PROMPT, allowed=["nobody/*"]))
