"""What check-kv finds: with the real model, and its words for what it found."""

from typing import Any

import msgspec
import pytest

from tokenworks.config.settings import EngineSettings
from tokenworks.engines import kv_check
from tokenworks.engines.divergence import Divergence
from tokenworks.engines.gguf import read_head
from tokenworks.engines.kv_check import check, verdict
from tokenworks.engines.prompt_set import Prompt
from tokenworks.errors import Unavailable

PROMPTS = [
    Prompt(prompt="Name a colour.", id="1", kind="fact"),
    Prompt(messages=({"role": "user", "content": "Count from one to five."},), id="2", kind="list"),
]


def test_types_of_cache_against_f16(small: EngineSettings) -> None:
    from pathlib import Path

    told: list[tuple[str, int, int]] = []
    engine = msgspec.structs.replace(small, threads=1, batch_slots=2, speculation="ngram", context_length=256)
    head = read_head(Path(engine.path))
    report = check("small", engine, head, PROMPTS, ["q4_0"], lambda *each: told.append(each), answer_tokens=6)
    again, q4 = report.rows
    assert told == [
        ("f16", 0, 2),
        ("f16", 1, 2),
        ("f16", 2, 2),
        ("q4_0", 0, 2),
        ("q4_0", 1, 2),
        ("q4_0", 2, 2),
    ]
    # f16 read a second time, the answer forced upon it: the same numbers, so forcing changes nothing.
    assert again.divergence.max_logprob_difference < 1e-5 and again.divergence.mean_kl < 1e-6
    assert again.divergence.identical == again.divergence.top_agreement == 1
    assert q4.divergence.tokens == again.divergence.tokens > 4
    assert q4.divergence.mean_logprob_difference > 1e-4, "the cache was not quantised"
    assert set(q4.by_kind) == {"fact", "list"}
    # 2 slots of 256 tokens; the library's figure and the header's agree
    assert again.cache_mib == pytest.approx(11.2, abs=0.2)
    assert q4.cache_mib == pytest.approx(q4.computed_mib, rel=0.02)
    assert q4.saved == pytest.approx(1 - 18 / 64, abs=0.02)
    assert "saves 72% of the cache" in q4.verdict


def found(**given: Any) -> Divergence:
    usual = {
        "prompts": 24,
        "tokens": 500,
        "mean_logprob_difference": 0.01,
        "max_logprob_difference": 0.1,
        "mean_kl": 0.001,
        "top_agreement": 0.99,
        "identical": 0.75,
        "first_divergence": 9.0,
    }
    return Divergence(**{**usual, **given})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "is close to f16; 18 of 24 answers are the same"),
        ({"mean_kl": 0.02}, "noticeably different"),
        ({"top_agreement": 0.95}, "noticeably different"),
        ({"mean_kl": 0.2}, "clearly different"),
        ({"top_agreement": 0.8}, "clearly different"),
    ],
)
def test_verdicts(given: dict[str, Any], says: str) -> None:
    assert says in verdict("q8_0", 0.47, found(**given))


def test_verdict_on_the_reference_tells_the_noise() -> None:
    assert "no noise" in verdict("f16", 0, found(max_logprob_difference=0.0))
    assert "0.001 nats from itself" in verdict("f16", 0, found())


def entry(token: int, data: bytes) -> dict[str, Any]:
    top = [{"id": token, "logprob": -0.1}, {"id": 7, "logprob": -3.0}]
    return {"id": token, "bytes": list(data), "logprob": -0.1, "top_logprobs": top}


def answer(*entries: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    return {"choices": [{"logprobs": {"content": list(entries)}, "finish_reason": finish}]}


def test_a_reading_ends_where_a_character_is_in_parts() -> None:
    whole = kv_check._reading(answer(entry(1, b"a"), entry(2, "é".encode())))
    assert (whole.tokens, whole.ended) == ((1, 2), True)
    cut = kv_check._reading(answer(entry(1, b"a"), entry(3, b"\x99\x82"), entry(4, b"b")))
    assert (cut.tokens, cut.ended) == ((1,), False)
    assert kv_check._reading({"choices": [{"logprobs": None, "finish_reason": "stop"}]}).tokens == ()


class Fake:
    """An engine that answers as scripted."""

    name = "fake"

    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said
        self.bodies: list[dict[str, Any]] = []

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        return self.said


def test_an_answer_is_forced_by_a_grammar_of_its_tokens() -> None:
    fake: Any = Fake(answer(entry(5, b"x"), entry(6, b"y")))
    assert kv_check._forced(fake, PROMPTS[0], (5, 6)).tokens == (5, 6)
    assert fake.bodies[0]["grammar"] == "root ::= <[5]> <[6]>" and fake.bodies[0]["max_tokens"] == 2
    with pytest.raises(Unavailable, match="did not keep to a given answer"):
        kv_check._forced(fake, PROMPTS[0], (5, 8))
    assert kv_check._forced(fake, PROMPTS[0], ()).tokens == ()
    assert len(fake.bodies) == 2
