"""Sessions as files describe them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tokenworks.batches.recipes.dialogue import session
from tokenworks.errors import BadRequest


def read(folder: Path, text: str, name: str = "s.toml", rounds: int = 0, resume: str = "") -> session.Session:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    (told,) = session.sessions(file)
    return session.session(told, file, rounds, resume)


def test_toml(tmp_path: Path) -> None:
    found = read(
        tmp_path, 'persona = "A mate."\nsystem = "Be brief."\nfacts = ["x"]\nturns = ["a", "b", "c"]\n'
    )
    assert (found.id, found.system, found.facts, found.rounds) == ("s", "A mate.\n\nBe brief.", ["x"], 3)
    assert read(tmp_path, 'turns = ["a", "b", "c"]', rounds=2).turns == ["a", "b"]
    assert read(tmp_path, 'turns = ["a"]', rounds=9).rounds == 1
    assert read(tmp_path, 'simulator = "x"').rounds == session.ROUNDS


def test_several_share_what_stands_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text('facts = ["x"]\n[[sessions]]\nsession = "one"\n[[sessions]]\nfacts = ["y"]\n')
    assert session.sessions(file) == [
        {"facts": ["x"], "session": "one"},
        {"facts": ["y"], "session": "all-2"},
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "give turns"),
        ('turn = ["a"]', "“turn” is not known here"),
        ('turns = "a"', "“turns” must be a list of texts"),
        ('facts = [1]\nturns = ["a"]', "“facts” must be a list"),
        ("system = 1", "“system” must be a text"),
        ('turns = ["a", " "]', "a turn is empty"),
        ('session = "../x"\nturns = ["a"]', "“session” must be a name"),
        ('session = ".x"\nturns = ["a"]', "“session” must be a name"),
        ('rounds = -1\nturns = ["a"]', "“rounds” must be"),
        ('rounds = true\nturns = ["a"]', "“rounds” must be"),
        ('turns_file = "../out.txt"', "must stand beside"),
        ('turns_file = "/etc/hostname"', "must stand beside"),
        ('turns_file = "link.txt"', "must stand beside"),
        ('turns_file = "none.txt"', "can't be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "out.txt").write_text("secret")
    inner = tmp_path / "in"
    inner.mkdir()
    (inner / "link.txt").symlink_to(tmp_path / "out.txt")
    with pytest.raises(BadRequest, match=wrong):
        read(inner, text)


def test_turns_from_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "turns.txt").write_text("one\n\n  two \n")
    assert read(tmp_path, 'turns_file = "turns.txt"').turns == ["one", "two"]


@pytest.mark.parametrize("text", ["[1]", "{", '{"sessions": []}', '{"sessions": [1]}', ""])
def test_what_is_no_description(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest):
        read(tmp_path, text, "s.json")
    with pytest.raises(BadRequest, match="No such file"):
        session.sessions(tmp_path / "none.json")


def test_a_state_is_judged(tmp_path: Path) -> None:
    good: dict[str, Any] = {
        "kind": session.STATE, "version": 1, "session": "s", "system": "S", "facts": ["f"], "forbidden": [],
        "simulator": "", "memory": {"round": 7, "summary": "x", "turns": [["a", "b"]], "said": ""},
    }  # fmt: skip
    file = tmp_path / "s.state.json"
    file.write_text(json.dumps(good))
    found = read(tmp_path, 'turns = ["a"]', resume=str(file))
    assert (found.system, found.facts, found.start["round"]) == ("S", ["f"], 7)
    assert read(tmp_path, 'facts = []\nturns = ["a"]', resume=str(file)).facts == []
    assert session.state(str(tmp_path), "new") is None
    for change, wrong in (
        ({"session": "t"}, "is of session “t”, not “s”"),
        ({"version": 2}, "that this version knows"),
        ({"memory": {"turns": [["a"]]}}, "no state of a dialogue"),
        ({"facts": "x"}, "no state of a dialogue"),
    ):
        file.write_text(json.dumps({**good, **change}))
        with pytest.raises(BadRequest, match=wrong):
            session.state(str(file), "s")
    with pytest.raises(BadRequest, match="can't be read"):
        session.state(str(tmp_path / "none.state.json"), "s")


def test_a_memory_is_json() -> None:
    memory = session.Kept(3, "s", [("a", "b")], "c").memory()
    assert session.Kept.of(json.loads(json.dumps(memory))) == session.Kept(3, "s", [("a", "b")], "c")
