"""Putting models on the shelf: the packaged one, the user's own, and what is refused."""

import hashlib
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from gguf_files import MINIMAL, gguf

from tokenworks.config.load import load
from tokenworks.config.settings import EngineSettings
from tokenworks.engines import shelf
from tokenworks.engines.llama_cpp import XLLAMACPP
from tokenworks.errors import ConfigError, TokenworksError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    file = tmp_path / "Tiny Model-Q4 ü.gguf"
    file.write_bytes(gguf(MINIMAL, {"a": (64, 10)}))
    return file


def test_smollm2_is_linked_and_described(home: Path, smollm2: Path) -> None:
    heard: list[tuple[int, int]] = []
    added = shelf.add_smollm2(home, progress=lambda done, size: heard.append((done, size)), slots=2)
    assert added.settings.sha256 == shelf.SMOLLM2_SHA256
    assert added.head.has_chat_template and added.cache_bytes == 2 * 180 << 20
    assert heard[-1] == (98_362_432, 98_362_432) and len(heard) > 10
    engine = load(home).engines["smollm2"]
    assert engine.model == "huggingfacetb/smollm2-135m-instruct" and engine.aliases == ("smollm2",)
    assert (engine.slots, engine.context_length, engine.kv_cache_type) == (2, 8192, "f16")
    kept = Path(engine.path)
    assert kept.parent == home / "models"
    assert kept.samefile(smollm2) or kept.stat().st_size == 98_362_432  # copied from another disk


def test_smollm2_again_changes_its_settings(home: Path, smollm2: Path) -> None:
    assert not shelf.add_smollm2(home).replaced
    assert shelf.add_smollm2(home, kv_cache_type="q8_0").replaced
    assert list(shelf.list_engines(home)) == ["smollm2"]
    assert shelf.list_engines(home)["smollm2"].kv_cache_type == "q8_0"


def test_smollm2_twice_under_two_names_is_one_file(home: Path, smollm2: Path) -> None:
    shelf.add_smollm2(home)
    second = shelf.add_smollm2(home, name="small-2")
    assert second.settings.aliases == () and second.settings.model == shelf.SMOLLM2_MODEL
    assert len(list((home / "models").iterdir())) == 1


def test_another_file_than_the_published_is_refused(
    home: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SMOLLM2_SHA256", "0" * 64)
    with pytest.raises(TokenworksError, match="is not the file that was published"):
        shelf.add_smollm2(home)
    assert shelf.list_engines(home) == {}


def test_user_file_stays_where_it_is(home: Path, tiny: Path) -> None:
    added = shelf.add_gguf(home, tiny, slots=3, threads=1)
    assert added.name == "tiny-model-q4"
    assert added.settings == EngineSettings(
        model="local/tiny-model-q4",
        path=str(tiny),
        sha256=hashlib.sha256(tiny.read_bytes()).hexdigest(),
        context_length=4096,  # what it was trained on
        slots=3,
        threads=1,
    )
    assert load(home).engines == {added.name: added.settings}
    assert tomllib.loads((home / "engines" / "tiny-model-q4.toml").read_text())["path"] == str(tiny)


@pytest.mark.parametrize("odd", ['quote"s', "back\\slash", "tab\there", "del\x7f", "emoji🌌"])
def test_odd_paths_survive_the_file(home: Path, tmp_path: Path, odd: str) -> None:
    folder = tmp_path / odd
    folder.mkdir()
    (folder / "m.gguf").write_bytes(gguf(MINIMAL))
    shelf.add_gguf(home, folder / "m.gguf")
    assert load(home).engines["m"].path == str(folder / "m.gguf")


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Qwen2.5-0.5B-Q4_K_M", "qwen2.5-0.5b-q4_k_m"), ("...", "model"), ("x" * 90, "x" * 64)],
)
def test_names_come_from_file_names(home: Path, tmp_path: Path, stem: str, name: str) -> None:
    (tmp_path / f"{stem}.gguf").write_bytes(gguf(MINIMAL))
    assert shelf.add_gguf(home, tmp_path / f"{stem}.gguf").name == name


def test_split_models_are_added_by_their_first_part(home: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"big-0000{i}-of-00002.gguf" for i in (1, 2)]
    for number, file in enumerate(files):
        file.write_bytes(gguf({**MINIMAL, "split.no": number, "split.count": 2}))
    assert shelf.add_gguf(home, files[0]).name == "big"
    with pytest.raises(ConfigError, match="is part 2 of 2; give the first"):
        shelf.add_gguf(home, files[1])


def test_a_name_is_not_taken_from_another_file(home: Path, tiny: Path, tmp_path: Path) -> None:
    shelf.add_gguf(home, tiny, "mine")
    other = tmp_path / "other.gguf"
    other.write_bytes(gguf(MINIMAL))
    with pytest.raises(ConfigError, match=r'"mine" already runs .*--name'):
        shelf.add_gguf(home, other, "mine")
    tiny.unlink()  # a file that was moved may be added again
    assert shelf.add_gguf(home, other, "mine").replaced


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"name": "Not Good"}, "--name"),
        ({"slots": 0}, "slots must be from 1"),
        ({"threads": -1}, "threads must be from 0"),
        ({"context_length": 8192}, "more than the 4096 tokens"),
        ({"kv_cache_type": "q8_0", "flash_attention": "off"}, "flash_attention must not be"),
        ({"speculation": "ngram", "draft_tokens": 60}, "draft_tokens must be 31 at most"),
    ],
)
def test_settings_are_checked_before_anything_is_written(
    home: Path, tiny: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        shelf.add_gguf(home, tiny, **settings)
    assert not home.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"<html>", "is no GGUF file; give a language model"),
        (gguf({**MINIMAL, "general.type": "adapter"}), "no language model but adapter"),
        (gguf({**MINIMAL, "general.architecture": "clip"}), "no language model but projector"),
    ],
)
def test_files_that_are_no_model(home: Path, tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "f.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        shelf.add_gguf(home, file)


def test_damaged_entries_are_told(home: Path) -> None:
    (home / "engines").mkdir(parents=True)
    for content in ("model = 3", "model =", "model = 'a'\npath = 'b'\ncolour = 'red'"):
        (home / "engines" / "x.toml").write_text(content)
        with pytest.raises(ConfigError, match=r"x\.toml: .*; correct it"):
            shelf.list_engines(home)


# --- installing -------------------------------------------------------------------------------


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a script in the place of this Python, which plays pip."""

    def play(script: str) -> Path:
        asked = tmp_path / "asked"
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\necho "$@" > {asked}\n{script}\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        return asked

    return play


def test_missing_package_is_installed_without_its_dependencies(
    pip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    said: list[str] = []
    asked = pip(f"touch {packages}/brand_new_package.py")
    shelf._installed("brand_new_package", "brand-new==1.0", said.append)
    assert "-m pip install --no-deps" in asked.read_text() and asked.read_text().endswith("brand-new==1.0\n")
    assert said == [f"installing brand-new==1.0 into {sys.prefix}"]
    asked.unlink()
    shelf._installed("brand_new_package", "brand-new==1.0", said.append)
    assert not asked.exists()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'python: No module named pip' >&2; exit 1", "has no pip; run: .* -m ensurepip"),
        ("echo 'error: externally-managed-environment' >&2; exit 1", "virtual environment"),
        (
            "printf 'WARNING: x\\nERROR: no network\\nERROR: No matching distribution\\n' >&2; exit 1",
            "No matching",
        ),
        ("exit 1", "no reason was given"),
        ("exit 0", "but not where"),
    ],
)
def test_failed_installation_is_one_line_with_the_fix(pip: Any, script: str, says: str) -> None:
    pip(script)
    with pytest.raises(TokenworksError, match=says) as caught:
        shelf._installed("surely_missing_package", "surely-missing==1.0", lambda line: None)
    assert "\n" not in caught.value.message


def test_the_library_is_pinned_as_in_the_package_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert XLLAMACPP in project["optional-dependencies"]["local"]


def test_a_file_as_an_engine_that_stands_on_no_shelf(home: Path, tiny: Path) -> None:
    engine = shelf.as_engine(tiny, slots=2)
    assert (engine.model, engine.path, engine.slots) == ("local/tiny-model-q4", str(tiny), 2)
    assert engine.context_length == 4096
    assert not home.exists()
    with pytest.raises(ConfigError, match="can't be read"):
        shelf.as_engine(tiny.with_name("no.gguf"))


def test_speculation_and_caches_are_kept(home: Path, tiny: Path) -> None:
    given: dict[str, Any] = {"speculation": "ngram", "prompt_cache": False, "slot_similarity": 0.25}
    shelf.add_gguf(home, tiny, "mine", **given)
    found = shelf.list_engines(home)["mine"]
    assert {key: getattr(found, key) for key in given} == given
