"""CSV in all the ways that people write it, and wrong in as many."""

import csv
from datetime import date

import pytest

from tokenworks.rankings.importing import csv_rows
from tokenworks.rankings.importing.csv_rows import Place
from tokenworks.rankings.importing.gathering import Gathering

HEAD = "week,model,tokens\n"


def gathered(text: str) -> list[tuple[str, int]]:
    gathering = Gathering("s", None, date(2026, 3, 1), unit="line")
    csv_rows.gather(text, gathering)
    return [(row.model, row.tokens) for row in gathering.rows]


@pytest.mark.parametrize(
    "text",
    [
        "week,model,tokens\n2026-W08,a/b,1234\n",
        "week;model;tokens\r\n2026-W08;a/b;1,234\r\n",
        "week\tmodel\ttokens\n2026-W08\ta/b\t1234",
        "week,model,tokens\r2026-W08,a/b,1234\r",
        '"week","model","tokens"\n"2026-W08","a/b","1,234"\n',
        '# note, with a "quote\n\n  \nweek,model,tokens\n# and "another, "one\n2026-W08,a/b,1234\n\n#end',
        'note,week,model,tokens\n"two\nlines, # and ""quotes""",2026-W08,a/b,1234\n',
    ],
)
def test_ways_to_write_the_same(text: str) -> None:
    assert gathered(text) == [("a/b", 1234)]


@pytest.mark.parametrize(
    ("text", "line", "column", "name", "told"),
    [
        ("", 1, 1, "", "the file is empty"),
        ("# only notes\n", 1, 1, "", "the file is empty"),
        ("foo,bar\n1,2\n", 1, 1, "foo", "a file needs columns"),
        ("week,modle,tokens\n", 1, 2, "modle", "is it 'model'?"),
        ('# n\n"week,model,tokens\n', 2, 1, "", "a quote is left open"),
        (HEAD + "2026-W08,a/b,abc\n", 2, 3, "tokens", "'abc' is no number of tokens"),
        (HEAD + "\n# n\n2026-W08,a/b,1\n2026-W08,a/c,-1", 5, 3, "tokens", "negative"),
        (HEAD + "2026-W08,a/b,1\n2026-W08,a/b,2\n", 3, 2, "model", "in line 2 already"),
        (HEAD + "2026-W08,a/b\n", 2, 3, "tokens", "2 fields, but the file has 3 columns"),
        (HEAD + "2026-W08,a/b,1,234\n", 2, 4, "", "one field too many"),
        (HEAD + '2026-W08,a/b,1\n2026-W08,"a/c,1\n2026-W08,d,1\n', 3, 2, "", "a quote is left open"),
        (HEAD + '2026-W08,"a"b,1\n', 2, 2, "", "'b' follows the closing quote"),
        (HEAD + '2026-W08,"a""",x"y\n', 2, 3, "tokens", "no number"),
        (HEAD + f"2026-W08,{'a' * 200_000},1\n", 2, 2, "", "too long"),
        (HEAD + "2026-W08,a\x00b,1\n", 2, 2, "", r"control character '\x00' at character 11"),
        ("week;model;tokens\n2026-W08;a;\x1b1\n", 2, 3, "", "control character"),
        ('note,week,model,tokens\n"two\nlines",2026-W08,a,1\nx,2026-W08,b,z\n', 4, 4, "tokens", "no number"),
    ],
)
def test_where_it_is_wrong(text: str, line: int, column: int, name: str, told: str) -> None:
    csv.field_size_limit(131_072)  # Python's own: others in this process may have raised it
    with pytest.raises(Place) as caught:
        gathered(text)
    place = caught.value
    assert (place.line, place.column, place.name) == (line, column, name), place.message
    assert told in place.message
