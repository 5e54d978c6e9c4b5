"""Settings of an engine that are fine alone and impossible together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tokenworks.config.engines import STEP_TOKENS, batch_slots, conflict, draft_tokens
from tokenworks.config.load import load
from tokenworks.config.settings import EngineSettings
from tokenworks.errors import ConfigError


def engine(**given: Any) -> EngineSettings:
    return EngineSettings(model="a/b", path="p.gguf", **given)


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        ({"kv_cache_type": "q8_0", "flash_attention": "off"}, "flash_attention", 'kv_cache_type = "f16"'),
        ({"slots": 2, "batch_slots": 3}, "batch_slots", "which is 2"),
        ({"cache_reuse_tokens": 64, "prompt_cache": False}, "cache_reuse_tokens", "prompt_cache = true"),
        ({"speculation": "ngram", "draft_tokens": 32}, "draft_tokens", "must be 31 at most with 4 slots"),
        ({"speculation": "ngram", "slots": 65}, "speculation", "more than 64 slots"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], key: str, says: str) -> None:
    found = conflict(engine(**given))
    assert found is not None and found[0] == key
    assert says in found[1] and "\n" not in found[1]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"kv_cache_type": "q4_0"},
        {"kv_cache_type": "q4_0", "flash_attention": "on"},
        {"flash_attention": "off"},
        {"slots": 2, "batch_slots": 2},
        {"cache_reuse_tokens": 64},
        {"speculation": "ngram", "draft_tokens": 31},
        {"speculation": "ngram", "slots": 64},
        {"draft_tokens": 120},  # without speculation it means nothing
    ],
)
def test_what_does(given: dict[str, Any]) -> None:
    assert conflict(engine(**given)) is None


def test_the_file_and_line_of_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "tokenworks.toml").write_text(
        '[engines.own]\nmodel = "a/b"\npath = "p.gguf"\nkv_cache_type = "q8_0"\nflash_attention = "off"\n'
    )
    with pytest.raises(ConfigError, match=r"tokenworks\.toml:5: engines\.own: flash_attention must not be"):
        load(tmp_path, env={})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("flash_attention", '"yes"', '"auto", "on", "off"'),
        ("speculation", '"draft"', '"off", "ngram"'),
        ("draft_tokens", "500", "from 0 to 127"),
        ("slot_similarity", "1.5", "from 0 to 1"),
        ("prompt_cache", "1", "true or false"),
        ("prompt_cache_mib", "-1", "from 0 to"),
        ("cache_reuse_tokens", "-5", "from 0 to"),
        ("batch_slots", "2000", "from 0 to 1024"),
    ],
)
def test_values_that_can_not_be(key: str, value: str, says: str, refused: Callable[[str], str]) -> None:
    message = refused(f'[engines.own]\nmodel = "a/b"\npath = "p.gguf"\n{key} = {value}\n')
    assert f":4: engines.own: {key} must be" in message and says in message


@pytest.mark.parametrize(("given", "slots"), [({}, 3), ({"slots": 1}, 1), ({"batch_slots": 2}, 2)])
def test_slots_for_batches(given: dict[str, Any], slots: int) -> None:
    assert batch_slots(engine(**given)) == slots


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 8, 63, 64])
def test_drafts_of_all_slots_fit_into_a_step(slots: int) -> None:
    drafted = draft_tokens(engine(slots=slots))
    assert 1 <= drafted <= 48
    assert slots * (drafted + 1) <= STEP_TOKENS
