"""What the shipped predictor says. Its figures are measured by bench/routing.py; here: that it is sane."""

import numpy as np
import pytest

from tokenworks.routing.difficulty import Difficulty, _bent

STRONG, CHEAP = "anthropic/claude-3-5-sonnet-20241022", "meta-llama/llama-3-8b-instruct"
SUM = "A baker sells 12 loaves in the morning and twice as many later. How many loaves in total?"
PROOF = (
    "Find the number of ordered triples $(a,b,c)$ of positive integers such that $\\frac{a}{b}+\\sqrt{c}=24$ "
    "and $\\text{lcm}(a,b,c)$ divides $10^6$."
)


@pytest.fixture(scope="module")
def difficulty() -> Difficulty:
    return Difficulty.load()


def test_a_look_has_what_records_and_learning_need(difficulty: Difficulty) -> None:
    look = difficulty.look(SUM)
    assert look.task == "math" and 0 < look.task_share <= 1
    assert 0 <= look.known <= 1
    assert look.vector.shape == (64,) and look.vector.dtype == np.float32
    assert 0.1 < np.linalg.norm(look.vector) <= 1 + 1e-5


def test_stronger_models_and_easier_prompts_are_likelier_right(difficulty: Difficulty) -> None:
    easy = [each.right for each in difficulty.guess(difficulty.look(SUM), [STRONG, CHEAP])]
    hard = [each.right for each in difficulty.guess(difficulty.look(PROOF), [STRONG, CHEAP])]
    assert easy[0] > easy[1] and hard[0] > hard[1]
    assert easy[0] > hard[0] + 0.15 and easy[1] > hard[1] + 0.3


def test_a_model_that_was_never_seen_gets_what_its_name_lets_expect(difficulty: Difficulty) -> None:
    look = difficulty.look(SUM)
    models = ["huggingfacetb/smollm2-135m-instruct", "acme/unheard-of", "anthropic/claude-opus-4.5"]
    small, unheard, large = difficulty.guess(look, models)
    assert small.right < unheard.right < large.right
    assert small.right < 0.4 and large.right > 0.85
    assert all(each.weight < 20 for each in (small, unheard, large))


def test_evidence_weighs_where_there_are_outcomes(difficulty: Difficulty) -> None:
    seen, unseen = difficulty.guess(difficulty.look(SUM), [STRONG, "acme/unheard-of"])
    assert seen.weight > 100 > unseen.weight


def test_far_from_known_work_only_the_model_counts(difficulty: Difficulty) -> None:
    texts = ["zxqv wvut qqq jjj", "Напиши короткое стихотворение о море", "hi there!", "帮我写一封请假邮件"]
    looks = [difficulty.look(text) for text in texts]
    far = [look for look in looks if look.known == 0]
    assert len(far) > 1, [look.known for look in looks]
    assert len({difficulty.guess(look, [STRONG])[0].right for look in far}) == 1


def test_the_gain_of_a_strong_model_is_larger_on_hard_prompts(difficulty: Difficulty) -> None:
    pair = "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"
    cents = "A pen costs $1.50 and a book costs $4.25. He buys 3 pens and 2 books. How much does he pay?"
    plain, odd = (difficulty.gain(difficulty.look(text), *pair) for text in (SUM, cents))
    assert plain > 0 and plain != odd
    assert difficulty.gain(difficulty.look(SUM), *pair[::-1]) == pytest.approx(-plain)


def test_the_gain_of_a_pair_without_outcomes_tells_no_prompts_apart(difficulty: Difficulty) -> None:
    pair = "anthropic/claude-opus-5", "acme/unheard-of-1b"
    assert len({difficulty.gain(difficulty.look(text), *pair) for text in (SUM, PROOF, "hi")}) == 1
    seen = "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"
    far = {difficulty.gain(difficulty.look(text), *seen) for text in ("hi there!", "zxqv wvut qqq jjj")}
    assert len(far) == 1 and far.pop() > 0


def test_typed_differently_changes_next_to_nothing(difficulty: Difficulty) -> None:
    one, two = difficulty.look(SUM), difficulty.look(SUM.upper().replace(" ", "  "))
    assert np.array_equal(one.vector, two.vector) and one.task == two.task


def test_spellings_of_a_model_are_one(difficulty: Difficulty) -> None:
    look = difficulty.look(SUM)
    one, two = difficulty.guess(look, ["meta-llama/llama-3.1-8b-instruct", "Meta-Llama-3.1-8B-Instruct"])
    assert one.right == pytest.approx(two.right, abs=0.05)


@pytest.mark.parametrize("text", ["", "\x00", "a" * 200_000, "😀", "\ud800"])
def test_odd_texts_get_probabilities(difficulty: Difficulty, text: str) -> None:
    (guess,) = difficulty.guess(difficulty.look(text), [STRONG])
    assert 0 < guess.right < 1


def test_those_who_are_surely_right_stay_in_order() -> None:
    told = _bent(np.array([-0.5, 0.0, 0.01, 0.5, 0.985, 1.0, 1.2, 1.5], dtype=np.float32))
    assert (np.diff(told) > 0).all() and told[0] > 0 and told[-1] < 1
    assert told[3] == pytest.approx(0.5)


def test_nobody_asked_nobody_guessed(difficulty: Difficulty) -> None:
    assert difficulty.guess(difficulty.look("x"), []) == []


def test_many_sets_of_candidates_are_not_all_remembered(difficulty: Difficulty) -> None:
    look = difficulty.look("x")
    for number in range(200):
        difficulty.guess(look, [f"acme/model-{number}"])
    assert len(difficulty._memo) <= 64
