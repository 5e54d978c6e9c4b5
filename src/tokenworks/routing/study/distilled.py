"""From captured requests to a data set that a smaller model can learn from: what is taken and what is not."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tokenworks.catalog import distillable
from tokenworks.config.glob import matches
from tokenworks.ledger.captured import CaptureRow
from tokenworks.routing.study.neighbours import Groups, signature

SAME = 0.85  # estimated likeness from which on two prompts are taken for one
RELATED = 0.6  # from which on they must not stand on both sides of the split
GOOD_SCORE = 0.8  # what people say of an answer counts more than what was computed
BAD_SCORE = 0.5
MAX_CHARS = 48_000  # of one conversation with its answer, about 12,000 tokens
GIVEN = ("key", "request")  # consents that somebody gave for his own requests

_REFUSES = re.compile(
    r"\s*(?:(?:i['’]?m|i am) (?:very |really |so )?sorry,?\s*(?:but\s+)?(?:i|that)\b"
    r"|sorry,?\s+(?:but\s+)?i\s+(?:can|am)"
    r"|i (?:can['’]?t|cannot|can not|won['’]?t|am unable to|['’]?m unable to|['’]?m not able to)"
    r" (?:help|assist|do|provide|comply|answer|create|write|discuss|fulfil)"
    r"|as an ai\b|as a (?:large )?language model\b)",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s+")


class Example(msgspec.Struct, frozen=True):
    """One capture, read. ``messages`` are chat messages; the answer follows them."""

    id: str
    time_us: int
    model: str
    task: str
    right: float
    messages: list[dict[str, Any]]
    answer: str
    tool_calls: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] = []
    finish: str = ""
    refusal: str = ""
    provider: str = ""
    checks: dict[str, bool] = {}
    consent: str = ""
    license: dict[str, str] = {}
    media: int = 0
    redacted: dict[str, int] = {}
    score: float | None = None  # what somebody said of the answer, 0..1


class Filters(msgspec.Struct, frozen=True):
    """What a data set is made of. Globs that are empty let everything in."""

    tasks: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    min_right: float = 0.9
    enforce_distillable: bool = True
    allowed: tuple[str, ...] = ()  # teachers whose terms whoever exports has read himself
    any_consent: bool = False
    max_chars: int = MAX_CHARS
    max_rows: int | None = None
    train_share: float = 0.9


class Selection(msgspec.Struct, frozen=True):
    """What was taken, in order of time, and for each reason how many were not."""

    train: list[Example]
    test: list[Example]
    seen: int
    dropped: dict[str, int]
    clusters: int  # of related prompts; none of them is on both sides


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def example(row: CaptureRow, score: float | None = None) -> Example:
    """Read a capture; ``score`` is the feedback on it. Raises ValueError for one that can't be read."""
    try:
        body = _decode(zlib.decompress(row.body))
        body |= {"id": row.id, "time_us": row.time_us, "model": row.model, "task": row.task, "score": score}
        return msgspec.convert(body | {"right": row.right_share}, Example)
    except (zlib.error, msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"capture {row.id} can't be read: {error}") from error


def why_not(one: Example, filters: Filters) -> str:
    """Why this example is not taken, in a few words; "" where it is."""
    text = one.answer.strip()
    for reason, holds in (
        (
            "no consent of whoever asked",
            one.consent not in GIVEN and not (filters.any_consent and one.consent),
        ),
        ("another teacher", not matches(filters.teachers, one.model)),
        ("another type of task", not matches(filters.tasks, one.task)),
        (_terms(one, filters), True),
        ("pictures or files", one.media > 0),
        ("the answer was cut off", one.finish == "length"),
        ("refused", bool(one.refusal) or one.finish in ("refusal", "content_filter")),
        ("refused", not one.tool_calls and _REFUSES.match(text) is not None),
        ("no answer", not text and not one.tool_calls),
        ("the answer did not end well", one.finish not in ("stop", "tool_calls")),
        ("bad feedback", one.score is not None and one.score <= BAD_SCORE),
        (_doubtful(one, filters), True),
        ("too long", _chars(one) > filters.max_chars),
        ("turns in an odd order", not _in_order(one.messages)),
    ):
        if reason and holds:
            return reason
    return ""


def select(
    examples: Iterable[Example], filters: Filters, told: Callable[[int], None] = lambda _: None
) -> Selection:
    """Filter, drop duplicates, and split. ``told`` hears how many were looked at.

    The same examples in whatever order give the same selection.
    """
    dropped: Counter[str] = Counter()
    best: dict[bytes, Example] = {}
    seen = 0
    for seen, one in enumerate(examples, start=1):
        told(seen)
        if reason := why_not(one, filters):
            dropped[reason] += 1
            continue
        prompt = digest(one)
        other = best.get(prompt)
        if other is not None:
            dropped["the same prompt"] += 1
        if other is None or _worth(one) < _worth(other):
            best[prompt] = one
    kept = _without_likes(sorted(best.values(), key=_worth), dropped)
    if filters.max_rows is not None and len(kept) > filters.max_rows:
        dropped["more rows than asked for"] += len(kept) - filters.max_rows
        kept = sorted(kept, key=lambda one: _draw("rows", one.id))[: filters.max_rows]
    kept.sort(key=lambda one: (one.time_us, one.id))
    clusters = related(kept)
    train, test = _split(kept, clusters, filters.train_share)
    return Selection(train, test, seen, dict(sorted(dropped.items())), len(set(clusters)))


def related(examples: Sequence[Example]) -> list[int]:
    """For each example its cluster: related prompts, and all turns of one conversation."""
    groups = Groups(RELATED)
    openings: dict[str, int] = {}
    for number, one in enumerate(examples):
        groups.add(signature(asked(one)))
        opening = normal(_first_words(one))
        groups.join(number, openings.setdefault(opening, number))
    return [groups.of(number) for number in range(len(examples))]


def digest(one: Example) -> bytes:
    """Equal for prompts that differ in letter case and spaces only."""
    told = [normal(f"{message['role']}: {_content(message)}") for message in one.messages]
    return hashlib.blake2b("\0".join(told).encode("utf-8", "replace"), digest_size=16).digest()


def normal(text: str) -> str:
    """Without the differences that make no other prompt: letter case, width of characters, spaces."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def asked(one: Example) -> str:
    """What tells this prompt from others: the first and the last thing that was said to the model.

    The system prompt, which many requests share, is no part of it.
    """
    said = [_content(message) for message in one.messages if message["role"] in ("user", "tool")]
    return "\n".join(dict.fromkeys((*said[:1], *said[-1:])))


def script(one: Example) -> str:
    """The writing system of most letters of the last question and its answer: "latin", "cyrillic", "cjk" …"""
    letters = [char for char in (asked(one) + one.answer)[:2000] if char.isalpha()]
    names = Counter(unicodedata.name(char, "other").split()[0].lower() for char in letters)
    return names.most_common(1)[0][0] if names else "none"


def _terms(one: Example, filters: Filters) -> str:
    if not filters.enforce_distillable or (filters.allowed and matches(filters.allowed, one.model)):
        return ""
    state = distillable.terms(one.model).state
    if state == "forbidden" or one.license.get("state") == "forbidden":  # now, or when it was answered
        return "the teacher's terms forbid it"
    return "" if state == "allowed" else "the teacher's terms are not known"


def _doubtful(one: Example, filters: Filters) -> str:
    if one.score is not None and one.score >= GOOD_SCORE:
        return ""
    if not all(one.checks.values()):
        return "a check failed"
    return "not sure enough" if one.right < filters.min_right else ""


def _without_likes(examples: list[Example], dropped: Counter[str]) -> list[Example]:
    """Of prompts that are nearly the same the first."""
    groups: dict[int, Groups] = {}  # a later turn of a conversation is another example, however alike
    kept = []
    for one in examples:
        said = "\n".join(_content(each) for each in one.messages if each["role"] != "system")
        alike = groups.setdefault(len(one.messages), Groups(SAME))
        if alike.add(signature(said)) == len(alike) - 1:
            kept.append(one)
        else:
            dropped["nearly the same prompt"] += 1
    return kept


def _split(
    examples: list[Example], clusters: list[int], train_share: float
) -> tuple[list[Example], list[Example]]:
    """By a hash of each cluster, so that what was held out once is held out the next time too.

    With two clusters or more and a share below 1 neither side is empty.
    """
    if not examples:
        return [], []
    draws = {cluster: _draw("split", digest(examples[cluster]).hex()) for cluster in set(clusters)}
    held = {cluster for cluster, draw in draws.items() if draw >= train_share}
    by_draw = sorted(draws, key=lambda cluster: draws[cluster])
    if len(draws) > 1 and train_share < 1:
        held = (held or {by_draw[-1]}) - ({by_draw[0]} if len(held) == len(draws) else set())
    sides: tuple[list[Example], list[Example]] = ([], [])
    for one, cluster in zip(examples, clusters, strict=True):
        sides[cluster in held].append(one)
    return sides


def _draw(purpose: str, name: str) -> float:
    """0..1, always the same for the same name."""
    found = hashlib.blake2b(f"{purpose}\0{name}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(found, "big") / 2**64


def _worth(one: Example) -> tuple[float, float, int, str]:
    """The order in which examples of the same prompt are taken: the surest first."""
    return (-(one.score if one.score is not None else BAD_SCORE), -one.right, one.time_us, one.id)


def _first_words(one: Example) -> str:
    return next((_content(message) for message in one.messages if message["role"] == "user"), one.id)


def _content(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    calls = message.get("tool_calls") or ()
    said = [f"{call['function']['name']} {call['function']['arguments']}" for call in calls]
    return "\n".join((str(content), *said)) if said else str(content)


def _chars(one: Example) -> int:
    calls = sum(len(call["function"]["arguments"]) for call in one.tool_calls)
    return sum(len(_content(message)) for message in one.messages) + len(one.answer) + calls


def _in_order(messages: list[dict[str, Any]]) -> bool:
    """Begins with a user after the system prompt, and it is the model's turn."""
    turns = [message["role"] for message in messages if message["role"] != "system"]
    return bool(turns) and turns[0] == "user" and turns[-1] in ("user", "tool")
