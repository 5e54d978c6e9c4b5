"""The recipe generate, driven by a scripted model."""

import json
from pathlib import Path

import pytest
from running_recipes import run

from tokenworks.batches.recipes.generate import RECIPE
from tokenworks.batches.recipes.recipe import Ask, Said
from tokenworks.errors import BadRequest

LIST = """Python 3.11.

## src/double.py
Doubles numbers.
### Tests
```python
assert double(2) == 4
```

## conf/app.json
A configuration.

## web/page.html
A page.
"""
GOOD = {
    "src/double.py": "```python\ndef double(x):\n    return 2 * x\n```",
    "conf/app.json": '```json\n{"a": 1}\n```',
    "web/page.html": "<p>Hello</p>",
}


def path_of(ask: Ask) -> str:
    return str(ask.messages[1]["content"]).split()[1]


def put(folder: Path, text: str = LIST, name: str = "list.md") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_good_files_are_written_as_they_are(tmp_path: Path) -> None:
    asks: list[Ask] = []

    def model(ask: Ask) -> Said:
        asks.append(ask)
        return Said(GOOD[path_of(ask)], model="small")

    split, results, outputs = run(RECIPE, [put(tmp_path)], {}, model, tmp_path / "out")
    assert all(result.ok for result in results.values())
    assert (tmp_path / "out/src/double.py").read_text() == "def double(x):\n    return 2 * x\n"
    assert (tmp_path / "out/conf/app.json").read_text() == '{"a": 1}\n'
    assert [output.kind for output in outputs[:3]] == ["text/x-python", "application/json", "text/html"]
    assert outputs[-1].note == "3 of 3 files are good"
    told = json.loads((tmp_path / "out/generate-report.json").read_text())
    assert told["each"][0]["tests"] == "not run"
    assert told["each"][0]["model"] == "small"
    heads = {ask.messages[0]["content"] for ask in asks}
    assert len(heads) == 1  # the same in each request
    assert "Python 3.11." in heads.copy().pop()
    assert "conf/app.json" in heads.copy().pop()
    assert "assert double(2) == 4" in asks[0].messages[1]["content"]
    assert split.parts[0].input_tokens > 60


def test_errors_go_back_with_the_compilers_words_and_the_code(tmp_path: Path) -> None:
    asks: list[Ask] = []
    answers = [
        "```python\ndef double(x)\n    return 2 * x\n```",
        "```python\ndef double(x):\n    return 3 * x\n```",
        "```python\ndef double(x):\n    # ... rest of the code\n```",
        GOOD["src/double.py"],
    ]

    def model(ask: Ask) -> Said:
        if path_of(ask) != "src/double.py":
            return Said(GOOD[path_of(ask)])
        asks.append(ask)
        return Said(answers[len(asks) - 1])

    _, results, outputs = run(RECIPE, [put(tmp_path)], {"run_tests": "yes"}, model, tmp_path / "out")
    assert all(result.ok for result in results.values())
    assert "SyntaxError: expected ':' in line 1" in asks[1].messages[-1]["content"]
    assert "def double(x)\n    return 2 * x" in asks[1].messages[-2]["content"]
    assert [m["role"] for m in asks[1].messages] == ["system", "user", "assistant", "user"]
    assert "the tests failed: AssertionError" in asks[2].messages[-1]["content"]
    assert "it leaves code out" in asks[3].messages[-1]["content"]
    assert outputs[-1].note == "3 of 3 files are good"
    told = json.loads((tmp_path / "out/generate-report.json").read_text())
    assert told["tests"]["passed"] == 1


def test_what_fails_to_the_end_is_marked_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    tried = 0

    def model(ask: Ask) -> Said:
        nonlocal tried
        if path_of(ask) == "src/double.py":
            tried += 1
            return Said(
                "```python\ndef double(x)\n```" if tried % 2 else "", "length" if tried == 3 else "stop"
            )
        return Said(GOOD[path_of(ask)])

    _, _, outputs = run(RECIPE, [put(tmp_path)], {}, model, tmp_path / "out", tries=3)
    assert tried == 3
    assert not (tmp_path / "out/src/double.py").exists()
    assert (tmp_path / "out/src/double.py.failed").exists()
    assert outputs[-1].note == "2 of 3 files are good"
    report = json.loads((tmp_path / "out/generate-report.json").read_text())["each"][0]
    assert report["problems"][0].startswith("SyntaxError"), "the one with the fewest faults is kept"


def test_an_empty_try_is_asked_again_in_one_message(tmp_path: Path) -> None:
    split = RECIPE.split([put(tmp_path)], {})
    part = split.parts[0]
    empty = RECIPE.check(part, split.shared, {}, Said(""))
    ask = RECIPE.ask(part, split.shared, {}, [empty])
    assert [m["role"] for m in ask.messages] == ["system", "user"]
    assert "there is no code in it" in ask.messages[1]["content"]


def test_tests_are_only_run_where_somebody_said_so(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"## a.py\nx\n### Tests\nopen({str(mark)!r}, 'w')\n"
    code = "```python\nx = 1\n```"
    run(RECIPE, [put(tmp_path, text)], {}, lambda _: Said(code), tmp_path / "out")
    assert not mark.exists()
    run(RECIPE, [put(tmp_path, text)], {"run_tests": "yes"}, lambda _: Said(code), tmp_path / "out")
    assert mark.exists()  # not a prison: see trial.py


def test_context_is_shown_up_to_its_cap_and_there_for_tests(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text("two = 2\n")
    (tmp_path / "long.md").write_text("word " * 4000)
    text = (
        'context = ["base.py", "long.md"]\n[[file]]\npath = "a.py"\nspec = "x"\n'
        'tests = "assert two == 2"\ncommand = "python -c \'import base, a\'"\n'
    )
    file = put(tmp_path, text, "list.toml")
    options = {"context_tokens": "500", "run_tests": "yes"}
    asks: list[Ask] = []

    def model(ask: Ask) -> Said:
        asks.append(ask)
        return Said("```python\nfrom base import two\n```")

    _, results, _ = run(RECIPE, [file], options, model, tmp_path / "out")
    assert [result.problems for result in results.values()] == [()]
    head = asks[0].messages[0]["content"]
    assert "two = 2" in head
    assert "…" in head
    assert len(head) < 500 * 4 + 600
    split = RECIPE.split([file], {"context": str(tmp_path / "base.py"), "instructions": "Be neat."})
    assert "Be neat." in RECIPE.ask(split.parts[0], split.shared, {}, ()).messages[0]["content"]
    with pytest.raises(BadRequest, match=r"context=none.py can't be read"):
        RECIPE.split([file], {"context": "none.py"})


def test_paths_that_collide_or_leave_the_tree_are_skipped(tmp_path: Path) -> None:
    text = "## a.py\nx\n## A.PY\nx\n## a.py/b.py\nx\n## ../c.py\nx\n## /d.py\nx\n## e/f.py\nx\n## e.x\nx\n"
    other = put(tmp_path, "## e.x/g.py\nx\n## h.py\nx\n### Command\nno-such-program a\n", "other.md")
    bad = put(tmp_path, "x", "b.txt")
    split = RECIPE.split([put(tmp_path, text), other, bad], {"run_tests": "yes"})
    assert [part.data["path"] for part in split.parts] == ["a.py", "e/f.py", "e.x"]
    reasons = sorted(skip.reason for skip in split.skipped)
    assert reasons == [
        "A.PY: it is listed twice",
        "a.py/b.py: it is a file and a folder",
        "e.x/g.py: it is a file and a folder",
        "h.py: the command no-such-program isn't installed here",
        "line 7: the path must be plain, without “.”, “..” or spaces around names: ../c.py",
        "line 9: the path must be relative, with “/”: /d.py",
        "not a list that generate reads: .md .markdown .toml .csv .tsv .jsonl .ndjson",
    ]
    with pytest.raises(BadRequest, match=r"no file to write; b.txt"):
        RECIPE.split([bad], {})
    with pytest.raises(BadRequest, match="no option “tests”"):
        RECIPE.split([other], {"tests": "yes"})


def test_what_was_never_answered_is_told(tmp_path: Path) -> None:
    file = put(tmp_path)
    split = RECIPE.split([file], {})
    (output,) = RECIPE.merge([file], split, {}, tmp_path)
    assert output.note == "0 of 3 files are good"
    told = json.loads((tmp_path / output.file).read_text())
    assert told["each"][0]["problems"] == ["not answered"]
