"""Which engine is meant, and what is said where none is."""

from pathlib import Path

import pytest
from gguf_files import MINIMAL, gguf

from tokenworks.cli.engine.chosen import chosen
from tokenworks.cli.home import Place
from tokenworks.engines import shelf
from tokenworks.errors import ConfigError


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(gguf(MINIMAL, {"a": (64, 10)}))
    return file


def test_the_only_engine_needs_no_name(tmp_path: Path, tiny: Path) -> None:
    place = Place(tmp_path / "home")
    with pytest.raises(ConfigError, match="no model runs here yet; run: tokenworks model add smollm2"):
        chosen(place, None, None)
    shelf.add_gguf(place.folder, tiny, slots=3)
    assert chosen(place, None, None).name == chosen(place, "local/tiny", None).name == "tiny"
    assert chosen(place, "tiny", None, threads=2, context_length=None).settings.threads == 2
    shelf.add_gguf(place.folder, tiny, "second")
    with pytest.raises(ConfigError, match="say which engine: second, tiny"):
        chosen(place, None, None)
    assert chosen(place, "second", None).settings.slots == 4
    with pytest.raises(ConfigError, match='no engine is called "third"; there are second, tiny'):
        chosen(place, "third", None)


def test_a_file_that_is_on_no_shelf(tmp_path: Path, tiny: Path) -> None:
    found = chosen(Place(tmp_path / "home"), None, tiny)
    assert (found.name, found.settings.model, found.head.layers) == ("tiny", "local/tiny", 2)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("model", "name", "settings", "says"),
    [
        ("tiny", "tiny.gguf", {}, "not both"),
        (None, "no.gguf", {}, "can't be read"),
        (None, "tiny.gguf", {"threads": -1}, "threads must be from 0"),
        (None, "tiny.gguf", {"context_length": 0}, "context_length must be from 1"),
        (None, "words.gguf", {}, "is no GGUF file"),
    ],
)
def test_what_can_not_be(
    tmp_path: Path, tiny: Path, model: str | None, name: str, settings: dict[str, int], says: str
) -> None:
    (tmp_path / "words.gguf").write_text("words")
    with pytest.raises(ConfigError) as caught:
        chosen(Place(tmp_path / "home"), model, tmp_path / name, **settings)
    assert says in caught.value.message and "\n" not in caught.value.message
