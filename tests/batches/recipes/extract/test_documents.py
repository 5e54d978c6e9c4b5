from pathlib import Path

import pytest

from tokenworks.batches.recipes.extract.documents import Text, names_of, opened
from tokenworks.batches.recipes.extract.unreadable import Unreadable

HTML = """<html><head><title>x</title><style>p {color: red}</style></head><body>
<p>Income statement</p><table><tr><td>Revenue</td><td><div>$ 1,234</div></td></tr>
<tr><td>Net
income</td><td>56</td></tr></table><hr style="page-break-after: always"><p>Second page</p>
<script>var hidden = 1;</script></body></html>"""


def test_rows_of_tables_in_html_stay_one_line_and_page_breaks_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(HTML)
    with opened(file) as document:
        assert len(document.texts()) == 2
        assert document.rows(1) == ["Income statement", "Revenue $ 1,234", "Net income 56"]
        assert document.rows(2) == ["Second page"]


def test_markdown_loses_its_bars_and_rules(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    file.write_text("| | 2023 |\n|---|---:|\n| Revenue | 12 |\n")
    with opened(file) as document:
        assert document.rows(1) == ["2023", "Revenue 12"]


def test_text_has_pages_at_form_feeds_else_in_pieces() -> None:
    assert len(Text("one\ftwo\f").texts()) == 2
    pieces = Text("\n".join(["row"] * 70 + [""] + ["row"] * 10)).texts()
    assert [len(piece.splitlines()) for piece in pieces] == [70, 10]
    assert len(Text("row\n" * 400).texts()) == 3


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.pdf", b"", "0 bytes"),
        ("blank.txt", b" \n ", "no text"),
        ("latin.txt", b"caf\xe9", "UTF-8"),
        ("picture.png", b"x", "is none of"),
    ],
)
def test_what_cant_be_read_says_why(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Unreadable, match=why), opened(tmp_path / name) as document:
        document.texts()


def test_a_file_that_is_gone_or_a_folder_says_why(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    for name in ("gone.pdf", "folder.txt"):
        with pytest.raises(Unreadable, match="can't be read"), opened(tmp_path / name):
            pass


def test_files_are_called_by_name_where_that_is_clear() -> None:
    assert names_of([Path("a/x.pdf"), Path("b/x.pdf"), Path("b/y.pdf")]) == ["a/x.pdf", "b/x.pdf", "y.pdf"]
