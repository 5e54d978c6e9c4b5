"""Prompt files: the shipped one, and what is said of a wrong one."""

from collections import Counter
from pathlib import Path

import pytest

from tokenworks.engines.prompt_set import load
from tokenworks.errors import ConfigError


def test_the_shipped_prompts() -> None:
    prompts = load()
    assert len(prompts) == 24
    assert len({str(prompt.chat()) for prompt in prompts}) == 24
    kinds = Counter(prompt.kind for prompt in prompts)
    assert "" not in kinds and len(kinds) >= 12
    long = [prompt for prompt in prompts if sum(len(each["content"]) for each in prompt.chat()) > 900]
    assert len({prompt.kind for prompt in long}) >= 4, "several kinds of long context"
    assert all(prompt.chat()[-1]["role"] == "user" for prompt in prompts)


def test_a_file_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(
        '{"prompt": "Hi", "kind": "k"}\n\n'
        '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "id": "x"}\n'
    )
    first, second = load(file)
    assert (first.id, first.kind, first.chat()) == ("1", "k", [{"role": "user", "content": "Hi"}])
    assert (second.id, second.chat()[0]["role"]) == ("x", "system")


def test_other_ends_of_lines_within_a_text_are_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + '{"prompt": "one\u2028two\x85three"}\r\n{"prompt": "b"}\r\n'.encode())
    assert [prompt.prompt for prompt in load(file)] == ["one\u2028two\x85three", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "holds no prompt"),
        (b"Name a colour.\n", "mine.jsonl:1: "),
        (b'{"prompt": "a"}\n{"promt": "b"}\n', "mine.jsonl:2: "),
        (b'{"prompt": "a", "messages": [{"role": "user"}]}\n', 'give either "prompt" or "messages"'),
        (b'{"kind": "a"}\n', 'give either "prompt" or "messages"'),
        (b'{"prompt": 1}\n', "write one object a line"),
        (b'{"messages": ' + b"[" * 9999 + b"\n", "mine.jsonl:1: "),
        (b"\xff\xfe\n", "no UTF-8"),
    ],
)
def test_wrong_files(tmp_path: Path, text: bytes, says: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert says in caught.value.message and "\n" not in caught.value.message


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.jsonl: can't be read"):
        load(tmp_path / "no.jsonl")
