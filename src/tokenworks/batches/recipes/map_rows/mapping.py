"""The recipe ``map``: any prompt over the rows of a table; each row is asked by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tokenworks.batches.recipes import words
from tokenworks.batches.recipes.map_rows import answers, tables, template, written
from tokenworks.batches.recipes.map_rows.tables import Row, Table
from tokenworks.batches.recipes.recipe import Ask, Checked, Memory, Output, Part, Said, Skipped, Split
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.batches.recipes.soundness import told
from tokenworks.errors import BadRequest

NAMED = 100  # bad rows of a file that are named; the rest is counted
_MOST_ROWS = 100_000_000


class MapRows:
    """One part and one lane for each row, for rows don't depend on each other."""

    name: ClassVar[str] = "map"
    summary: ClassVar[str] = "A prompt over each row of a table; the answers become columns"
    options: ClassVar[Mapping[str, str]] = {
        "template": "the prompt, or a file that holds it; {column} is the row's value, {{ and }} are braces",
        "system": "the system message, or a file that holds it",
        "column": "name of the column for the answers (answer)",
        "schema": "file with a JSON schema that answers must fit; its properties become the columns",
        "limit": "only so many rows, from the first",
        "skip_empty": "do not ask for rows where all columns of the template are empty: yes (default) or no",
        "max_tokens": "most tokens of one answer",
    }
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

    def split(self, files: Sequence[Path], options: Mapping[str, str]) -> Split:
        """A part for each row that can be asked; bad rows are skipped, with their line."""
        shared = _shared(options)
        skipped: list[Skipped] = []
        parts: list[Part] = []
        told_tables: list[Table | None] = []
        rows = 0
        for number, file in enumerate(files):
            try:
                table = self._table(file, shared)
            except BadRequest as error:
                skipped.append(Skipped(file.name, error.message))
                told_tables.append(None)
                continue
            told_tables.append(table)
            rows += _add(parts, skipped, number, file, table, shared, rows)
        if not any(told_tables):
            why = f"{skipped[0].file}: {skipped[0].reason}" if skipped else "give a file"
            raise BadRequest(f"map: no table can be used; {why}")
        shared["tables"] = msgspec.to_builtins(told_tables)
        return Split(tuple(parts), shared, tuple(skipped))

    def _table(self, file: Path, shared: Mapping[str, Any]) -> Table:
        if file.suffix.lower() not in self.suffixes:
            raise BadRequest(f"not a table that map reads: {' '.join(self.suffixes)}")
        table = tables.opened(file)
        if wrong := template.unknown(shared["template"], table.columns):
            raise BadRequest(wrong)
        taken = [n for n in answers.added(shared["column"], shared["schema"]) if n in table.columns]
        if taken:
            way = "rename it in the schema" if shared["schema"] else "say column=NAME"
            raise BadRequest(f"there is a column “{taken[0]}” already; {way}")
        return table

    def ask(self, part: Part, shared: Mapping[str, Any], memory: Memory, tries: Sequence[Checked]) -> Ask:
        """The template filled with the row."""
        prompt = template.filled(shared["template"], part.data["values"])
        if again := told(tries):
            prompt = f"{prompt}\n\n({again})"
        messages = [{"role": "user", "content": prompt}]
        if system := answers.instruction(shared["system"], shared["schema"]):
            messages.insert(0, {"role": "system", "content": system})
        return Ask(tuple(messages), shared["max_tokens"], schema=shared["schema"])

    def check(self, part: Part, shared: Mapping[str, Any], memory: Memory, said: Said) -> Checked:
        """The answer's text, or its object where a schema is given."""
        prompt = template.filled(shared["template"], part.data["values"])
        return answers.checked(said, prompt, shared["schema"])

    def learn(self, part: Part, shared: Mapping[str, Any], memory: Memory, checked: Checked) -> Memory:
        """Nothing: rows don't depend on each other."""
        return {}

    def merge(
        self, files: Sequence[Path], split: Split, results: Mapping[str, Checked], folder: Path
    ) -> list[Output]:
        """Each table as ``NAME.mapped.SUFFIX``. Raises ``BadRequest`` where one isn't what it was."""
        found: list[Output] = []
        asked = {part.id for part in split.parts}
        left = split.shared["limit"] or _MOST_ROWS
        for number, (file, told_table) in enumerate(zip(files, split.shared["tables"], strict=True)):
            if told_table is None:
                continue
            table = msgspec.convert(told_table, Table)
            tables.unchanged(file, table)
            target = folder / _target(file, number, files)
            names = answers.added(split.shared["column"], split.shared["schema"])
            cells = _Cells(number, names, left, asked, results, split.shared["schema"])
            added = [*names, answers.error_column([*table.columns, *names])]
            written.write(file, table, target, added, split.shared["schema"], cells.of)
            left -= cells.rows
            found.append(Output(target.name, written.KINDS[file.suffix.lower()], cells.note()))
        return found


class _Cells:
    """The added cells of a table's rows, counted."""

    def __init__(
        self,
        file: int,
        names: list[str],
        most: int,
        asked: set[str],
        results: Mapping[str, Checked],
        schema: Mapping[str, Any] | None,
    ) -> None:
        self._file, self._names, self._most = file, names, most
        self._asked, self._results, self._schema = asked, results, schema
        self.rows = self.failed = self.empty = self.bad = 0

    def of(self, row: int, bad: bool) -> list[Any] | None:
        """None for bad rows, and from the limit on."""
        if self.rows >= self._most:
            return None
        if bad:
            self.bad += 1
            return None
        self.rows += 1
        part = part_id(self._file, row)
        if part not in self._asked:
            self.empty += 1
            return [*([None] * len(self._names)), ""]
        found = answers.cells(self._results.get(part), self._names, self._schema)
        self.failed += bool(found[-1])
        return found

    def note(self) -> str:
        """What became of the rows, in a line."""
        said = [f"{self.rows:,} rows"]
        said += [f"{self.failed:,} failed (see the error column)"] if self.failed else []
        said += [f"{self.empty:,} empty ones not asked"] if self.empty else []
        said += [f"{self.bad:,} bad ones left out"] if self.bad else []
        return ", ".join(said)


def _shared(options: Mapping[str, str]) -> dict[str, Any]:
    words.known(options, MapRows.options)
    said = words.text_or_file(options, "template")
    if not said.strip():
        raise BadRequest("map needs template=TEXT or template=FILE, for example template='Translate: {text}'")
    column = options.get("column", "").strip() or "answer"
    return {
        "template": [list(piece) for piece in template.pieces(said)],
        "system": words.text_or_file(options, "system"),
        "column": column,
        "schema": answers.schema_of(words.text_or_file(options, "schema")),
        "limit": words.number(options, "limit", 0, 1, _MOST_ROWS),
        "skip_empty": words.yes(options, "skip_empty", True),
        "max_tokens": words.number(options, "max_tokens", 0, 1, 1_000_000) or None,
    }


def _add(
    parts: list[Part],
    skipped: list[Skipped],
    number: int,
    file: Path,
    table: Table,
    shared: Mapping[str, Any],
    before: int,
) -> int:
    """How many good rows of one table are in the job. Only what the template uses is held of each."""
    pieces = shared["template"]
    places = [(name, table.columns.index(name)) for name in template.columns(pieces)]
    fixed = answers.fixed_tokens(shared["system"], shared["schema"])
    fixed += tokens_of("".join(said for kind, said in pieces if kind == "text"))
    expected = min(shared["max_tokens"] or _MOST_ROWS, answers.tokens_expected(shared["schema"]))
    most = (shared["limit"] or _MOST_ROWS) - before
    good = bad = 0
    for at, row in enumerate(tables.rows(file, table)):
        if good >= most:
            break
        if row.fault:
            bad += 1
            if bad <= NAMED:
                skipped.append(Skipped(file.name, f"line {row.line}: {row.fault}"))
            continue
        good += 1
        values = _values(row, places)
        if shared["skip_empty"] and not any(value.strip() for value in values.values()):
            continue
        size = fixed + sum(map(tokens_of, values.values()))
        part = part_id(number, at)
        parts.append(Part(part, part, {"row": at, "values": values}, size, expected))
    if bad > NAMED:
        skipped.append(Skipped(file.name, f"{bad - NAMED:,} more rows that can't be used"))
    return good


def _values(row: Row, places: Sequence[tuple[str, int]]) -> dict[str, str]:
    return {name: tables.text_of(row.cells[at]) for name, at in places}


def part_id(file: int, row: int) -> str:
    """The part of a row; both from 0."""
    return f"{file:06d}.{row:08d}"


def _target(file: Path, number: int, files: Sequence[Path]) -> str:
    same = sum(other.name == file.name for other in files)
    return f"{file.stem}.{f'{number + 1}.' if same > 1 else ''}mapped{file.suffix}"
