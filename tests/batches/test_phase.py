"""What the process does, done here; as a process it is in test_apart.py and test_splitting.py."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import msgspec
import pytest
from deadly_recipe import Deadly
from tiny_recipe import RECIPE

from tokenworks.batches import phase
from tokenworks.batches.cookbook import recipe
from tokenworks.batches.phase import Head, Line, found, place_of, seen, write
from tokenworks.batches.recipes.recipe import Part
from tokenworks.errors import BadRequest, ConfigError


def test_a_path_tells_whenever_its_file_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    told: list[int] = []
    path = seen(tmp_path / "a.txt", 7, told.append)
    assert (path.name, path.suffix, str(path), told) == ("a.txt", ".txt", str(tmp_path / "a.txt"), [])
    for look in (path.exists, path.stat, path.read_text, path.read_bytes, lambda: path.open().close()):
        told.clear()
        look()
        assert set(told) == {7}
    told.clear()
    path.with_suffix(".md").exists()
    assert path.resolve().stat() and told in ([], [7])


@pytest.mark.parametrize("name", ["translate", "extract", "generate", "dialogue", "map"])
def test_every_recipe_is_found_by_its_place(name: str) -> None:
    assert type(found(place_of(recipe(name)))) is type(recipe(name)) is type(found(name))


def test_recipes_of_tests_are_found_too() -> None:
    assert place_of(RECIPE) == "tiny_recipe:Tiny"
    assert isinstance(found("deadly_recipe:Deadly"), Deadly)
    with pytest.raises(BadRequest, match="no recipe"):
        found("bake")


def test_lines_are_the_head_and_what_follows() -> None:
    out = io.BytesIO()
    write(out, Head({"a": 1}), [Part("1", "l", {"t": "ä\n"}, 1, 2)])
    head, part = out.getvalue().splitlines()
    assert msgspec.json.decode(head) == {"shared": {"a": 1}, "skipped": []}
    assert msgspec.json.decode(part, type=Part).data == {"t": "ä\n"}


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (MemoryError(), phase.NO_MEMORY, ""),
        (OSError(errno.ENOMEM, "x"), phase.NO_MEMORY, ""),
        (OSError(errno.ENOSPC, "No space", "/tmp/x"), phase.NO_ROOM, "[Errno 28] No space: '/tmp/x'"),
        (OSError(errno.EDQUOT, "Quota"), phase.NO_ROOM, f"[Errno {errno.EDQUOT}] Quota"),
        (ConfigError("install it"), phase.REFUSED, "install it"),
        (KeyError("x"), phase.BROKE, "KeyError: 'x'"),
        (RecursionError("deep"), phase.BROKE, "RecursionError: deep"),
    ],
)
def test_what_went_wrong_is_told_apart(error: Exception, outcome: str, message: str) -> None:
    assert phase._failure(error) == Line(outcome=outcome, message=message)


def test_signals_have_names() -> None:
    assert "SIGSEGV" in phase.crashed(11).of_file and "signal 99" in phase.crashed(99).plain
