"""Paragraphs of Markdown."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.batches.recipes.translate import markdown
from tokenworks.batches.recipes.translate.segment import replaced

WHOLE = """---
title: Not this
---
# Title *here* #

Some text with [a link](http://x.y/z_(q) "t") and `code`,  
second line \\
third. See <https://e.org> ![img](a.png)
continued[^1].

Under one
=========

- item one
  continued
- [ ] item two

      code in the list

1. first
> quote line
> two

| A b | C `x|y` |
|---|:-:|
| one | two |

```py
x = "text of code"
```

    indented code

[ref]: http://x "Title"
[^1]: Note **text** [ref][ref].

***
"""  # noqa: W291 - the spaces are a break of the line


def texts(source: str) -> list[str]:
    return [each.text for each in markdown.read(source).segments]


def test_words_are_found_and_signs_code_and_addresses_are_not() -> None:
    assert texts(WHOLE) == [
        "Title *here*",
        "Some text with <1>a link</1> and <2/>,<3/>second line <4/>third. See <5/> <6/> continued<7/>.",
        "Under one", "item one continued", "item two", "first", "quote line two", "A b", "C <1/>", "one",
        "two", "Note **text** <1>ref</1>.",
    ]  # fmt: skip
    levels = [each.heading for each in markdown.read(WHOLE).segments]
    assert levels == [1, 0, 1] + [0] * 9


def test_nothing_changes_where_every_paragraph_comes_back_as_it_was() -> None:
    document = markdown.read(WHOLE)
    spans = [(each.start, each.end, markdown.write(each, each.text)) for each in document.segments]
    made = replaced(WHOLE, spans)
    assert made.replace(">", "").split() == WHOLE.replace(">", "").split()
    assert "second line \\\n" in made and "`,  \nsecond" in made


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fences_end_where_they_do(newline: str) -> None:
    source = "a b\n````\n```\nno\n```\n````\nc d\n\n> ```\n> no\n> ```\n> e f\n".replace("\n", newline)
    assert texts(source) == ["a b", "c d", "e f"]
    assert texts("~~~\nnever ended") == []


def test_a_beginning_that_would_be_a_list_is_escaped() -> None:
    (one,) = markdown.read("In 1986 it was so.").segments
    assert markdown.write(one, "1986. war es so.") == "1986\\. war es so."
    assert markdown.write(one, "# so") == "\\# so"
    assert markdown.write(one, "So war es.") == "So war es."


BITS = [
    "# ", "- ", "1. ", "> ", "    ", "\n", "\n\n", "word ", "two words ", "`code`", "```\n", "| a | b |\n",
    "|---|---|\n", "[link](u)", "![i](u)", "**", "_", "  \n", "\\\n", "[^1]", "[^1]: ", "[x]: u\n", "---\n",
    "===\n", "<b>", "<1>", "$$x$$", "[", "]", "(", ")", "\t", "* ", "[ ] ", "\r\n", "\u2028", "\x0c",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=25).map("".join))
def test_whatever_stands_there_comes_back(source: str) -> None:
    document = markdown.read(source)
    spans = [(each.start, each.end, markdown.write(each, each.text)) for each in document.segments]
    at = 0
    for start, end, _ in spans:
        assert at <= start < end
        at = end
    made = replaced(source, spans)
    assert re.findall(r"[^\s>\\]+", made) == re.findall(r"[^\s>\\]+", source)


def test_no_text_takes_long() -> None:
    for piece in ("[", "`", "[a](", "![", "$$", "**", "> ", "- ", "|", "a  \n", "<a ", "[^"):
        began = time.perf_counter()
        markdown.read(f"x {piece * 3000}")
        assert time.perf_counter() - began < 2, piece
