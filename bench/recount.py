"""Do the roll-ups say what the requests say? Every table counted anew from the rows, by other code."""

from __future__ import annotations

import math
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tokenworks.ledger.rollups import GRAINS, MEASURES
from tokenworks.ledger.tallies import TALLIES

DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000
INPUT = "(uncached_input_tokens + cache_read_tokens + cache_write_tokens)"
CONTEXT = (
    f"CASE WHEN {INPUT} <= 1000 THEN '1K' WHEN {INPUT} <= 4000 THEN '4K' WHEN {INPUT} <= 16000 THEN '16K'"
    f" WHEN {INPUT} <= 64000 THEN '64K' WHEN {INPUT} <= 128000 THEN '128K' WHEN {INPUT} <= 256000 THEN '256K'"
    f" WHEN {INPUT} <= 1000000 THEN '1M' ELSE '>1M' END"
)
SPECIAL = {
    "requests": "count(*)",
    "errors": "sum(CASE WHEN outcome IN ('ok', 'client_gone', 'queued') THEN 0 ELSE 1 END)",
    "ttft_requests": "sum(CASE WHEN ttft_us > 0 THEN 1 ELSE 0 END)",
}
TOTAL = f"{INPUT} + output_tokens"


def statements() -> dict[str, str]:
    """Table -> what counts its rows anew, for those that plain SQL can count."""
    sums = ", ".join(SPECIAL.get(name, f"sum({name})") for name in MEASURES)
    found = {}
    for grain in GRAINS:
        width = HOUR_US if grain.bucket == "hour" else DAY_US
        found[grain.table] = _grouped([f"time_us / {width}", *grain.dimensions], sums)
    day = f"time_us / {DAY_US}"
    spent = f"count(*), sum({TOTAL}), sum(cost_nano_usd)"
    found["day_user_model"] = _grouped([day, '"user"', "model", "private"], spent, "\"user\" <> ''")
    found["day_context_model"] = _grouped([day, CONTEXT, "model", "private"], spent, f"{INPUT} > 0")
    found["day_finish_model"] = _grouped(
        [day, "finish_reason", "model", "private"],
        f"count(*), sum({TOTAL}), sum(tool_calls)",
        "finish_reason <> ''",
    )
    found["day_energy"] = _grouped(
        [day, "model", "provider", "energy_basis", "private"],
        f"count(*), sum({INPUT}), sum(output_tokens), sum(energy_mj), sum(carbon_ug)",
        "energy_basis <> ''",
    )
    week = f"(time_us / {DAY_US} + 3) / 7"
    parts = [_grouped([week, f"'{kind}'", kind, "private"], spent) for kind in ("model", "provider", "app")]
    labelled = (
        f"SELECT (r.time_us / {DAY_US} + 3) / 7, 'task', l.task, r.private, sum(l.weight),"
        f" sum(l.weight * ({TOTAL})), sum(l.weight * r.cost_nano_usd) FROM requests AS r JOIN labels AS l"
        " ON l.time_us = r.time_us AND l.id = r.id WHERE l.task <> '' GROUP BY 1, 2, 3, 4"
    )
    found["week_share"] = " UNION ALL ".join((*parts, labelled))
    return found


def _grouped(keys: list[str], sums: str, where: str = "1 = 1") -> str:
    groups = ", ".join(map(str, range(1, len(keys) + 1)))
    return f"SELECT {', '.join(keys)}, {sums} FROM requests WHERE {where} GROUP BY {groups}"


class ByHand:
    """What SQL can't count well: speeds, attempts, sessions, labels."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple, list[int]]] = {
            name: defaultdict(lambda: [0, 0, 0, 0]) for name in ("day_attempt", "day_speed", "day_label")
        }
        self.sessions: dict[tuple, list[int]] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Count one request."""
        day, model, provider = row["time_us"] // DAY_US, row["model"], row["provider"]
        tried = [part.rpartition(":") for part in row["reasons"].split()]
        for name, _, why in tried:
            if name and name != "plan" and why not in ("resting", "hedge", "slow"):
                self._count("day_attempt", (day, model, name), 1, why not in ("400", "413", "422"))
        if row["outcome"] in ("ok", "client_gone") and provider:
            self._count("day_attempt", (day, model, provider), 1, 0)
        if row["outcome"] == "ok" and provider and row["ttft_us"]:
            first = all(name in ("", "plan") or why in ("resting", "hedge") for name, _, why in tried)
            self._speed(day, row, first)
        total = (
            row["uncached_input_tokens"]
            + row["cache_read_tokens"]
            + row["cache_write_tokens"]
            + row["output_tokens"]
        )
        private = bool(row["private"])
        if row["weight"]:
            w = row["weight"]
            for kind in ("task", "language", "code"):
                if row[kind]:
                    key = (day, kind, row[kind], model, private)
                    self._count("day_label", key, 1, w, w * total, w * row["cost_nano_usd"])
        if row["session"]:
            mix = zlib.crc32(f"{row['session']}\0{row['key_id']}".encode())
            key = ((day - 4) // 7 + 1, mix, row["session"][:64], row["key_id"][:64], model, private)
            sums = self.sessions.setdefault(key, [0, 0, 0, 2**62, 0])
            sums[:3] = sums[0] + 1, sums[1] + total, sums[2] + row["cost_nano_usd"]
            sums[3:] = min(sums[3], row["time_us"]), max(sums[4], row["time_us"])

    def _speed(self, day: int, row: dict[str, Any], first: bool) -> None:
        key = (row["model"], row["provider"])
        if first:
            number = max(0, math.floor(4 * math.log2(row["ttft_us"] / 1000)))
            self._count("day_speed", (day, "ttft", *key, min(number, 100)), 1)
        took_s = (row["latency_us"] - row["ttft_us"]) / 1e6
        if row["stream"] and row["output_tokens"] >= 8 and took_s > 0:
            number = max(0, math.floor(4 * math.log2(row["output_tokens"] / took_s / 0.1)))
            self._count("day_speed", (day, "rate", *key, min(number, 100)), 1)

    def _count(self, table: str, key: tuple, *amounts: int) -> None:
        cell = self.tables[table][key]
        for place, amount in enumerate(amounts):
            cell[place] += amount


COLUMNS = (
    *("time_us", "key_id", "session", "model", "provider", "stream", "outcome", "reasons", "private"),
    *("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
    *("cost_nano_usd", "latency_us", "ttft_us"),
)
LABELLED = (
    "SELECT {}, coalesce(l.task, ''), coalesce(l.language, ''), coalesce(l.code, ''), coalesce(l.weight, 0)"
    " FROM requests AS r LEFT JOIN labels AS l ON l.time_us = r.time_us AND l.id = r.id"
).format(", ".join(f"r.{name}" for name in COLUMNS))


def check_sqlite(file: Path, told: Callable[[str], None] = lambda table: None) -> dict[str, tuple[int, int]]:
    """Table -> rows, and rows that differ from a recount (there, or missing)."""
    connection = sqlite3.connect(file)
    try:
        return _check(lambda sql: iter(connection.execute(sql)), told)
    finally:
        connection.close()


def check_postgres(url: str, told: Callable[[str], None] = lambda table: None) -> dict[str, tuple[int, int]]:
    """The same for PostgreSQL."""
    with psycopg.connect(url) as connection:

        def rows(sql: str) -> Iterator[tuple]:
            with connection.cursor(name="recount") as cursor:
                cursor.itersize = 20_000
                cursor.execute(sql.encode())
                yield from cursor

        return _check(rows, told)


def _check(rows: Callable[[str], Iterator[tuple]], told: Callable[[str], None]) -> dict[str, tuple[int, int]]:
    found = {}
    for table, sql in statements().items():
        told(table)
        found[table] = _differ(_plain(rows(f"SELECT * FROM {table}")), _plain(rows(sql)))
    told("attempts, speeds, sessions, labels")
    counted = ByHand()
    names = (*COLUMNS, "task", "language", "code", "weight")
    for row in rows(LABELLED):
        counted.add(dict(zip(names, row, strict=True)))
    for tally in TALLIES:
        if tally.table in found:
            continue
        there = _plain(rows(f"SELECT {', '.join(tally.columns)} FROM {tally.table}"))
        if tally.table == "week_session":
            again = {(*key, *sums) for key, sums in counted.sessions.items()}
        else:
            again = {(*key, *sums[: len(tally.sums)]) for key, sums in counted.tables[tally.table].items()}
        found[tally.table] = _differ(there, _plain(iter(again)))
    return found


def _plain(rows: Iterator[tuple]) -> set[tuple]:
    return {tuple(int(value) if not isinstance(value, str) else value for value in row) for row in rows}


def _differ(there: set[tuple], again: set[tuple]) -> tuple[int, int]:
    return len(there), len(there ^ again)
