import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_pdfs import pdf, table
from made_statement import ROWS, STATEMENT_PAGE, TRUE, filing, perfect
from running_recipes import run

from tokenworks.batches.recipes.extract import RECIPE
from tokenworks.batches.recipes.extract.extraction import MOST_TOKENS
from tokenworks.batches.recipes.recipe import Ask, Checked, Said
from tokenworks.errors import BadRequest

REAL = (
    "NETFLIX_2022_10K",
    "APPLE_2015_10K",
)  # in thousands, in millions; rows joined in the file's own order
SCALES = {"million": 10**6, "thousand": 10**3}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "quince.pdf"
    file.write_bytes(filing())
    return file


def says(answer: Any) -> Callable[[Ask], Said]:
    return lambda ask: Said(json.dumps(answer))


def lines(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_a_perfect_model_s_figures_are_accepted_in_full_units(report: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    split, results, made = run(RECIPE, [report], {"format": "xlsx,parquet"}, says(perfect()), out)
    assert results["0000"].ok and [page["page"] for page in split.parts[0].data["pages"]] == [STATEMENT_PAGE]
    found = {line["field"]: line for line in lines(out / "figures.csv")}
    for name, (value, _) in TRUE.items():
        assert float(found[name]["value"]) == float(value) and found[name]["accepted"] == "true", name
        assert found[name]["page"] == str(STATEMENT_PAGE) and found[name]["currency"] == "USD"
    assert (
        float(found["net_income"]["confidence"])
        == 1.0
        > float(found["operating_income"]["confidence"])
        >= 0.9
    )
    wide = lines(out / "by-file.csv")
    assert len(wide) == 1 and wide[0]["revenue"] == "542500000" and wide[0]["flagged"] == ""
    assert len(made) == 6


def test_a_wrong_figure_is_asked_for_again_with_what_is_wrong_and_else_flagged(
    report: Path, tmp_path: Path
) -> None:
    asked: list[str] = []

    def model(ask: Ask) -> Said:
        asked.append(ask.messages[-1]["content"])
        wrong = perfect()
        wrong["revenue"]["value"] = 440_000
        return Said("```json\n" + json.dumps(wrong) + "\n```")

    _, results, _ = run(RECIPE, [report], {}, model, tmp_path / "out")
    assert len(asked) == 4 and "2023 has 542,500" in asked[1] and "2023 has" not in asked[0]
    assert not results["0000"].ok
    found = {line["field"]: line for line in lines(tmp_path / "out" / "figures.csv")}
    assert found["revenue"]["accepted"] == "false" and "another year" in found["revenue"]["problems"]
    assert float(found["revenue"]["confidence"]) <= 0.4 and found["net_income"]["accepted"] == "true"
    wide = lines(tmp_path / "out" / "by-file.csv")[0]
    assert wide["revenue"] == "" and wide["flagged"] == "revenue"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said("I can't read that."), "no JSON"),
        (Said('{"revenue": {"value": 5', finish="length"), "cut off"),
        (Said('{"revenue": 5}'), "does not fit the schema"),
        (Said("[]"), "does not fit the schema"),
    ],
)
def test_an_answer_that_is_none_flags_every_field(report: Path, said: Said, why: str) -> None:
    split = RECIPE.split([report], {})
    checked = RECIPE.check(split.parts[0], split.shared, {}, said)
    assert why in checked.problems[0] and len(checked.value["figures"]) == len(TRUE)
    assert not any(figure["accepted"] for figure in checked.value["figures"])


def test_files_that_cant_be_read_are_listed_and_the_rest_completes(report: Path, tmp_path: Path) -> None:
    contents = {
        "empty.pdf": b"",
        "damaged.pdf": b"%PDF-1.7 broken",
        "locked.pdf": pdf([table([["A page of text"]])], password="quince"),
        "scan.pdf": pdf([[], []]),
        "letter.pdf": pdf([table([["Dear shareholders, it was a good year for quinces"]])]),
    }
    files = [report]
    for name, content in contents.items():
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    split, results, _ = run(RECIPE, files, {}, says(perfect()), tmp_path / "out")
    assert len(results) == 1 and results["0000"].ok
    why = {one.file: one.reason for one in split.skipped}
    assert list(why) == list(contents)
    for name, word in zip(contents, ("0 bytes", "damaged", "encrypted", "OCR", "no page looks"), strict=True):
        assert word in why[name] and "\n" not in why[name]
    assert len(lines(tmp_path / "out" / "skipped.csv")) == len(contents)


def test_nothing_is_accepted_of_a_page_that_may_be_the_wrong_one(tmp_path: Path) -> None:
    file = tmp_path / "twice.txt"
    page = "\n".join(ROWS)
    file.write_text("\f".join(["cover"] * (STATEMENT_PAGE - 1) + [page, "notes", page]))
    _, results, _ = run(RECIPE, [file], {}, says(perfect()), tmp_path / "out")
    assert results["0000"].ok, "asking again would not help"
    found = lines(tmp_path / "out" / "figures.csv")
    assert all(line["accepted"] == "false" and "looks as much like" in line["problems"] for line in found)


def test_text_and_html_are_read_too(tmp_path: Path) -> None:
    text, html = tmp_path / "quince.txt", tmp_path / "quince.html"
    text.write_text("cover\f" * (STATEMENT_PAGE - 1) + "\n".join(ROWS))
    cells = "".join(f"<tr><td>{row}</td></tr>" for row in ROWS)
    html.write_text(
        '<p style="page-break-after:always">cover</p>' * (STATEMENT_PAGE - 1) + f"<table>{cells}</table>"
    )
    _, results, _ = run(RECIPE, [text, html], {}, says(perfect()), tmp_path / "out")
    assert len(results) == 2 and all(checked.ok for checked in results.values())


def test_another_year_may_be_asked_for(report: Path) -> None:
    split = RECIPE.split([report], {"year": "2022"})
    answer = perfect()
    assert "fiscal year 2022" in RECIPE.ask(split.parts[0], split.shared, {}, ()).messages[-1]["content"]
    assert not RECIPE.check(split.parts[0], split.shared, {}, Said(json.dumps(answer))).ok
    answer["revenue"]["value"] = 487_000
    figures = RECIPE.check(split.parts[0], split.shared, {}, Said(json.dumps(answer))).value["figures"]
    assert figures[0]["accepted"] and figures[0]["value"] == "487000000"


def test_a_user_s_schema_is_asked_for_and_checked(tmp_path: Path) -> None:
    schema, file = tmp_path / "invoice.json", tmp_path / "invoice.txt"
    schema.write_text(json.dumps({
        "title": "Invoice",
        "required": ["total"],
        "properties": {
            "total": {"type": "number", "x-labels": ["amount due"]},
            "lines": {"type": "array", "items": {"properties": {"pears": {"type": "number"}}}},
        },
    }))  # fmt: skip
    file.write_text("Terms\fInvoice\nPears 13.50\nAmount due $ 14.50\n")
    right = {"value": 14.5, "scale": "one", "page": 2, "quote": "Amount due $ 14.50"}
    pears = {"value": 13.5, "scale": "one", "page": 2, "quote": "Pears 13.50"}
    answer = {"total": right, "lines": [{"pears": pears}, {"pears": {**pears, "value": 99}}]}
    options = {"schema": str(schema), "pages": "1"}
    split, results, _ = run(RECIPE, [file], options, says(answer), tmp_path / "out", tries=1)
    assert [page["page"] for page in split.parts[0].data["pages"]] == [2]
    asked = RECIPE.ask(split.parts[0], split.shared, {}, ())
    assert asked.schema and "x-leaf" not in json.dumps(asked.schema)
    found = {figure["field"]: figure["accepted"] for figure in results["0000"].value["figures"]}
    assert found == {"total": True, "lines[0].pears": True, "lines[1].pears": False}


def test_a_very_long_page_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("\n".join([*ROWS, *["a long row of words that goes on and on and on"] * 3_000]) + "\fend")
    part = RECIPE.split([file], {}).parts[0]
    assert len(ROWS) < len(part.data["pages"][0]["rows"]) < 2_000
    assert part.input_tokens < MOST_TOKENS + 2_000


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"schema": "balance"}, "income-statement"),
        ({"schema": "gone.json"}, "can't be read"),
        ({"year": "soon"}, "year"),
        ({"pages": "0"}, "pages"),
        ({"format": "ods"}, "xlsx"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_options_that_mean_nothing_are_refused(report: Path, options: dict[str, str], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        RECIPE.split([report], options)


def test_without_files_there_is_nothing_to_do() -> None:
    with pytest.raises(BadRequest):
        RECIPE.split([], {})


def test_a_part_that_was_never_answered_stands_in_the_tables(report: Path, tmp_path: Path) -> None:
    split = RECIPE.split([report], {})
    for results in ({}, {"0000": Checked(None, ("the money ran out",))}):
        RECIPE.merge([report], split, results, tmp_path / "out")
        found = lines(tmp_path / "out" / "figures.csv")
        assert len(found) == len(TRUE) and all(
            line["accepted"] == "false" and line["problems"] for line in found
        )


def test_real_reports_come_out_as_their_gold_figures(data: Path, tmp_path: Path) -> None:
    text = (data / "filings" / "gold.csv").read_text().splitlines()
    gold = {row["report"]: row for row in csv.DictReader(text)}
    files = [data / "filings" / f"{name}.pdf" for name in REAL]
    split = RECIPE.split(files, {})
    begins = {
        "revenue": ("Revenues", "Net sales"),
        "operating_income": ("Operating income",),
        "net_income": ("Net income",),
    }
    for part in split.parts:
        true = gold[part.lane]
        page = part.data["pages"][0]
        answer: dict[str, Any] = dict.fromkeys(split.shared["answer"]["properties"])
        for field, starts in begins.items():
            quote = next(row for row in page["rows"] if row.startswith(starts))
            answer[field] = {
                "value": int(true[field]),
                "scale": true["scale"],
                "page": page["page"],
                "quote": quote,
            }
        found = {
            f["field"]: f
            for f in RECIPE.check(part, split.shared, {}, Said(json.dumps(answer))).value["figures"]
        }
        for field in begins:
            assert found[field]["accepted"], found[field]
            assert int(found[field]["value"]) == int(true[field]) * SCALES[true["scale"]]
