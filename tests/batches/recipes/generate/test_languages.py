"""Languages by names of files and labels of blocks."""

from tokenworks.batches.recipes.generate import languages


def test_the_name_tells() -> None:
    assert languages.of("a/b.PY") == "python"
    assert languages.of("x.d.ts") == "typescript"
    assert languages.of("Makefile") == ""


def test_labels() -> None:
    assert languages.named(" JS ") == "javascript"
    assert languages.named("cobol") == "cobol"
    assert languages.other("js", "python")
    assert not languages.other("", "python")
    assert not languages.other("text", "python")
    assert not languages.other("c", "c++")
    assert not languages.other("python3", "python")
