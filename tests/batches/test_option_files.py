"""Options that stand for files: copied from here, never read from a server's disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from batching import file_row
from fresh_store import fresh_store

from tokenworks.batches.option_files import named, resolved
from tokenworks.errors import BadRequest
from tokenworks.ledger.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    yield store
    store.close()


def kept(store: Store, body: bytes = b"a,b\n", **fields: str) -> str:
    row = file_row(name="terms.csv", **fields)
    store.add_file(row)
    store.append_file(row.id, 0, body)
    store.finish_file(row.id, len(body))
    return row.id


def test_what_names_a_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "terms.csv").write_text("x")
    (tmp_path / "de").write_text("a file that is called as a language is")
    options = {"to": "de", "glossary": "terms.csv", "tone": "as in a/b.txt", "column": "none.csv", "x": "\0"}
    assert named(options) == {"glossary": [Path("terms.csv")]}
    assert named({"glossary": str(tmp_path / "de")}) == {"glossary": [tmp_path / "de"]}
    with pytest.raises(BadRequest, match="a folder; name the file"):
        named({"resume": str(tmp_path)})


def test_a_file_of_the_key_becomes_a_path(tmp_path: Path, store: Store) -> None:
    options = {"to": "de", "glossary": kept(store)}
    found = resolved(store, "k_1", options, tmp_path / "options")
    assert found["to"] == "de"
    assert found["glossary"] == str(tmp_path / "options" / "glossary-0" / "terms.csv")
    assert Path(found["glossary"]).read_bytes() == b"a,b\n"
    assert resolved(store, "k_1", {"to": "de"}, tmp_path / "none") == {"to": "de"}
    assert not (tmp_path / "none").exists()


def test_several_with_commas_between(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("a")
    (tmp_path / "b.py").write_text("b")
    assert named({"context": "a.py, b.py"}) == {"context": [Path("a.py"), Path("b.py")]}
    assert named({"context": "a.py,none.py", "tone": "warm, a.py"}) == {}
    first, second = kept(store, b"1"), kept(store, b"2")
    found = resolved(store, "k_1", {"context": f"{first}, {second}"}, tmp_path / "options")
    assert [Path(path).read_bytes() for path in found["context"].split(",")] == [b"1", b"2"]


def test_another_keys_file_is_not_there(tmp_path: Path, store: Store) -> None:
    for file_id in (kept(store, key_id="k_2"), f"file-{'0' * 24}"):
        with pytest.raises(BadRequest, match="no such file of this key"):
            resolved(store, "k_1", {"glossary": file_id}, tmp_path)


def test_no_path_of_the_server_is_read(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pepper").write_text("secret")
    monkeypatch.chdir(tmp_path)
    for value in (
        "/etc/passwd",
        "pepper",
        " pepper ",
        "x,pepper",
        "/etc/hosts, /etc/passwd",
        "./pepper",
        "x,\n/etc/passwd",
        "/" * 2000 + "etc/passwd",
        str(tmp_path),
        "../",
    ):
        with pytest.raises(BadRequest, match="a path of the server is not read"):
            resolved(store, "k_1", {"template": value}, tmp_path / "options")
    harmless = {"template": "and/or {text}", "to": "de", "tone": "x" * 5000, "more": "a\nb"}
    assert resolved(store, "k_1", harmless, tmp_path) == harmless
