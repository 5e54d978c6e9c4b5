"""Weights in a file."""

import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tokenworks.errors import ConfigError
from tokenworks.routing.difficulty import SHIPPED
from tokenworks.routing.learned import WIDTH, Learned, canonical


@pytest.fixture(scope="module")
def shipped() -> Learned:
    return Learned.load(SHIPPED)


def test_what_is_saved_comes_back(shipped: Learned, tmp_path: Path) -> None:
    shipped.save(tmp_path / "w.npz")
    again = Learned.load(tmp_path / "w.npz")
    for each in fields(Learned):
        assert np.array_equal(getattr(again, each.name), getattr(shipped, each.name)), each.name


def test_the_same_weights_are_the_same_bytes(shipped: Learned, tmp_path: Path) -> None:
    shipped.save(tmp_path / "a.npz")
    shipped.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_weights_without_hashes_of_what_they_were_trained_on_do(shipped: Learned, tmp_path: Path) -> None:
    replace(shipped, trained=np.array([3, 7], dtype=np.uint32)).save(tmp_path / "w.npz")
    assert Learned.load(tmp_path / "w.npz").trained.tolist() == [3, 7]
    with zipfile.ZipFile(tmp_path / "w.npz") as whole, zipfile.ZipFile(tmp_path / "o.npz", "w") as less:
        for name in whole.namelist():
            if name != "trained.npy":
                less.writestr(name, whole.read(name))
    assert not len(Learned.load(tmp_path / "o.npz").trained)


def test_what_is_shipped_is_small(shipped: Learned) -> None:
    assert SHIPPED.stat().st_size < 6_000_000
    assert len(shipped.landmarks) <= 2_000
    assert shipped.projection.shape[1] == WIDTH <= 64


def test_a_missing_or_odd_file_is_one_line_that_names_the_fix(shipped: Learned, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npz"
    for make in (lambda: None, lambda: bad.write_bytes(b"no zip"), lambda: zipfile.ZipFile(bad, "w").close()):
        make()
        with pytest.raises(ConfigError, match="route train") as told:
            Learned.load(bad)
        assert "\n" not in str(told.value)
    replace(shipped, shape_mean=shipped.shape_mean[:-1]).save(bad)
    with pytest.raises(ConfigError, match="another version"):
        Learned.load(bad)


def test_a_vector_is_at_most_of_unit_length(shipped: Learned) -> None:
    shape = np.full(len(shipped.shape_mean), 1e6, dtype=np.float32)
    vector = shipped.vector(np.arange(500), np.full(500, 8.0, dtype=np.float32), shape)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) <= 1 + 1e-5


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("meta-llama/llama-3.1-70b-instruct", "Meta-Llama-3_1-70B-Instruct"),
        ("qwen/qwen-2.5-7b-instruct", "Qwen2.5-7B-Instruct"),
        ("Llama-3.1-405B-Inst@elsewhere", "Llama-3.1-405B-Instruct"),
    ],
)
def test_one_model_has_one_canonical_name(one: str, two: str) -> None:
    assert canonical(one) == canonical(two)


def test_versions_stay_apart() -> None:
    assert len({canonical(name) for name in ("big-3-8b", "big-3.1-8b", "big-3-70b", "big-3-8b-v0.2")}) == 4
