"""Records in which everything that rankings count differs, and a recount of them that shares no code."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from typing import Any

from tokenworks.ledger.labelled import Labels, encode
from tokenworks.ledger.record import Record

DAY_US = 86_400_000_000
MONDAY_US = 20_505 * DAY_US  # 2026-02-21 is day 20505; what matters is that weeks and days are crossed


def ranking_records(count: int, seed: int = 1, days: int = 12) -> list[Record]:
    """``count`` records over ``days`` days, in no order of time."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        time_us = MONDAY_US + draw.randrange(days * DAY_US)
        provider = draw.choice(["acme", "beta", "beta/eu", ""])
        reasons = draw.choice(
            ["", "", "acme:429", "acme:timeout beta:400", "beta:resting", "plan:overflow", "plan:x acme:500"]
        )
        labels = encode(
            Labels(
                draw.choice(["code", "chat", ""]), draw.choice(["en", "zh"]), draw.choice(["", "python"]), 5
            )
        )
        made.append(
            Record(
                id=f"gen-{time_us // 1_000_000}-{seed}{number:06x}",
                time_us=time_us,
                key_id=draw.choice(["k_1", "k_2"]),
                app=draw.choice(["", "<b>app</b>", "cli"]),
                session=draw.choice(["", "s1", "s2", "long " * 30]),
                user=draw.choice(["", "ann", "bob"]),
                model=draw.choice(["acme/fast", "acme/slow", "other/x"]),
                provider=provider,
                stream=draw.random() < 0.5,
                status=200,
                outcome=draw.choice(["ok", "ok", "ok", "client_gone", "upstream_error", "queued"]),
                finish_reason=draw.choice(["", "stop", "tool_calls"]),
                reasons=reasons,
                uncached_input_tokens=draw.choice([0, 900, 1_000, 1_001, 70_000, 2_000_000]),
                cache_read_tokens=draw.choice([0, 0, 5_000]),
                output_tokens=draw.choice([0, 7, 8, 900]),
                cost_nano_usd=draw.randrange(10**6),
                latency_us=draw.choice([0, 1_000, 2_500_000, 90_000_000]),
                ttft_us=draw.choice([0, 900, 1_000, 350_000]),
                tool_calls=draw.choice([0, 0, 3]),
                private=draw.random() < 0.3,
                labels=labels if draw.random() < 0.4 else b"",
                energy_mj=number % 7 * 1_000,
                carbon_ug=number % 5,
                energy_basis=("", "measured", "estimated")[number % 3],
            )
        )
    return made


def recounted(records: list[Record]) -> dict[str, dict[tuple, tuple]]:
    """Table name -> key -> sums, as the tables of ``tallies`` should have them."""
    tables: dict[str, dict[tuple, list]] = defaultdict(dict)

    def add(table: str, key: tuple, *amounts: int) -> None:
        old = tables[table].get(key, [0] * len(amounts))
        tables[table][key] = [a + b for a, b in zip(old, amounts, strict=True)]

    met: dict[tuple, list[int]] = {}
    for r in records:
        day = r.time_us // DAY_US
        inputs = r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens
        total = inputs + r.output_tokens
        week = (day - 4) // 7 + 1  # day 4 was the first Monday
        for kind, name in (("model", r.model), ("provider", r.provider), ("app", r.app)):
            add("week_share", (week, kind, name, r.private), 1, total, r.cost_nano_usd)
        if r.user != "":
            add("day_user_model", (day, r.user, r.model, r.private), 1, total, r.cost_nano_usd)
        if inputs > 0:
            names = [(1e3, "1K"), (4e3, "4K"), (16e3, "16K"), (64e3, "64K"), (128e3, "128K"), (256e3, "256K")]
            name = next((n for most, n in [*names, (1e6, "1M")] if inputs <= most), ">1M")
            add("day_context_model", (day, name, r.model, r.private), 1, total, r.cost_nano_usd)
        if r.finish_reason != "":
            add("day_finish_model", (day, r.finish_reason, r.model, r.private), 1, total, r.tool_calls)
        for reason in r.reasons.split(" "):
            name, _, why = reason.partition(":")
            if reason and name != "plan" and why != "resting":
                add("day_attempt", (day, r.model, name), 1, why != "400")
        if r.outcome in {"ok", "client_gone"} and r.provider:
            add("day_attempt", (day, r.model, r.provider), 1, 0)
        if r.outcome == "ok" and r.provider and r.ttft_us:
            number = max(0, math.floor(4 * math.log2(r.ttft_us / 1000)))
            if r.reasons in ("", "beta:resting", "plan:overflow"):
                add("day_speed", (day, "ttft", r.model, r.provider, number), 1)
            took_s = (r.latency_us - r.ttft_us) / 1e6
            if r.stream and r.output_tokens > 7 and took_s > 0:
                number = max(0, math.floor(4 * math.log2(r.output_tokens / took_s / 0.1)))
                add("day_speed", (day, "rate", r.model, r.provider, min(number, 100)), 1)
        if r.energy_basis:
            key = (day, r.model, r.provider, r.energy_basis, r.private)
            add("day_energy", key, 1, inputs, r.output_tokens, r.energy_mj, r.carbon_ug)
        if r.labels:
            task, language, code, weight = _array(r.labels)
            if task:
                cost = weight * r.cost_nano_usd
                add("week_share", (week, "task", task, r.private), weight, weight * total, cost)
            for kind, label in (("task", task), ("language", language), ("code", code)):
                if label:
                    key = (day, kind, label, r.model, r.private)
                    add("day_label", key, 1, weight, weight * total, weight * r.cost_nano_usd)
        if r.session:
            key = (week, r.session[:64], r.key_id, r.model, r.private)
            old = met.get(key, [0, 0, 0, 2**62, 0])
            met[key] = [
                *(old[0] + 1, old[1] + total, old[2] + r.cost_nano_usd),
                *(min(old[3], r.time_us), max(old[4], r.time_us)),
            ]
    found = {table: {k: tuple(v) for k, v in cells.items()} for table, cells in tables.items()}
    return {**found, "week_session": {key: tuple(sums) for key, sums in met.items()}}


def _array(encoded: bytes) -> Any:
    import msgspec

    return msgspec.msgpack.decode(encoded)
