"""The file that an answer holds."""

import time

import pytest

from tokenworks.batches.recipes.generate import syntax, unwrapped


def read(text: str, language: str = "python", path: str = "a.py") -> tuple[str, list[str]]:
    return unwrapped.code(text, language, lambda code: syntax.fault(language, code, path))


def test_fences_and_talk_are_taken_off() -> None:
    code = "def f():\n    return 1\n"
    for text in (
        code,
        f"```python\n{code}```",
        f"Here it is:\n\n```py\n{code}```\nEnjoy!",
        f"\n```\n{code}\n\n```\n",
    ):
        assert read(text) == (code, [])


def test_the_right_block_of_several_is_taken() -> None:
    text = "```bash\npip install x && echo a long line of shell that is longer\n```\n```python\nx = 1\n```\n"
    assert read(text + "```python\nprint(2)\nprint(3)\n```") == ("print(2)\nprint(3)\n", [])
    assert read(text) == ("x = 1\n", [])


def test_fences_inside_of_the_code_stay() -> None:
    code = '"""Doc.\n\n```\nexample (\n```\n"""\nx = 1\n'
    assert read(f"```python\n{code}```") == (code, [])
    text = "# Title\n\n```python\nx = 1\n```\n"
    assert read(text, "markdown", "a.md") == (text, [])
    assert read(f"```markdown\n{text}```", "markdown", "a.md") == (text, [])


def test_what_is_wrong_is_told() -> None:
    assert read("  ") == ("", ["there is no code in it"])
    assert read("```js\nlet a = 1\n```")[1] == ["it is javascript, python was asked for"]
    assert "invalid syntax" in read("I can write that for you.")[1][0]
    assert read("x = 1\n# ... rest of the code\n")[1] == ["it leaves code out: “# ... rest of the code”"]
    assert read("x = [\n    1,  # ...\n]\n")[1] == []
    assert read("class P:\n    def f(self) -> int: ...\n")[1] == []


def test_longer_fences_hold_shorter_ones() -> None:
    assert read("Here:\n````python\nx = '''\n```\n'''\n````\n") == ("x = '''\n```\n'''\n", [])
    assert read("Here:\n~~~python\nx = 1\n~~~\n") == ("x = 1\n", [])


@pytest.mark.parametrize("piece", ["```\n", "```py\nx\n", "`", "# ..\n", " \t", "# \n", "~~~\n```\n"])
def test_no_text_takes_for_ever(piece: str) -> None:
    began = time.process_time()
    read("x\n" + piece * 20_000)
    assert time.process_time() - began < 1.0
