"""The whole recipe, with a model that translates into toy Russian and fails in every usual way."""

import json
import re
from pathlib import Path

import pytest
from making_books import valid
from nasty_files import PAGE, nasty_book
from running_recipes import Stopped, run
from toy_translator import FAULTS, Translator, asked, toy

from tokenworks.batches.recipes.recipe import Ask, Checked, Said
from tokenworks.batches.recipes.translate import RECIPE, plain, works
from tokenworks.errors import BadRequest

TEXT = """CHAPTER 1

It is a truth universally acknowledged, that a single man in possession of a good fortune
must be in want of a wife.

However little known the feelings of such a man may be on his first entering a neighbourhood,
this truth is so well fixed.

“My dear Mr. Bennet,” said his lady to him one day, “have you heard that Netherfield Park is
let at last for 1,250?”

CHAPTER 2

Mr. Bennet was among the earliest of those who waited on Mr. Bingley. He had always intended to
visit him, though to the last always assuring his wife that he should not go; and till the evening
after the visit was paid she had no knowledge of it at all, and they lived at Netherfield Park.

“What is his name?”
"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "novel.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def report_of(folder: Path) -> dict:
    return json.loads((folder / "translation-report.json").read_text())


def test_every_paragraph_comes_out_once_and_in_order(text: Path, tmp_path: Path) -> None:
    model = Translator()
    split, results, outputs = run(RECIPE, [text], {"to": "Russian"}, model, tmp_path / "out")
    assert all(checked.ok for checked in results.values())
    assert [each.file for each in outputs] == [
        "novel.ru.txt",
        "translation-report.json",
        "translation-report.md",
    ]
    made = (tmp_path / "out" / "novel.ru.txt").read_text()
    ours, theirs = plain.read(TEXT).segments, plain.read(made).segments
    assert [toy(each.text) for each in ours] == [each.text for each in theirs]
    assert all(len(line) < 100 for line in made.splitlines())  # wrapped as it was
    told = report_of(tmp_path / "out")
    assert (told["paragraphs"], told["translated"], told["flagged"]) == (7, 7, 0)
    assert split.shared["files"][0]["from"] == "en"
    assert len(model.asks) == len(split.parts)


# paragraph 4 has a number and is long enough for every fault
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"tag"}))
def test_each_fault_is_caught_told_and_mended(text: Path, tmp_path: Path, fault: str) -> None:
    model = Translator({4: fault})
    split, results, _ = run(RECIPE, [text], {"to": "ru", "chunk_tokens": "400"}, model, tmp_path / "out")
    assert all(checked.ok for checked in results.values())
    assert len(model.asks) == len(split.parts) + 1
    again = next(ask for ask in model.asks if "An earlier answer had faults" in ask.messages[-1]["content"])
    said = again.messages[-1]["content"].partition("An earlier answer had faults")[2]
    expected = {
        "dropped": "[4]: it is missing", "cut off": "cut off", "turned": "not in their order",
        "twice": "[4] stands", "empty": "the answer is empty", "refused": "it declines",
        "empty paragraph": "[4]: it is empty", "english": "[4]: it is not translated",
        "all english": "still in English", "number": "[4]: the number 1,250", "short": "[4]: it is too short",
        "long": "[4]: it is too long", "loop": "loop",
    }  # fmt: skip
    assert expected[fault] in said
    if fault == "cut off":
        assert again.max_tokens > 1.9 * model.asks[0].max_tokens
    assert report_of(tmp_path / "out")["translated"] == 7


def test_what_never_comes_right_keeps_its_words_and_is_told(text: Path, tmp_path: Path) -> None:
    model = Translator({4: "number"}, times=99)
    split, _, _ = run(RECIPE, [text], {"to": "ru"}, model, tmp_path / "out")
    made = (tmp_path / "out" / "novel.ru.txt").read_text()
    assert works.FAILED + "“My dear Mr. Bennet,”" in made
    assert made.count(works.FAILED) == 1 and toy("universally") in made  # the rest of that part is used
    told = report_of(tmp_path / "out")
    assert (told["paragraphs"], told["translated"], told["flagged"]) == (7, 6, 1)
    (flag,) = told["files"][0]["flagged"]
    assert flag["paragraph"] == 4 and flag["problems"] == ["the number 1,250 is missing"]
    assert len(model.asks) == len(split.parts) + 3


def test_a_part_that_was_never_answered_is_accounted_for(text: Path, tmp_path: Path) -> None:
    split = RECIPE.split([text], {"to": "ru"})
    (tmp_path / "out").mkdir()
    RECIPE.merge([text], split, {split.parts[0].id: Checked()}, tmp_path / "out")
    told = report_of(tmp_path / "out")
    assert (told["paragraphs"], told["translated"], told["flagged"]) == (7, 0, 7)
    assert (tmp_path / "out" / "novel.ru.txt").read_text().count(works.FAILED) == 7


def test_a_stopped_job_goes_on_and_asks_for_nothing_twice(text: Path, tmp_path: Path) -> None:
    options = {"to": "ru", "chunk_tokens": "50"}
    whole, kept = Translator(), {}
    split, _, _ = run(RECIPE, [text], options, whole, tmp_path / "whole")
    assert len(split.parts) >= 5
    model, stops = Translator(), 0
    while True:
        try:
            run(RECIPE, [text], options, model, tmp_path / "out", kept=kept, stop_after=2)
            break
        except Stopped:
            stops += 1
    assert stops >= 2
    assert sorted(a.messages[-1]["content"] for a in model.asks) == sorted(
        a.messages[-1]["content"] for a in whole.asks
    )
    assert (tmp_path / "out" / "novel.ru.txt").read_text() == (
        tmp_path / "whole" / "novel.ru.txt"
    ).read_text()


def test_a_paragraph_longer_than_a_part_is_put_together_again(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    long = " ".join(f"This was the sentence of number {n}, and then it was over." for n in range(40))
    path.write_text(f"Before it.\n\n{long}\n\nAfter it.\n")
    split, _, _ = run(RECIPE, [path], {"to": "ru", "chunk_tokens": "100"}, Translator(), tmp_path / "out")
    assert len(split.parts) > 5
    assert (
        tmp_path / "out" / "long.ru.txt"
    ).read_text() == f"{toy('Before it.')}\n\n{toy(long)}\n\n{toy('After it.')}\n"


def test_names_tone_glossary_and_context_are_told(text: Path, tmp_path: Path) -> None:
    terms = tmp_path / "terms.csv"
    terms.write_text(f"Bingley,{toy('Bingley')}\n")
    text.write_text(
        TEXT + "\nAnd so Mr. Bennet went, old Mr. Bennet, to see Netherfield Park and more of it there.\n" * 2
    )
    model = Translator()
    options = {"to": "ru", "chunk_tokens": "60", "tone": "dry and old", "glossary": str(terms)}
    run(RECIPE, [text], options, model, tmp_path / "out")
    told = ["\n".join(m["content"] for m in ask.messages) for ask in model.asks]
    assert all("Tone: dry and old." in each and "from English into Russian" in each for each in told)
    assert sum(f"Bingley = {toy('Bingley')}" in each for each in told) == 1  # where it occurs
    assert any(re.search("as name = translation: .*Mr. Bennet", each) for each in told)
    later = [each for each in told if f"Mr. Bennet = {toy('Mr. Bennet')}" in each]
    assert later and all("What came before" in each for each in later)


def test_a_term_that_came_out_otherwise_is_a_fault(text: Path, tmp_path: Path) -> None:
    terms = tmp_path / "terms.csv"
    terms.write_text("Bingley,Чингис\n")
    _, results, _ = run(RECIPE, [text], {"to": "ru", "glossary": str(terms)}, Translator(), tmp_path / "out")
    problems = [problem for checked in results.values() for problem in checked.problems]
    assert problems == ["Bingley must be translated as Чингис"]
    assert report_of(tmp_path / "out")["flagged"] == 0  # a hint to try again, no reason to keep the original


def test_a_book_a_page_and_bad_files_together(tmp_path: Path) -> None:
    book = nasty_book(tmp_path / "book.epub")
    page, empty, torn = tmp_path / "page.html", tmp_path / "empty.txt", tmp_path / "torn.epub"
    page.write_bytes(PAGE.encode("cp1252"))
    empty.write_bytes(b"")
    torn.write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "again").mkdir()
    same = tmp_path / "again" / "page.html"
    same.write_text("<p>Some other page with words in it.</p>")
    model = Translator({2: "tag"})  # its markup lost, once
    files = [book, empty, page, torn, same]
    split, results, outputs = run(RECIPE, files, {"to": "ru", "from": "en"}, model, tmp_path / "out")
    assert all(checked.ok for checked in results.values())
    assert any("[2]: the tag <1> is missing" in ask.messages[-1]["content"] for ask in model.asks)
    assert [(Path(each.file).name, each.reason[:14]) for each in split.skipped] == [
        ("empty.txt", "it is empty"), ("torn.epub", "it is no whole"),
    ]  # fmt: skip
    assert [each.file for each in outputs[:3]] == ["book.ru.epub", "page.ru.html", "page.ru-2.html"]
    pages = valid(tmp_path / "out" / "book.ru.epub")
    assert not re.search(r"<p>[^<]*[A-Za-z]{3}", pages["OEBPS/one.xhtml"].replace("&amp;", ""))
    told = report_of(tmp_path / "out")
    assert told["flagged"] == 0 and told["translated"] == told["paragraphs"]
    assert len(told["skipped"]) == 2


def test_both_languages_stand_in_the_book(tmp_path: Path) -> None:
    book = nasty_book(tmp_path / "book.epub")
    run(RECIPE, [book], {"to": "ru", "bilingual": "yes"}, Translator(), tmp_path / "out")
    pages = valid(tmp_path / "out" / "book.ru.epub")
    assert (
        "Then they slept." in pages["OEBPS/two.xhtml"] and toy("Then they slept.") in pages["OEBPS/two.xhtml"]
    )


def test_the_language_of_a_text_is_seen(text: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="it is in English already"):
        RECIPE.split([text], {"to": "English"})
    assert RECIPE.split([text], {"to": "en", "from": "de"}).shared["files"][0]["from"] == "de"
    assert RECIPE.split([text], {"to": "Klingon"}).shared["to_named"] == "Klingon"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "name the language"),
        ({"to": "ru", "chunk_tokens": "many"}, "chunk_tokens"),
        ({"to": "ru", "bilingual": "perhaps"}, "yes or no"),
        ({"to": "ru", "style": "x"}, "no option 'style'"),
        ({"to": "ru", "glossary": "nowhere.csv"}, "glossary"),
    ],
)
def test_bad_options_are_told(text: Path, options: dict[str, str], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        RECIPE.split([text], options)


def test_a_file_that_changed_meanwhile_is_told(text: Path, tmp_path: Path) -> None:
    split = RECIPE.split([text], {"to": "ru"})
    text.write_text("Another text altogether.")
    with pytest.raises(BadRequest, match="has changed"):
        RECIPE.merge([text], split, {}, tmp_path)
    with pytest.raises(BadRequest, match="nothing to translate"):
        RECIPE.split([tmp_path / "gone.txt"], {"to": "ru"})


def test_words_of_the_text_are_no_refusal(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen, sagte der Wirt zu dem alten Mann."
    )

    def model(ask: Ask) -> Said:
        (number,) = asked(ask)
        return Said(
            f"[{number}] “I'm sorry, but I can't help you with that,” said the landlord to the old man."
        )

    _, results, _ = run(RECIPE, [path], {"to": "en"}, model, tmp_path / "out")
    assert all(checked.ok for checked in results.values())
