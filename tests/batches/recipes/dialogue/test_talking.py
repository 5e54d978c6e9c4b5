"""The recipe dialogue, driven by a model that knows nothing but what each request shows it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_recipes import Stopped, run

from tokenworks.batches.recipes.dialogue import RECIPE, context
from tokenworks.batches.recipes.dialogue.transcript import replay, slope, tokens_by_round
from tokenworks.batches.recipes.recipe import Ask, Said, Split
from tokenworks.errors import BadRequest

FACTS = ["The captain's name is Ilse Varga.", "The ship is called Petrel.", "The door code is 7714."]
TALK = (
    "The wind turned at dusk and the lamps along the quay were lit one after another while we spoke of the "
    "tide, the harbour master, the price of rope, two letters that never came and a map with a torn corner"
)
FILLER = TALK.split()


def described(folder: Path, name: str = "petrel.json", **told: Any) -> Path:
    file = folder / name
    file.write_text(
        json.dumps({"system": "You are the first mate.", "facts": FACTS, **told}), encoding="utf-8"
    )
    return file


class Actor:
    """Answers out of the request alone: facts, the summary and the last turns are all that it has."""

    def __init__(self, cap: int = 4000) -> None:
        self.cap = cap
        self.asked = 0
        self.most = 0

    def __call__(self, ask: Ask) -> Said:
        self.asked += 1
        size = sum(context.tokens_of(m["content"]) + 4 for m in ask.messages) + (ask.max_tokens or 0)
        self.most = max(self.most, size)
        assert size <= self.cap, f"request {self.asked} takes {size} tokens"
        seen = "\n".join(m["content"] for m in ask.messages)
        last = ask.messages[-1]["content"]
        if "What is new:" in last:
            return Said(self.summary(last))
        if found := re.search(
            r"What is (the captain's name|the ship called|the door code|my cat called)", last
        ):
            known = {"the captain's name": "Ilse Varga", "the ship called": "Petrel",
                     "the door code": "7714", "my cat called": "Mina"}  # fmt: skip
            wanted = known[found[1]]
            return Said(f"It is {wanted}." if wanted in seen else "I don't know that.")
        at = self.asked * 7
        words = [FILLER[(at * step + step) % len(FILLER)] for step in range(20 + at % 90)]
        return Said(f"Entry {self.asked}: {' '.join(words)}.")

    @staticmethod
    def summary(text: str) -> str:
        """What matters of the old summary and of the new turns: whatever was to be remembered."""
        lines = [line.removeprefix("User: ") for line in text.splitlines() if "Remember:" in line]
        entries = re.findall(r"Entry (\d+)", text)
        return "\n".join(
            [*dict.fromkeys(lines), f"They talked on, last of entry {entries[-1] if entries else 0}."]
        )


def turns_of(count: int) -> list[str]:
    turns = [f"Round {at}: what did you see from the bridge today?" for at in range(1, count + 1)]
    turns[4] = "Remember: my cat is called Mina."
    for at, question in enumerate(
        (
            "What is the captain's name?",
            "What is the ship called?",
            "What is the door code?",
            "What is my cat called?",
        )
    ):
        turns[count // 2 + at] = turns[count - 4 + at] = question
    return turns


def test_two_thousand_rounds_under_the_cap_at_a_flat_price(tmp_path: Path) -> None:
    file = described(tmp_path, turns=turns_of(2_000))
    actor = Actor()
    split, results, outputs = run(RECIPE, [file], {}, actor, tmp_path / "out")
    assert all(result.ok for result in results.values())
    rounds = [json.loads(line) for line in (tmp_path / "out" / "petrel.jsonl").read_text().splitlines()]
    assert [one["round"] for one in rounds] == list(range(1, 2_001))
    assert [one["assistant"] for one in rounds[-4:]] == [
        "It is Ilse Varga.", "It is Petrel.", "It is 7714.", "It is Mina.",
    ]  # fmt: skip
    assert actor.most <= 4_000
    assert max(one["context"] for one in rounds) == actor.most
    points = tokens_by_round(replay(RECIPE, split.parts, split.shared, results))
    assert len(points) == 2_000
    first, last = points[100:600], points[-500:]
    means = [sum(tokens for _, tokens in part) / len(part) for part in (first, last)]
    assert abs(means[1] / means[0] - 1) < 0.02
    assert abs(slope(points[100:])) * 1_900 < 0.02 * means[0]  # over all rounds: less than 2 %
    told_tokens = sum(part.input_tokens + part.output_tokens for part in split.parts)
    assert 0.5 < told_tokens / sum(tokens for _, tokens in points) < 2.5  # the estimate before it starts
    assert outputs[0].note == f"2,000 rounds, {actor.most:,} tokens of context at most"


def test_without_the_facts_the_actor_would_not_know(tmp_path: Path) -> None:
    """What the test above proves, it can miss."""
    file = described(tmp_path, turns=turns_of(40), facts=[])
    run(RECIPE, [file], {"context_tokens": "1500"}, Actor(1500), tmp_path / "out")
    lines = (tmp_path / "out" / "petrel.jsonl").read_text().splitlines()
    assert [json.loads(line)["assistant"] for line in lines[-4:]] == [
        *["I don't know that."] * 3,
        "It is Mina.",
    ]


@pytest.mark.parametrize("cap", [900, 1300, 8000])
def test_the_cap_holds_for_answers_of_any_length(tmp_path: Path, cap: int) -> None:
    said = [
        "x",
        "word " * 900,
        "",
        "字" * 2000,
        "I'm sorry, but I can't help with that.",
        "Fine weather, sir. " * 9,
    ]

    def model(ask: Ask) -> Said:
        actor(ask)
        return Said(said[actor.asked % len(said)], "length" if actor.asked % 4 == 0 else "stop")

    actor = Actor(cap)
    turns = [("长" * (at % 90) or "a") + f" {at}" for at in range(150)]
    file = described(tmp_path, turns=turns)
    options = {"context_tokens": str(cap), "answer_tokens": "100", "summary_tokens": "120"}
    _, _, outputs = run(RECIPE, [file], options, model, tmp_path / "out")
    assert actor.most > 0.6 * min(cap, 3000)
    assert "rounds flagged" in outputs[0].note


def test_resume_goes_on_where_the_last_job_ended(tmp_path: Path) -> None:
    turns = turns_of(60)
    whole = described(tmp_path, "petrel.json", turns=turns)
    options = {"context_tokens": "1500"}
    run(RECIPE, [whole], options, Actor(1500), tmp_path / "one")
    first = described(tmp_path, "petrel.json", turns=turns[:25])
    run(RECIPE, [first], options, Actor(1500), tmp_path / "two")
    state = tmp_path / "two" / "petrel.state.json"
    kept = json.loads(state.read_text())
    assert kept["memory"]["round"] == 25
    (tmp_path / "petrel.json").write_text(json.dumps({"turns": turns[25:]}))  # the rest is in the state
    for place in (state, state.parent):
        run(RECIPE, [first], {**options, "resume": str(place)}, Actor(1500), tmp_path / "three")
        rounds = [json.loads(line) for line in (tmp_path / "three" / "petrel.jsonl").read_text().splitlines()]
        assert [one["round"] for one in rounds] == list(range(26, 61))
        assert [one["assistant"] for one in rounds[-4:]] == [
            "It is Ilse Varga.", "It is Petrel.", "It is 7714.", "It is Mina.",
        ]  # fmt: skip


def test_a_job_that_dies_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    file = described(tmp_path, turns=turns_of(40))
    options = {"context_tokens": "1500"}
    straight = Actor(1500)
    run(RECIPE, [file], options, straight, tmp_path / "one")
    kept: dict[str, bytes] = {}
    again = Actor(1500)
    for _ in range(3):
        with pytest.raises(Stopped):
            run(RECIPE, [file], options, again, tmp_path / "two", kept=kept, stop_after=11)
    run(RECIPE, [file], options, again, tmp_path / "two", kept=kept)
    assert again.asked == straight.asked
    for name in ("petrel.jsonl", "petrel.md", "petrel.state.json"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_results_of_half_a_session_give_a_state_to_go_on_from(tmp_path: Path) -> None:
    file = described(tmp_path, turns=turns_of(30))
    kept: dict[str, bytes] = {}
    split, results, _ = run(RECIPE, [file], {}, Actor(), tmp_path / "one", kept=kept)
    some = {part.id: results[part.id] for part in split.parts[:10]}
    outputs = RECIPE.merge([file], split, some, tmp_path)
    assert outputs[0].note.endswith("not all of them are done")
    memory = json.loads((tmp_path / "petrel.state.json").read_text())["memory"]
    done = [part for part in split.parts[:10] if part.data["kind"] == "turn"]
    assert memory["round"] == len(done)


def scripted(*answers: str) -> tuple[Callable[[Ask], Said], list[Ask]]:
    left, asked = list(answers), []

    def model(ask: Ask) -> Said:
        asked.append(ask)
        return Said(left.pop(0))

    return model, asked


def first_said(split: Split, results: Any) -> list[tuple[str, bool]]:
    return [(results[part.id].value["text"], results[part.id].ok) for part in split.parts]


def test_refusals_repetitions_and_broken_character_are_asked_again(tmp_path: Path) -> None:
    file = described(tmp_path, turns=["Who are you?", "And now?", "Go on."], forbidden=["language model"])
    model, asked = scripted(
        "As a language model I have no ship.",
        "I am the first mate of the Petrel, at your service.",
        "I am the First Mate of the Petrel: at your service!",
        "I'm sorry, but I can't help with that.",
        "We sail with the tide, if the harbour master lets us.",
        "",
        "Aye.",
    )
    split, results, _ = run(RECIPE, [file], {}, model, tmp_path / "out")
    assert all(ok for _, ok in first_said(split, results))
    notes = [ask.messages[-1]["content"] for ask in asked]
    assert "it says “language model”, which is forbidden" in notes[1]
    assert "at your service" in asked[2].messages[2]["content"]
    assert "what was said in the last answer" in notes[3]
    assert "it declines" in notes[4]
    assert "no text" in notes[6]
    assert "language model" not in "".join(m["content"] for m in asked[5].messages)


def test_what_failed_to_the_end_does_not_poison_the_conversation(tmp_path: Path) -> None:
    file = described(tmp_path, turns=["Who are you?", "Go on."])
    refusal = "I'm sorry, but I can't help with that."
    model, asked = scripted(*[refusal] * 4, "Aye.")
    split, results, outputs = run(RECIPE, [file], {}, model, tmp_path / "out")
    assert [ok for _, ok in first_said(split, results)] == [False, True]
    assert [m["content"] for m in asked[-1].messages[1:]] == ["Who are you?", "(no answer)", "Go on."]
    assert "1 rounds flagged" in outputs[0].note
    assert f"**Assistant:** {refusal}\n\n*(it declines" in (tmp_path / "out" / "petrel.md").read_text()


def test_a_summary_that_never_comes_is_made_without_a_model(tmp_path: Path) -> None:
    file = described(tmp_path, turns=turns_of(20))
    actor = Actor(900)

    def model(ask: Ask) -> Said:
        said = actor(ask)
        return Said("") if "What is new:" in ask.messages[-1]["content"] else said

    options = {"context_tokens": "900", "answer_tokens": "100", "summary_tokens": "150"}
    run(RECIPE, [file], options, model, tmp_path / "out")
    memory = json.loads((tmp_path / "out" / "petrel.state.json").read_text())["memory"]
    assert "what did you see" in memory["summary"]
    assert context.tokens_of(memory["summary"]) <= 150


def test_a_user_that_is_played(tmp_path: Path) -> None:
    told = {"simulator": "You are a curious passenger.", "opening": "Good evening!", "rounds": 30}
    file = described(tmp_path, **told)
    actor = Actor(1500)
    asks: list[Ask] = []

    def model(ask: Ask) -> Said:
        asks.append(ask)
        said = actor(ask)
        return Said(f"Passenger asks: {said.text}") if "passenger" in ask.messages[0]["content"] else said

    options = {"context_tokens": "1500", "answer_tokens": "120"}
    run(RECIPE, [file], options, model, tmp_path / "out")
    rounds = [json.loads(line) for line in (tmp_path / "out" / "petrel.jsonl").read_text().splitlines()]
    assert len(rounds) == 30
    assert rounds[0]["user"] == "Good evening!"
    assert all(one["user"].startswith("Passenger asks") for one in rounds[1:])
    roles = [m["role"] for m in asks[1].messages]
    assert roles == ["system", "user", "assistant", "user"]
    assert asks[1].messages[2]["content"] == "Good evening!"
    state = str(tmp_path / "out" / "petrel.state.json")
    (tmp_path / "petrel.json").write_text("{}")
    run(RECIPE, [file], {**options, "resume": state, "rounds": "2"}, model, tmp_path / "on")
    lines = (tmp_path / "on" / "petrel.jsonl").read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [31, 32]


def test_sessions_go_side_by_side_and_one_bad_one_stops_none(tmp_path: Path) -> None:
    good = described(tmp_path, "a.json", sessions=[{"turns": ["Hi."]}, {"session": "b", "turns": ["Ho."]}])
    again = described(tmp_path, "b.json", turns=["x"])
    bad = described(tmp_path, "c.json", turns=["x" * 40_000])
    broken = tmp_path / "d.toml"
    broken.write_text("system = ")
    split, _, outputs = run(RECIPE, [good, again, bad, broken], {}, Actor(), tmp_path / "out")
    assert [part.lane for part in split.parts] == ["a-1", "b"]
    assert len(outputs) == 6
    reasons = {skip.file: skip.reason for skip in split.skipped}
    assert reasons["b.json"] == "there is a session “b” already"
    assert "round 1 takes 10,004 tokens" in reasons["c.json"]
    assert reasons["d.toml"].startswith("it can't be read")
    with pytest.raises(BadRequest, match=r"nothing to talk about; d.toml: it can't be read"):
        RECIPE.split([broken], {})
    with pytest.raises(BadRequest, match=r"context_tokens=500 is too small .* give 505"):
        RECIPE.split([again], {"context_tokens": "500"})
