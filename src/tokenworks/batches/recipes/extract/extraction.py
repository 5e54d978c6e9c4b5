"""The recipe: figures out of a pile of documents, each with the page and row it stands in.

One part is one file: the text of the pages that matter. What the model answers is checked against those
pages; what fails a check is flagged and never counts as accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tokenworks.batches.recipes import words
from tokenworks.batches.recipes.extract.answer import parsed, straightened
from tokenworks.batches.recipes.extract.arithmetic import confirm
from tokenworks.batches.recipes.extract.asking import messages
from tokenworks.batches.recipes.extract.documents import SUFFIXES, Document, names_of, opened
from tokenworks.batches.recipes.extract.fields import Leaf, asked, cited, of_kind, of_schema, read_schema
from tokenworks.batches.recipes.extract.figures import scale_of
from tokenworks.batches.recipes.extract.grounding import judge
from tokenworks.batches.recipes.extract.judged import Grounds, Judged
from tokenworks.batches.recipes.extract.merging import formats_of, number, write
from tokenworks.batches.recipes.extract.pages import TOP, find_by_fields, find_statement
from tokenworks.batches.recipes.extract.sheet import sheets
from tokenworks.batches.recipes.extract.unreadable import Unreadable
from tokenworks.batches.recipes.extract.vocabulary import kind, kinds
from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Skipped, Split
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.errors import BadRequest
from tokenworks.routing.checks.validation import fault

MOST_TOKENS = 16_000  # of pages in one part
MOST_PAGES = 50
ANSWER_TOKENS = 90  # of one figure with its citation
LIST_TOKENS = 4_000  # of answers with lists, whose length nobody knows before
SURE = 0.85  # confidence of a figure that passed all checks that are always made
DOUBTED = 0.4  # and the most that a flagged one gets
CHECKS = 7


class Extract:
    """``RECIPE`` of this package."""

    name: ClassVar[str] = "extract"
    summary: ClassVar[str] = "figures out of PDF, HTML or text, each checked against the page it stands on"
    options: ClassVar[Mapping[str, str]] = {
        "schema": "income-statement (built in), or a file with a JSON schema of what to extract",
        "year": "fiscal year whose column is meant (the newest)",
        "pages": "with a schema of your own: how many pages of each file the model gets (4)",
        "format": "files besides CSV and JSON: xlsx, parquet, or both with a comma",
    }
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        """One part a file. Files that can't be read, or have no page that matters, are skipped."""
        if not files:
            raise BadRequest("extract needs files: PDF, HTML or text")
        shared = _shared(options)
        most = words.number(options, "pages", 4, 1, MOST_PAGES)
        parts: list[Part] = []
        skipped: list[Skipped] = []
        for i, (file, name) in enumerate(zip(files, names_of(files), strict=True)):
            try:
                with opened(file) as document:
                    data = _data(name, document, shared, most)
            except Unreadable as error:
                skipped.append(Skipped(name, str(error)))
                continue
            told = _messages(data, shared, ())
            size = sum(tokens_of(str(message["content"])) for message in told)
            parts.append(Part(f"{i:04d}", name, data, size, _answer_tokens(shared)))
        return Split(tuple(parts), shared, tuple(skipped))

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        """The fields, how to cite, the pages; after a try, what was wrong with it."""
        problems = tries[-1].problems if tries else ()
        said = _messages(part.data, shared, problems)
        return Ask(said, 2 * part.output_tokens, 0.0, asked(shared["answer"]))

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        """Every figure judged; {"figures": [...]}. Problems of all that are flagged, by field."""
        try:
            answer = straightened(parsed(said.text), shared["answer"])
        except ValueError as error:
            cut = "it was cut off" if said.finish == "length" else str(error)
            return _unanswered(shared, f"the answer is no JSON: {cut}")
        if wrong := fault(answer, asked(shared["answer"])):
            return _unanswered(shared, f"the answer does not fit the schema: {wrong}")
        leaves = {leaf.name: leaf for leaf in _leaves(shared)}
        built_in = kind(shared["kind"]) if shared["kind"] else None
        fields = {field.name: field for field in built_in.field} if built_in else {}
        grounds = Grounds(sheets(part.data["pages"]), shared["year"], part.data["scaled"], part.data["main"])
        found = {
            path: judge(path, leaves[name], fields.get(name), citation, grounds)
            for path, name, citation in cited(answer, shared["answer"])
        }
        if built_in:
            confirm(found, built_in.sum, grounds.sheets, shared["year"])
        problems = tuple(f"{one.field}: {problem}" for one in found.values() for problem in one.problems)
        for one in found.values():
            if part.data["doubt"] and one.value is not None:  # no other answer would change it
                one.problems.append(part.data["doubt"])
            _weigh(one)
        unusable = sum(not one.accepted for one in found.values())
        return Checked({"figures": [_plain(one) for one in found.values()]}, problems, unusable)

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        """Files teach nothing to each other."""
        return memory

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        """figures.csv and figures.json, a row for each figure; by-file.csv; skipped.csv; other formats."""
        rows: list[dict[str, Any]] = []
        for part in split.parts:
            checked = results.get(part.id)
            value = checked.value if checked and isinstance(checked.value, dict) else None
            if value is None:
                why = "; ".join(checked.problems) if checked and checked.problems else "it was not answered"
                value = _unanswered(split.shared, why).value
            rows += [_row(part.lane, msgspec.convert(one, Judged)) for one in value["figures"]]
        fields = [leaf.name for leaf in _leaves(split.shared) if "[]" not in leaf.name]
        return write(rows, fields, split.skipped, folder, split.shared["formats"])


def _shared(options: Mapping[str, str]) -> dict[str, Any]:
    words.known(options, Extract.options)
    wanted = options.get("schema") or "income-statement"
    shared: dict[str, Any] = {
        "kind": wanted if wanted in kinds() else "",
        "year": words.number(options, "year", 0, 1900, 2099) or None,
        "formats": formats_of(options.get("format") or ""),
    }
    if shared["kind"]:
        built_in = kind(wanted)
        leaves, answer = of_kind(built_in)
        shared["title"] = built_in.title
    elif Path(wanted).suffix == ".json" or Path(wanted).is_file():
        schema = read_schema(Path(wanted))
        leaves, answer = of_schema(schema)
        shared["title"] = str(schema.get("title") or "")
    else:
        raise BadRequest(f"no schema {wanted!r}: use {', '.join(kinds())} or a file NAME.json of JSON schema")
    return shared | {"leaves": _plain(leaves), "answer": answer}


def _data(name: str, document: Document, shared: Mapping[str, Any], most: int) -> dict[str, Any]:
    """What a part holds: the pages' rows, and whether a scale is stated anywhere in the file."""
    texts = document.texts()
    doubt, main = "", None
    if shared["kind"]:
        wanted = kind(shared["kind"])
        found = find_statement(document, wanted)
        numbers, doubt = list(found.pages), found.doubt
        missing = f"no page looks like an {wanted.title.lower()}"
    else:
        numbers = find_by_fields(document, _leaves(shared), shared["title"], most)
        missing = "no page has a word of the schema's fields; describe them in the document's words"
        main = numbers[0] if numbers else None
        numbers.sort()
    if not numbers:
        blank = sum(not text.strip() for text in texts)
        scans = f"; {blank} of its {len(texts)} pages have no text: scans need OCR first" if blank else ""
        raise Unreadable(missing + scans)
    scaled = any(scale_of(text.splitlines()[:TOP]) for text in texts)
    pages = _bounded([(n, document.rows(n)) for n in numbers])
    return {"file": name, "pages": pages, "scaled": scaled, "doubt": doubt, "main": main}


def _bounded(pages: Sequence[tuple[int, list[str]]]) -> list[dict[str, Any]]:
    """Pages of at most ``MOST_TOKENS`` together, each with its share; the rest of their rows is cut."""
    share = MOST_TOKENS // len(pages)
    found = []
    for page, rows in pages:
        left, kept = share, []
        for row in rows:
            left -= tokens_of(row) + 1
            if left < 0:
                break
            kept.append(row)
        found.append({"page": page, "rows": kept})
    return found


def _messages(
    data: Mapping[str, Any], shared: Mapping[str, Any], problems: Sequence[str]
) -> tuple[dict[str, Any], ...]:
    leaves, form = _leaves(shared), shared["answer"]
    return messages(shared["title"], leaves, form, data["pages"], shared["year"], problems)


def _plain(value: Any) -> Any:
    """``value`` as it is after it was written as JSON and read again."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _leaves(shared: Mapping[str, Any]) -> list[Leaf]:
    return msgspec.convert(shared["leaves"], list[Leaf])


def _answer_tokens(shared: Mapping[str, Any]) -> int:
    leaves = _leaves(shared)
    lists = any("[]" in leaf.name for leaf in leaves)
    return max(ANSWER_TOKENS * len(leaves), LIST_TOKENS if lists else 0)


def _weigh(one: Judged) -> None:
    """Confidence by the checks that it passed; accepted where none failed."""
    one.accepted = one.value is not None and not one.problems
    if one.accepted:
        one.confidence = SURE + 0.05 * sum(check in one.passed for check in ("column", "scale", "sum"))
    elif one.value is not None:
        one.confidence = DOUBTED * len(one.passed) / CHECKS
    one.confidence = round(one.confidence, 2)


def _unanswered(shared: Mapping[str, Any], why: str) -> Checked:
    names = [leaf.name for leaf in _leaves(shared) if "[]" not in leaf.name]
    figures = [_plain(Judged(name, problems=[why])) for name in names]
    return Checked({"figures": figures}, (why,), len(figures) + 1)  # worse than figures that are flagged


def _row(file: str, one: Judged) -> dict[str, Any]:
    value: Any = one.value
    if one.kind == "number" and isinstance(value, str):
        value = number(value)
    return {
        "file": file, "field": one.field, "value": value, "unit": one.unit, "scale": one.scale,
        "currency": one.currency, "page": one.page, "quote": one.quote, "confidence": one.confidence,
        "accepted": one.accepted, "problems": "; ".join(one.problems), "printed": one.printed,
    }  # fmt: skip


RECIPE = Extract()
