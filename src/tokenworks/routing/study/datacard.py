"""A data set's folder: the rows, what LLaMA-Factory must know of them, and a card that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tokenworks.catalog import distillable
from tokenworks.routing.study.chat_rows import dataset_info, encoded, messages_row, sharegpt_row
from tokenworks.routing.study.distilled import RELATED, SAME, Example, Filters, Selection, script

TRAIN, TEST, INFO, CARD = "train.jsonl", "test.jsonl", "dataset_info.json", "README.md"
_UNSAID = "calls that the format can't say"


def folder(selection: Selection, filters: Filters, form: str) -> dict[str, bytes]:
    """Name and content of each file; the same selection gives the same bytes. ``form``: see ``FORMATS``.

    Where there are tools, the format ``messages`` is written beside the other for LLaMA-Factory.
    """
    if form == "sharegpt":
        selection = _sayable(selection)
    tools = any(one.tools or one.tool_calls for one in (*selection.train, *selection.test))
    prefix = "sharegpt_" if tools and form == "messages" else ""
    files: dict[str, bytes] = {}
    for name, side in ((TRAIN, selection.train), (TEST, selection.test)):
        examples = sorted(side, key=_plainness)
        if form == "messages":
            files[name] = encoded([messages_row(one, tools=tools) for one in examples])
        if form == "sharegpt" or prefix:
            rows = [sharegpt_row(one, tools=tools) for one in examples]
            files[prefix + name] = encoded([row for row in rows if row is not None])
    listed = {f"tokenworks_{name.removesuffix('.jsonl')}": prefix + name for name in (TRAIN, TEST)}
    info = dataset_info(listed, tools=tools, sharegpt=form == "sharegpt" or bool(prefix))
    files[INFO] = (json.dumps(info, indent=2) + "\n").encode()
    files[CARD] = card(selection, filters, form, files).encode()
    return files


def _plainness(one: Example) -> int:
    """Rows with most of the fields that not every row has come first.

    Readers of JSON lines take the columns from the first megabytes, and fail where more come later.
    """
    calls = bool(one.tool_calls) or any(message.get("tool_calls") for message in one.messages)
    results = any(message["role"] == "tool" for message in one.messages)
    return -(calls + results + bool(one.tools))


def _sayable(selection: Selection) -> Selection:
    """Without what the format can't say."""
    train, test = (
        [one for one in side if sharegpt_row(one, tools=True) is not None]
        for side in (selection.train, selection.test)
    )
    left_out = len(selection.train) + len(selection.test) - len(train) - len(test)
    dropped = selection.dropped | ({_UNSAID: left_out} if left_out else {})
    return msgspec.structs.replace(selection, train=train, test=test, dropped=dropped)


def card(selection: Selection, filters: Filters, form: str, files: dict[str, bytes]) -> str:
    """The text of README.md."""
    every = sorted((*selection.train, *selection.test), key=lambda one: (one.time_us, one.id))
    parts = [
        _FRONT,
        "# Answers to learn from\n",
        f"{len(selection.train):,} conversations to train on and {len(selection.test):,} to test with,"
        f" in the format `{form}`, written by `tokenworks distill export`"
        f" from requests of {_span(every)}.",
        "Each ends with the answer of a teacher model. Whoever sent a request allowed that it is kept"
        f" ({_consents(every)}).\n",
        "## Teachers\n",
        _table(
            ("teacher", "rows", "terms", "allow training", "condition", "read"), _teachers(every, filters)
        ),
        "This is no legal advice: the terms of the teachers, and of whoever served them, bind whoever"
        " trains on their answers.\n",
        "## What was taken and what was not\n",
        f"Of {selection.seen:,} captured requests:\n",
        _table(
            ("not taken because", "requests"),
            sorted(selection.dropped.items(), key=lambda each: (-each[1], each[0])),
        ),
        "Filters, each of which could be chosen:\n",
        "\n".join(f"* {line}" for line in _filters(filters)) + "\n",
        "Prompts are the same when they differ in letter case and spaces only, and nearly the same from a"
        f" likeness of {SAME} on (Jaccard, shingles of three words, estimated by MinHash). Of those the"
        f" surest answer was taken. {selection.clusters:,} clusters of related prompts (from {RELATED} on, or"
        " the same conversation) are each on one side of the split as a whole.\n",
        "## What is in it\n",
        _table(("type of task", "train", "test"), _both(selection, lambda one: one.task or "unknown")),
        _table(("writing system", "train", "test"), _both(selection, script)),
        "## Redaction\n",
        "Secrets, e-mail addresses, telephone numbers, card numbers and IBANs were replaced by placeholders"
        " such as `[EMAIL_1]` before anything was stored. Names and postal addresses were not.\n",
        _table(("placeholder", "values"), sorted(_redacted(every).items())),
        "## Files\n",
        _table(
            ("file", "bytes", "sha256"),
            [
                (name, len(content), hashlib.sha256(content).hexdigest())
                for name, content in sorted(files.items())
            ],
        ),
        _USE,
    ]
    return "\n".join(part for part in parts if part)


def summary(selection: Selection) -> dict[str, Any]:
    """The numbers of the card, for programs."""
    every = (*selection.train, *selection.test)
    return {
        "seen": selection.seen,
        "train": len(selection.train),
        "test": len(selection.test),
        "clusters": selection.clusters,
        "dropped": selection.dropped,
        "teachers": dict(sorted(Counter(one.model for one in every).items())),
        "tasks": dict(sorted(Counter(one.task for one in every).items())),
    }


_FRONT = f"""---
license: other
configs:
- config_name: default
  data_files:
  - split: train
    path: {TRAIN}
  - split: test
    path: {TEST}
---
"""

_USE = """## How to use it

```python
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

data = load_dataset("json", data_files={"train": "train.jsonl", "test": "test.jsonl"})
SFTTrainer("STUDENT", args=SFTConfig(), train_dataset=data["train"]).train()
```

That reads the format `messages`. LLaMA-Factory: `dataset_dir: THIS_FOLDER`, `dataset: tokenworks_train`.
Then `tokenworks distill eval THIS_FOLDER --student STUDENT` compares the student on `test.jsonl`.
"""


def _span(every: list[Example]) -> str:
    if not every:
        return "no time at all"
    days = [
        datetime.fromtimestamp(one.time_us / 1e6, UTC).date().isoformat() for one in (every[0], every[-1])
    ]
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def _consents(every: list[Example]) -> str:
    told = {
        "key": "by the rules of the key",
        "request": "with the request",
        "all": "by the operator's setting alone",
    }
    counts = Counter(one.consent for one in every)
    return ", ".join(f"{told.get(name, name)}: {count:,}" for name, count in sorted(counts.items())) or "none"


def _teachers(every: list[Example], filters: Filters) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for model, count in sorted(Counter(one.model for one in every).items()):
        terms = distillable.terms(model)
        state = {"allowed": "yes", "forbidden": "**no**", "unknown": "**not known**"}[terms.state]
        if terms.state != "allowed" and filters.allowed and filters.enforce_distillable:
            state = "yes, says whoever exported"
        rows.append((f"`{model}`", count, terms.name, state, terms.condition, terms.checked))
    return rows


def _filters(filters: Filters) -> list[str]:
    return [
        f"types of task: {', '.join(filters.tasks) or 'all'}",
        f"teachers: {', '.join(filters.teachers) or 'all'}",
        f"P(right) at least {filters.min_right:g} and every check passed, or good feedback; no bad feedback",
        "only teachers whose terms are known to allow training"
        if filters.enforce_distillable
        else "**the terms of the teachers were not enforced**",
        "requests captured by the operator's setting alone too"
        if filters.any_consent
        else "consent was given",
        f"at most {filters.max_chars:,} characters; no pictures or files; no refusals; nothing cut off",
        f"{filters.train_share:g} of the clusters to train on"
        + (f"; at most {filters.max_rows:,} rows" if filters.max_rows is not None else ""),
    ]


def _both(selection: Selection, kind: Any) -> list[tuple[Any, ...]]:
    train, test = (Counter(map(kind, side)) for side in (selection.train, selection.test))
    return [(name, train[name], test[name]) for name in sorted({*train, *test})]


def _redacted(every: Iterable[Example]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in every:
        total.update(one.redacted)
    return total


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    rows = list(rows)
    if not rows:
        return "None.\n"
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|").replace("\n", " ")
