from pathlib import Path

import pytest
from made_pdfs import pdf, table

from tokenworks.batches.recipes.extract import pdf as module
from tokenworks.batches.recipes.extract.pdf import Pdf
from tokenworks.batches.recipes.extract.unreadable import Unreadable
from tokenworks.errors import ConfigError

ROWS = [["Revenue of the year", "1,234", "(55)"], ["Net income (loss)", "12", "3"]]


def kept(folder: Path, content: bytes) -> Path:
    file = folder / "report.pdf"
    file.write_bytes(content)
    return file


def test_rows_of_a_page_come_whole_whatever_order_they_were_drawn_in(tmp_path: Path) -> None:
    opened = Pdf(kept(tmp_path, pdf([table(ROWS, by_column=True), []])))
    assert opened.rows(1) == ["Revenue of the year 1,234 (55)", "Net income (loss) 12 3"]
    assert opened.rows(2) == []
    texts = opened.texts()
    assert len(texts) == 2 and "Net income" in texts[0] and texts[1] == ""
    opened.close()


def test_an_encrypted_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="encrypted"):
        Pdf(kept(tmp_path, pdf([table(ROWS)], password="quince")))


@pytest.mark.parametrize("content", [b"%PDF-1.7\nbroken", b"no PDF at all"])
def test_a_damaged_file_says_so(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        Pdf(kept(tmp_path, content))


def test_a_scan_says_so(tmp_path: Path) -> None:
    opened = Pdf(kept(tmp_path, pdf([[], [], [(40, 40, "7")]])))
    with pytest.raises(Unreadable, match=r"no text on its 3 pages.*OCR"):
        opened.texts()
    opened.close()


def test_without_its_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"tokenworks\[batch\]"):
        Pdf(kept(tmp_path, b""))
