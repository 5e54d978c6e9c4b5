"""The recipe map, driven by a scripted model."""

import csv
import json
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from running_recipes import Stopped, run

from tokenworks.batches.recipes.map_rows import RECIPE
from tokenworks.batches.recipes.recipe import Ask, Checked, Said
from tokenworks.errors import BadRequest

TEMPLATE = {"template": "Shout {text}!"}
SCHEMA = '{"properties":{"loud":{"type":"string"},"size":{"type":"integer"}},"required":["loud","size"]}'


def shout(ask: Ask) -> Said:
    said = ask.messages[-1]["content"]
    return Said(said.removeprefix("Shout ").split("!")[0].upper())


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_csv_keeps_its_rows_in_order_and_says_what_failed(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", 'id,text\n1,"a, b"\n2,\n3,x,y\n4,no\n5,=c\n')

    def model(ask: Ask) -> Said:
        return (
            Said("I'm sorry, but I can't help with that.")
            if "no!" in ask.messages[0]["content"]
            else shout(ask)
        )

    split, _, (output,) = run(RECIPE, [file], TEMPLATE, model, tmp_path / "out")
    assert [(skip.file, skip.reason) for skip in split.skipped] == [
        ("t.csv", "line 4: 3 columns instead of 2")
    ]
    assert len(split.parts) == 3
    assert (
        output.note == "4 rows, 1 failed (see the error column), 1 empty ones not asked, 1 bad ones left out"
    )
    with (tmp_path / "out" / "t.mapped.csv").open(newline="") as made:
        rows = list(csv.reader(made))
    assert rows[0] == ["id", "text", "answer", "error"]
    assert rows[1] == ["1", "a, b", "A, B", ""]
    assert rows[2] == ["2", "", "", ""]
    assert rows[3][:2] == ["4", "no"]
    assert rows[3][3].startswith("it declines")
    assert rows[4] == ["5", "=c", "'=C", ""]  # said by a model: no formula


def test_bad_json_is_asked_for_again_with_what_was_wrong(tmp_path: Path) -> None:
    file = put(tmp_path, "t.jsonl", '{"id":1,"text":"ab","more":[1]}\n{oops\n{"text":"cde"}\n')
    schema = put(tmp_path, "schema.json", SCHEMA)
    asked: list[str] = []

    def model(ask: Ask) -> Said:
        prompt = ask.messages[-1]["content"]
        asked.append(prompt)
        assert ask.schema is not None
        assert "JSON schema" in ask.messages[0]["content"]
        if "no JSON" in prompt:
            return Said('{"loud":"AB","size":"2"}')
        if "string instead of integer" in prompt:
            return Said('{"loud":"AB","size":2}')
        return Said("AB, and it is 2 long" if "ab!" in prompt else '{"loud":"CDE","size":3}')

    options = {**TEMPLATE, "schema": str(schema)}
    split, results, _ = run(RECIPE, [file], options, model, tmp_path / "out")
    assert [skip.reason[:15] for skip in split.skipped] == ["line 2: no JSON"]
    assert all(result.ok for result in results.values())
    assert len(asked) == 4
    made = [json.loads(line) for line in (tmp_path / "out" / "t.mapped.jsonl").read_text().splitlines()]
    assert made == [
        {"id": 1, "text": "ab", "more": [1], "loud": "AB", "size": 2, "error": ""},
        {"text": "cde", "loud": "CDE", "size": 3, "error": ""},
    ]


def test_parquet_gets_typed_columns(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": pa.array([1, 2, 3], pa.int8()), "text": ["a", "bb", "no"]}), file)

    def model(ask: Ask) -> Said:
        loud = shout(ask).text
        return Said(json.dumps({"loud": loud, "size": len(loud)}) if loud != "NO" else "never")

    run(RECIPE, [file], {**TEMPLATE, "schema": SCHEMA}, model, tmp_path / "out")
    made = pq.read_table(tmp_path / "out" / "t.mapped.parquet")
    assert str(made.schema.field("n").type) == "int8"
    assert str(made.schema.field("size").type) == "int64"
    rows = made.to_pylist()
    assert rows[1] == {"n": 2, "text": "bb", "loud": "BB", "size": 2, "error": ""}
    assert rows[2]["loud"] is None
    assert rows[2]["error"].startswith("no JSON")


def test_the_limit_holds_over_files_and_in_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = [put(tmp_path, "t.csv", "text\na\nb\n"), put(tmp_path / "b", "t.csv", 'text\n""\nd\ne\n')]
    split, _, outputs = run(RECIPE, files, {**TEMPLATE, "limit": "4"}, shout, tmp_path / "out")
    assert [part.data["values"]["text"] for part in split.parts] == ["a", "b", "d"]
    assert [output.file for output in outputs] == ["t.1.mapped.csv", "t.2.mapped.csv"]
    assert (tmp_path / "out" / "t.2.mapped.csv").read_text() == 'text,answer,error\n"",,\nd,D,\n'.replace(
        '""', ""
    )
    whole, _, _ = run(RECIPE, files, {**TEMPLATE, "skip_empty": "no"}, lambda _: Said("ok"), tmp_path / "out")
    assert len(whole.parts) == 5


def test_one_bad_table_does_not_stop_the_others(tmp_path: Path) -> None:
    files = [
        put(tmp_path, "a.csv", "other\n1\n"),
        put(tmp_path, "b.csv", "text\nx\n"),
        put(tmp_path, "c.txt", "text\nx\n"),
        put(tmp_path, "d.csv", "text,answer\nx,y\n"),
        put(tmp_path, "e.csv", ""),
    ]
    split, _, (output,) = run(RECIPE, files, TEMPLATE, shout, tmp_path / "out")
    assert output.file == "b.mapped.csv"
    reasons = {skip.file: skip.reason for skip in split.skipped}
    assert reasons["a.csv"].startswith("no column “text”; there are: other")
    assert reasons["c.txt"].startswith("not a table that map reads")
    assert reasons["d.csv"] == "there is a column “answer” already; say column=NAME"
    assert reasons["e.csv"] == "it is empty"
    with pytest.raises(BadRequest, match=r"no table can be used; a.csv: no column"):
        RECIPE.split(files[:1], TEMPLATE)


def test_it_goes_on_where_it_died(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "text\n" + "".join(f"r{i}\n" for i in range(20)))
    kept: dict[str, bytes] = {}
    asked = 0

    def model(ask: Ask) -> Said:
        nonlocal asked
        asked += 1
        return shout(ask)

    with pytest.raises(Stopped):
        run(RECIPE, [file], TEMPLATE, model, tmp_path / "out", kept=kept, stop_after=7)
    run(RECIPE, [file], TEMPLATE, model, tmp_path / "out", kept=kept)
    assert asked == 20
    lines = (tmp_path / "out" / "t.mapped.csv").read_text().splitlines()
    assert lines[1:] == [f"r{i},R{i}," for i in range(20)]


def test_a_row_without_a_result_and_a_changed_file_are_told(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "text\na\nb\n")
    split = RECIPE.split([file], TEMPLATE)
    RECIPE.merge([file], split, {split.parts[1].id: Checked("B")}, tmp_path)
    assert (tmp_path / "t.mapped.csv").read_text() == "text,answer,error\na,,not answered\nb,B,\n"
    file.write_text("text\na\nc\n")
    with pytest.raises(BadRequest, match=r"t.csv has changed since the job began"):
        RECIPE.merge([file], split, {}, tmp_path)


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "id,text\n1,a\n" + "x\n" * 150)
    split = RECIPE.split([file], TEMPLATE)
    assert len(split.skipped) == 101
    assert split.skipped[-1].reason == "50 more rows that can't be used"


def test_a_hundred_thousand_rows_are_split_in_seconds_and_only_what_is_needed_is_held(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "text,long\n" + "".join(f"row {i},{'x' * 400}\n" for i in range(100_000)))
    began = time.process_time()
    split = RECIPE.split([file], TEMPLATE)
    took_s = time.process_time() - began
    assert len(split.parts) == 100_000
    assert took_s < 5.0
    few = put(tmp_path, "few.csv", "text,long\n" + "".join(f"row {i},{'x' * 4000}\n" for i in range(2_000)))
    tracemalloc.start()
    RECIPE.split([few], TEMPLATE)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4_000_000  # of 8 MB


def test_options_are_judged(tmp_path: Path) -> None:
    file = put(tmp_path, "t.csv", "text\na\n")
    for options, wrong in (
        ({}, "map needs template"),
        ({"template": "x"}, "names no column"),
        ({**TEMPLATE, "limits": "1"}, "no option “limits”"),
        ({**TEMPLATE, "limit": "0"}, "limit=0"),
        ({**TEMPLATE, "schema": "none.json"}, "schema: it isn't JSON"),
    ):
        with pytest.raises(BadRequest, match=wrong):
            RECIPE.split([file], options)
    prompt = put(tmp_path, "prompt.txt", "From a file: {text}")
    split = RECIPE.split([file], {"template": str(prompt), "system": "Be loud.", "max_tokens": "9"})
    ask = RECIPE.ask(split.parts[0], split.shared, {}, ())
    assert [m["content"] for m in ask.messages] == ["Be loud.", "From a file: a"]
    assert ask.max_tokens == 9
    assert split.parts[0].output_tokens == 9
    assert split.parts[0].input_tokens >= 5
