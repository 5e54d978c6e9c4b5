"""The recipe ``translate``: books and pages into another language, paragraph by paragraph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Skipped, Split
from tokenworks.batches.recipes.translate import (
    answers,
    asking,
    languages,
    names,
    pieces,
    report,
    segment,
    verdict,
    works,
)
from tokenworks.errors import BadRequest
from tokenworks.routing import language as spoken
from tokenworks.routing.checks import refusal, repetition
from tokenworks.routing.checks.finding import Answer, Expected

CHUNK_TOKENS = 900
REMEMBERED = 200  # names of a lane


class Translate:
    """See ``recipe.Recipe``. Results of a part: its paragraphs with what is wrong with each, and names."""

    name: ClassVar[str] = "translate"
    summary: ClassVar[str] = "Translate text, Markdown, HTML and EPUB, nothing dropped, markup kept"
    options: ClassVar[Mapping[str, str]] = {
        "to": "language to translate into, by name or code (German, zh); required",
        "from": "language of the originals; default: detected",
        "bilingual": "yes: each original paragraph followed by its translation; default: no",
        "glossary": "CSV (two columns) or TOML file of terms and their translations; default: none",
        "tone": "how it should sound, in words; default: as the original",
        "chunk_tokens": f"tokens of originals in one request; default: {CHUNK_TOKENS}",
    }
    suffixes: ClassVar[tuple[str, ...]] = tuple(works.KINDS)

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        """Chapters as lanes, each in parts of whole paragraphs."""
        shared = _shared(options)
        parts: list[Part] = []
        skipped: list[Skipped] = []
        texts: list[str] = []
        for number, path in enumerate(files, 1):
            told: dict[str, Any] = {"file": str(path), "kind": "", "from": "und", "paragraphs": 0}
            shared["files"].append(told)
            try:
                work = works.read(path)
                told |= {"kind": work.kind, "from": _language(work, options, shared["to"])}
            except BadRequest as error:
                skipped.append(Skipped(str(path), error.message))
                continue
            told["paragraphs"] = len(work.paragraphs())
            parts += pieces.parts(number, _asked(work), shared["chunk_tokens"], (told["from"], shared["to"]))
            texts += [segment.readable(each.text) for _, each, _ in work.paragraphs()]
        if not parts:
            why = f"{skipped[0].file}: {skipped[0].reason}" if skipped else "name a file"
            raise BadRequest(f"there is nothing to translate ({why})")
        first = next(each["from"] for each in shared["files"] if each["paragraphs"])
        shared["names"] = names.seen(texts, first)
        return Split(tuple(parts), shared, tuple(skipped))

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        """The paragraphs under their numbers, with names, what came before, and earlier faults."""
        return asking.ask(part, shared, memory, tries)

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        """Every paragraph there once, whole, and in the right language."""
        items = part.data["items"]
        wanted = [item["n"] for item in items]
        from_, to = shared["files"][part.data["file"] - 1]["from"], shared["to"]
        found, order, told = answers.read(said.text, wanted)
        whole = "\n\n".join(found.values()) or said.text
        fatal = _faults_of_all(said, whole, items, from_, to)
        wrong = [*fatal, *answers.disorder(order, wanted)]
        if found:
            wrong += _without_terms(shared["glossary"], items, whole, to)
        kept = []
        cut_off = said.finish == "length"
        for item in items:
            number = item["n"]
            text = found.get(number, "")
            faults = [] if number in found else ["it is missing"]
            if number in found:
                faults = verdict.problems(item["text"], text, from_, to)
                faults += [f"[{number}] stands there twice"] if order.count(number) > 1 else []
                faults += ["the answer was cut off here"] if cut_off and order and number == order[-1] else []
            kept.append({**item, "text": text, "problems": faults})
            wrong += [f"[{number}]: {fault}" for fault in faults]
        if fatal and not cut_off:
            for each in kept:
                each["problems"] = each["problems"] or fatal
        asked = asking.unknown_names(part, shared, memory)
        value = {"paragraphs": kept, "names": names.told(told, asked, whole)}
        return Checked(value, tuple(dict.fromkeys(wrong)), sum(bool(each["problems"]) for each in kept))

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        """Names as they came out first, and the end of the translation so far."""
        value = checked.value or {"paragraphs": [], "names": {}}
        known = {**value["names"], **memory.get("names", {})}
        good = [segment.readable(each["text"]) for each in value["paragraphs"] if not each["problems"]]
        tail = "\n\n".join(good)[-asking.CONTEXT :] if good else memory.get("tail", "")
        if len(tail) == asking.CONTEXT:
            tail = tail.partition(" ")[2] or tail
        return {"names": dict(list(known.items())[-REMEMBERED:]), "tail": tail}

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        """A file for each input, and a report. Paragraphs without a good translation keep their own words."""
        outputs: list[Output] = []
        reports: list[report.FileReport] = []
        used: Counter[str] = Counter()
        language = split.shared["to"]
        for number, (path, told) in enumerate(zip(files, split.shared["files"], strict=True), 1):
            if not told["paragraphs"]:
                continue
            work = works.read(path)
            if len(work.paragraphs()) != told["paragraphs"]:
                raise BadRequest(f"{path} has changed since it was split: start the job anew")
            mine = [part for part in split.parts if part.data["file"] == number]
            said, flagged = _gathered(work, mine, results, language)
            stem = f"{path.stem}.{language}"
            used[stem + path.suffix] += 1
            again = used[stem + path.suffix]
            name = f"{stem}{f'-{again}' if again > 1 else ''}{path.suffix}"
            works.write(work, said, language, folder / name, bilingual=split.shared["bilingual"])
            each = report.FileReport(
                file=str(path),
                output=name,
                source_language=told["from"],
                paragraphs=told["paragraphs"],
                translated=len(said),
                flagged=tuple(flagged),
                notes=work.notes,
                names=names.unlike(_names_of(mine, results)),
            )
            reports.append(each)
            kind = works.KINDS[path.suffix.lower()][1]
            note = f"{each.translated} of {each.paragraphs} paragraphs translated"
            outputs.append(Output(name, kind, note))
        return [*outputs, *report.write(folder, reports, split.skipped, language)]


def _shared(options: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(options) - set(Translate.options))
    if unknown:
        raise BadRequest(f"translate has no option {unknown[0]!r}: it has {', '.join(Translate.options)}")
    to = options.get("to", "").strip()
    if not to:
        raise BadRequest("name the language to translate into, such as --to German")
    tokens = options.get("chunk_tokens", "") or str(CHUNK_TOKENS)
    if not tokens.isdecimal() or not 50 <= int(tokens) <= 20_000:
        raise BadRequest(f"chunk_tokens is {tokens!r}: give a number from 50 to 20000")
    both = (options.get("bilingual", "") or "no").lower()
    if both not in ("yes", "no", "true", "false"):
        raise BadRequest(f"bilingual is {both!r}: say yes or no")
    return {
        "to": languages.code(to),
        "to_named": to,
        "tone": " ".join(options.get("tone", "").split()),
        "bilingual": both in ("yes", "true"),
        "chunk_tokens": int(tokens),
        "glossary": names.given(options.get("glossary", "")),
        "files": [],
    }


def _language(work: works.Work, options: Mapping[str, str], to: str) -> str:
    """Of the original: as it was named, else as most of its longer paragraphs are."""
    if named := options.get("from", "").strip():
        return languages.code(named)
    longer = sorted((segment.readable(each.text) for _, each, _ in work.paragraphs()), key=len)[-40:]
    votes: Counter[str] = Counter(found for text in longer if (found := spoken.of(text)))
    if not votes:
        return "und"
    found = votes.most_common(1)[0][0]
    if found == languages.base(to) and to in (found, "und"):
        raise BadRequest(
            f"it is in {languages.name(found)} already: name its language with from if it is not"
        )
    return found


def _asked(work: works.Work) -> list[tuple[int, segment.Segment, bool]]:
    """Paragraphs that must be asked for, with their numbers; True where another page begins."""
    repeated = work.same()
    asked = []
    last: works.Text | None = None
    for number, each, text in work.paragraphs():
        if number not in repeated:
            asked.append((number, each, last is not None and text is not last))
            last = text
    return asked


def _faults_of_all(
    said: Said, whole: str, items: Sequence[Mapping[str, Any]], from_: str, to: str
) -> list[str]:
    """What is wrong with an answer as a whole, a line each."""
    found = []
    if not said.text.strip():
        return ["the answer is empty"]
    if said.finish == "length":
        found.append("the answer was cut off: it is longer than it may be")
    if said.finish == "content_filter":
        found.append("the answer was withheld by a filter")
    source = "\n\n".join(item["text"] for item in items)
    answer = Answer(said.text, said.finish)
    numbered = any(f"{item['n']}]" in said.text for item in items)  # who declines gives no numbers
    refused = None if numbered else refusal.check(answer, Expected(prompt=source))
    if refused is not None and not refused.ok and refused.fatal:
        found.append(refused.detail)
    looped = repetition.check(answer, Expected(prompt=source))
    if looped is not None and looped.fatal and not repetition.loop(source[-repetition.TAIL :]):
        found.append(looped.detail)
    if language := verdict.other_language(segment.readable(whole), from_, to):
        found.append(language)
    return found


def _without_terms(
    glossary: Mapping[str, str], items: Sequence[Mapping[str, Any]], whole: str, to: str
) -> list[str]:
    """Terms of the user's glossary that came out otherwise. Endings may differ."""
    source = "\n".join(item["text"] for item in items)
    found = []
    for term in names.occurring(glossary, source):
        came = glossary[term]
        stem = came if languages.base(to) in languages.NO_SPACES else came[: max(4, len(came) * 2 // 3)]
        if stem.casefold() not in whole.casefold():
            found.append(f"{term} must be translated as {came}")
    return found


def _gathered(
    work: works.Work, parts: Sequence[Part], results: Mapping[str, Checked], to: str
) -> tuple[dict[int, str], list[report.Flagged]]:
    """Translations by paragraph, and those that have none. Each paragraph stands in one of the two."""
    came: dict[int, list[dict[str, Any]]] = {}
    for part in parts:
        checked = results.get(part.id)
        value = checked.value if checked is not None else None
        answered = value["paragraphs"] if value else []
        there = {each["n"]: each for each in answered}
        for item in part.data["items"]:
            missing = {**item, "text": "", "problems": ["it was never answered"]}
            came.setdefault(item["n"], []).append(there.get(item["n"], missing))
    said: dict[int, str] = {}
    flagged: list[report.Flagged] = []
    repeated = work.same()
    for number, each, _ in work.paragraphs():
        answers_ = came.get(number, [])
        problems = tuple(fault for answer in answers_ for fault in answer["problems"])
        text = pieces.joined([(answer["text"], answer.get("joint", "")) for answer in answers_], to)
        if number in repeated and (text := segment.readable(said.get(repeated[number], ""))):
            problems = ()
        elif number in repeated:
            problems = (f"paragraph {repeated[number]}, which it repeats, has no translation",)
        if not problems and not segment.fault(each.text, text):
            said[number] = text
        else:
            shown = segment.readable(each.text)[: report.SHOWN]
            flagged.append(report.Flagged(number, shown, problems or (segment.fault(each.text, text),)))
    return said, flagged


def _names_of(parts: Sequence[Part], results: Mapping[str, Checked]) -> list[dict[str, str]]:
    values = [checked.value for part in parts if (checked := results.get(part.id)) is not None]
    return [value["names"] for value in values if value]
