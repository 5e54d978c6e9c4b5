"""Heads that learn what the predictor gets wrong here, forget it again, and are kept exactly."""

import time

import numpy as np
import pytest

from tokenworks.routing import heads as module
from tokenworks.routing.heads import MOST, Corrections, Heads, loaded, shifted


def vectors(count: int, seed: int = 0, width: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, width))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_nothing_learnt_corrects_nothing() -> None:
    x = vectors(1)[0]
    assert Corrections().corrected("a", x, 0.999, "t") == 0.999
    assert Heads().solved().correction("a", x) == 0.0


def test_it_solves_the_weighted_least_squares_problem() -> None:
    """Without forgetting the head is that of ridge regression, whatever the order."""
    xs, rng = vectors(300), np.random.default_rng(1)
    ys, ws = rng.uniform(-0.5, 0.5, 300), rng.uniform(0.1, 1, 300)
    full = np.hstack([xs.astype(float), np.ones((300, 1))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORGETTING", 1.0)
        heads = Heads()
        for x, y, w in zip(xs, ys, ws, strict=True):
            heads.update("a", x, y, w)
    weighted = full.T * ws
    wanted = np.linalg.solve(weighted @ full + module.RIDGE * np.eye(65), weighted @ ys)
    solved = heads.solved()
    assert solved._heads["a"] == pytest.approx(wanted, abs=1e-9)
    assert solved.weight("a") == pytest.approx(ws.sum())


def test_a_residual_that_depends_on_the_prompt_is_found() -> None:
    xs = vectors(3000, seed=2)
    direction = vectors(1, seed=9)[0]
    rng = np.random.default_rng(3)
    heads = Heads()
    for x in xs[:2500]:
        truth = 0.5 + 1.2 * float(x @ direction)
        heads.update("a", x, float(rng.random() < truth) - 0.5, 1.0)
    solved = heads.solved()
    errors = [abs(0.5 + 1.2 * float(x @ direction) - solved.corrected("a", x, 0.5, "t")) for x in xs[2500:]]
    assert np.mean(errors) < 0.65 * np.mean([abs(1.2 * float(x @ direction)) for x in xs[2500:]])


def test_little_evidence_corrects_little_and_none_too_much() -> None:
    x = vectors(1)[0]
    found = []
    for count in (1, 5, 50, 2000):
        heads = Heads()
        for _ in range(count):
            heads.update("a", x, -0.6, 1.0)
        found.append(heads.solved().correction("a", x))
    assert found == sorted(found, reverse=True)
    assert -0.12 < found[0] < 0 and found[-1] == -MOST
    assert heads.solved().corrected("a", x, 0.2, "t") == module.LEAST_RIGHT
    assert heads.solved().correction("b", x) == 0.0, "another model's"


def test_what_changed_is_learnt_anew() -> None:
    x = vectors(1)[0]
    heads = Heads()
    for _ in range(3000):
        heads.update("a", x, 0.2, 1.0)
    for _ in range(3000):
        heads.update("a", x, -0.2, 1.0)
    assert heads.solved().correction("a", x) < -0.1
    assert heads.solved().weight("a") == pytest.approx(1 / (1 - module.FORGETTING), rel=0.06)


def test_what_is_forgotten_leaves_the_ridge() -> None:
    """The same prompt a thousand times: what nobody asks about is not known the worse for it."""
    x = vectors(1)[0]
    heads = Heads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORGETTING", 0.99)
        for _ in range(1000):
            heads.update("a", x, 0.1, 1.0)
    assert np.linalg.eigvalsh(heads._models["a"].information).min() == pytest.approx(module.RIDGE)


def test_an_amended_verdict_counts_as_if_it_had_been_so_at_once() -> None:
    xs = vectors(40)
    one, other = Heads(), Heads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORGETTING", 1.0)
        for at, x in enumerate(xs):
            one.update("a", x, 0.5 if at == 7 else 0.1, 1.0)
            other.update("a", x, -0.5 if at == 7 else 0.1, 1.0)
        other.amend("t", "a", xs[7], 1.0, 1.0)
    assert other.solved()._heads["a"] == pytest.approx(one.solved()._heads["a"], abs=1e-12)
    other.amend("t", "nobody", xs[0], 1.0, 1.0)


def test_kept_and_loaded_it_goes_on_as_if_nothing_had_been() -> None:
    xs, rng = vectors(60, width=48), np.random.default_rng(4)
    ys = rng.uniform(-1, 1, 60)
    whole, half = Heads(), Heads()
    for at, (x, y) in enumerate(zip(xs, ys, strict=True)):
        whole.learn("t", "ab"[at % 2], x, 0.5, (y + 1) / 2, 0.3)
        if at == 30:
            half.position = b"30"
            half = loaded(half.dumped())
            assert half.position == b"30"
        half.learn("t", "ab"[at % 2], x, 0.5, (y + 1) / 2, 0.3)
    half.position = b""
    assert half.dumped() == whole.dumped(), "the very same bytes"
    assert len(half.solved()) == 2


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x90", bytes(100), b"\x95\x01\x41\x00\x80\xc4\x00\xff"])
def test_what_is_no_heads_is_told(body: bytes) -> None:
    with pytest.raises(ValueError, match="heads"):
        loaded(body)


def test_another_versions_or_broken_heads_are_told() -> None:
    heads = Heads()
    heads.update("a", vectors(1)[0], 0.5, 1.0)
    good = heads.dumped()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FORMAT", 2)
        with pytest.raises(ValueError, match="another version"):
            loaded(good)
    broken = np.frombuffer(good, dtype=np.uint8).copy()
    at = good.index(heads._models["a"].target.tobytes())
    broken[at : at + 8] = 0xFF  # not a number
    with pytest.raises(ValueError, match="not finite"):
        loaded(broken.tobytes())


def test_senseless_samples_are_left_out() -> None:
    x = vectors(1)[0]
    heads = Heads()
    for vector, residual, weight in (
        (x, float("nan"), 1.0),
        (x, 1.5, 1.0),
        (x, 0.5, 0.0),
        (x, 0.5, float("nan")),
        (x * np.float32("nan"), 0.5, 1.0),
        (np.zeros(0, np.float32), 0.5, 1.0),
        (np.zeros((2, 2), np.float32), 0.5, 1.0),
    ):
        heads.update("a", vector, residual, weight)
    assert heads.updates == 0
    heads.update("a", np.ones(500, np.float32), 0.5, 7.0)
    assert heads.solved().weight("a") == 1.0


def test_the_models_kept_are_those_used_last() -> None:
    x = vectors(1)[0]
    heads = Heads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_MODELS", 3)
        for name in ("a", "b", "c", "a", "d"):
            heads.update(name, x, 0.1, 1.0)
    assert {name for name in "abcd" if heads.solved().weight(name)} == {"a", "c", "d"}


def test_a_shift_moves_all_predictions_of_a_task_and_leaves_their_order() -> None:
    """Far too rosy at code, right at chat: code is shifted, and easy prompts stay easier than hard ones."""
    rng = np.random.default_rng(6)
    heads = Heads()
    for x in vectors(3000, seed=6):
        for task, moved in (("code", -1.2), ("chat", 0.0)):
            foretold = float(rng.choice([0.6, 0.9]))
            heads.learn(task, "a", x, foretold, float(rng.random() < shifted(foretold, moved)), 1.0)
    solved = heads.solved()
    x = np.zeros(64, np.float32)
    easy, hard = (solved.corrected("a", x, foretold, "code") for foretold in (0.9, 0.6))
    assert easy == pytest.approx(shifted(0.9, -1.2), abs=0.05)
    assert hard == pytest.approx(shifted(0.6, -1.2), abs=0.05)
    assert solved.corrected("a", x, 0.9, "chat") == pytest.approx(0.9, abs=0.05)
    assert solved.knows("code", "a") and not solved.knows("math", "a")
    assert solved.corrected("a", x, 0.9, "math") == pytest.approx(0.9, abs=0.1)


def test_shifts_are_bounded_in_size_and_number() -> None:
    x = vectors(1)[0]
    heads = Heads()
    for _ in range(500):
        heads.learn("t", "a", x, 0.999, 0.0, 1.0)
    assert heads._shifts["t", "a"].shift() == -module.MOST_SHIFT
    for _ in range(3):
        heads.amend("t", "a", x, 1.0, 1.0)
    assert heads._shifts["t", "a"].right == pytest.approx(3.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_SHIFTS", 3)
        for task in ("b", "c", "d"):
            heads.learn(task, "a", x, 0.5, 1.0, 0.5)
    assert set(heads._shifts) == {("t", "a"), ("c", "a"), ("d", "a")}
    for foretold, right, weight in ((1.5, 0.5, 1.0), (0.5, float("nan"), 1.0), (0.5, 0.5, 0.0)):
        heads.learn("e", "a", x, foretold, right, weight)
    heads.learn("e", "a", x * np.float32("nan"), 0.5, 0.5, 1.0)
    assert ("e", "a") not in heads._shifts


def test_a_sample_takes_a_fraction_of_a_millisecond() -> None:
    x = vectors(1)[0]
    heads = Heads()
    heads.update("a", x, 0.1, 1.0)
    began = time.process_time()
    for _ in range(300):
        heads.update("a", x, 0.1, 1.0)
    assert (time.process_time() - began) / 300 < 0.001
