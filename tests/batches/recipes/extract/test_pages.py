import csv
import re
from pathlib import Path

import pytest
from made_pdfs import pdf
from made_statement import STATEMENT_PAGE, filing

from tokenworks.batches.recipes.extract.documents import Text, opened
from tokenworks.batches.recipes.extract.fields import Leaf
from tokenworks.batches.recipes.extract.pages import (
    Found,
    find_by_fields,
    find_pages,
    find_statement,
    is_title,
    pages_only,
    scored,
)
from tokenworks.batches.recipes.extract.vocabulary import kind

KIND = kind("income-statement")
# Two that print their statements differently; measured over all 27 by hand, all right.
SOME = ("AMAZON_2017_10K", "MICROSOFT_2016_10K")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "quince.pdf"
    file.write_bytes(filing())
    return file


def test_the_statement_is_found_among_pages_that_look_like_it(report: Path) -> None:
    found = find_pages(report)
    assert found[0].page == STATEMENT_PAGE
    assert "its title" in found[0].why and "3 years" in found[0].why
    assert not found[1:] or found[0].score > found[1].score + 4


def test_without_its_title_it_is_still_found(report: Path) -> None:
    with opened(report) as document:
        pages = ["\n".join(document.rows(page)) for page in range(1, len(document.texts()) + 1)]
    untitled = Text("\f".join(pages).replace("STATEMENTS OF OPERATIONS", "FIGURES"))
    assert find_statement(untitled, KIND).pages == (STATEMENT_PAGE,)


def test_a_statement_that_goes_on_overleaf_has_both_pages(report: Path) -> None:
    with opened(report) as document:
        rows = document.rows(STATEMENT_PAGE)
        cut = next(i for i, row in enumerate(rows) if row.startswith("Interest"))
    parted = Text("\f".join(["cover", "\n".join(rows[:cut]), "\n".join(rows[cut:]), "Notes"]))
    assert find_statement(parted, KIND) == Found((2, 3))


def test_where_there_is_none_none_is_found(report: Path) -> None:
    with opened(report) as document:
        others = Text("\f".join("\n".join(document.rows(page)) for page in (1, 2, 4, 6)))
    assert find_statement(others, KIND) == Found(())
    assert scored(Text("cover\fA poem of income, tax, cost and revenue"), KIND) == []


def test_a_page_that_may_be_the_wrong_one_is_doubted(report: Path) -> None:
    with opened(report) as document:
        pages = ["\n".join(document.rows(page)) for page in (STATEMENT_PAGE, 7)]
    twice = Text("\f".join([pages[0], "notes", pages[0].replace("QUINCE", "PLUM")]))
    assert "page 3 looks as much like" in find_statement(twice, KIND).doubt
    weak = find_statement(
        Text("cover\f" + pages[1].replace("Three Months", "Year").replace("Quarterly", "")), KIND
    )
    assert weak.pages == (2,) and "page 2 may not be the income statement" in weak.doubt


def test_titles_are_whole_lines() -> None:
    assert is_title("CONSOLIDATED STATEMENTS OF OPERATIONS", KIND.titles)
    assert is_title("Consolidated Statement of Income", KIND.titles)
    assert is_title("Income Statements", KIND.titles)
    assert not is_title("Consolidated Statements of Operations 38", KIND.titles)
    assert not is_title("Consolidated Statements of Cash Flows", KIND.titles)


def test_a_user_s_fields_find_their_page() -> None:
    leaves = [Leaf("invoice_total", "number"), Leaf("supplier", "string", "name of the supplier")]
    pages = [
        "Terms of delivery",
        "Supplier: Quince\nInvoice total 1,234",
        "Total 5\nNothing else",
        "Appendix",
    ]
    assert find_by_fields(Text("\f".join(pages)), leaves, "", 1) == [2]
    assert find_by_fields(Text("nothing\fof it"), leaves, "", 3) == []


def test_pages_only_lists_pages_and_what_cant_be_read(report: Path) -> None:
    empty, locked = report.with_name("empty.pdf"), report.with_name("locked.pdf")
    empty.write_bytes(b"")
    locked.write_bytes(pdf([[(40, 700, "a page of text")]], password="quince"))
    told = pages_only([report, empty, locked])
    assert told["files"] == [{"file": "quince.pdf", "pages": [STATEMENT_PAGE]}]
    assert [one["file"] for one in told["skipped"]] == ["empty.pdf", "locked.pdf"]
    assert "0 bytes" in told["skipped"][0]["reason"] and "encrypted" in told["skipped"][1]["reason"]


def test_real_reports_show_the_statement_that_has_their_figures(data: Path) -> None:
    lines = (data / "filings" / "gold.csv").read_text().splitlines()
    gold = {row["report"]: row for row in csv.DictReader(lines)}
    for name in SOME:
        file = data / "filings" / f"{name}.pdf"
        with opened(file) as document:
            found = find_statement(document, KIND)
            assert len(found.pages) == 1 and not found.doubt, name
            text = document.texts()[found.pages[0] - 1]
        for field in ("revenue", "operating_income", "net_income"):
            assert f"{int(gold[file.name][field]):,}" in text, (name, field)
        assert re.search(r"(?i)see (accompanying )?notes", text), name
