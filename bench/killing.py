"""A batch whose server and worker are killed at random, and the account of it afterwards."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
from batching import handed_in, over, until
from serving import Server, acme
from toy_provider import ToyProvider, digest
from toy_translator import toy

from tokenworks.batches.kept import outcome_of, part_of
from tokenworks.batches.recipes.translate import plain
from tokenworks.config.load import load
from tokenworks.ledger.batched import DONE, PartRow
from tokenworks.ledger.store import Store, open_store

WORKER = "tokenworks.app.batch_worker"
KINDS = ("worker", "server", "all")
STUCK_S = 120.0


def killed_novel(
    folder: Path, novel: Path, provider: ToyProvider, *, kills: int, seed: int, chunk_tokens: int
) -> dict[str, Any]:
    """Translate ``novel``, killed ``kills`` times; what came of it."""
    dice = random.Random(seed)
    server = Server(folder / "home", acme(provider.base_url)).start()
    store = open_store(load(server.home).store_url)
    begun = time.monotonic()
    options = msgspec.json.encode({"to": "ru", "chunk_tokens": str(chunk_tokens)})
    text = novel.read_text(encoding="utf-8-sig")
    batch = handed_in(store, {novel.name: text}, kind="translate", key_id=server.key_id, options=options)
    marks = sorted(dice.random() * 0.95 for _ in range(kills))
    history, again = [], 0
    try:
        for mark in marks:
            until(store, batch.id, lambda row, mark=mark: row.done >= mark * max(row.total, 1), STUCK_S)
            time.sleep(dice.random() * 0.5)
            kind = dice.choice(KINDS)
            kill(server, kind)
            seen = len(provider.wanted)
            settled = {digest_of(part) for part in settled_parts(store, batch.id)}
            if server.process is None:
                server.start()
            history.append({"kind": kind, "settled": len(settled)})
            least = len(settled)
            until(store, batch.id, lambda row, least=least: row.done > least, STUCK_S)
            again += sum(each in settled for each in provider.wanted[seen:])
        row = until(store, batch.id, over, 600)
        seconds = time.monotonic() - begun
        translated = b"".join(store.read_file(row.output_file_id)).decode()
        parts = list(settled_parts(store, batch.id))
    finally:
        with contextlib.suppress(Exception):
            server.stop()
        server.close()
    paid = ledger(server.home / "tokenworks.db")
    store.close()
    kept = sum(1 + len(outcome_of(part).tries) for part in parts)
    return {
        "status": row.status, "parts": row.total, "done": row.done, "failed": row.failed, "runs": row.run,
        "seconds": round(seconds, 1), "kills": history, "asked_after_they_were_settled": again,
        **paragraphs(text, translated),
        "requests_that_reached_the_provider": provider.received, "answers_delivered": provider.delivered,
        "answers_in_the_ledger": paid["answered"], "requests_in_the_ledger": paid["requests"],
        "twice_in_the_ledger": paid["twice"], "answers_kept": kept,
        "lost_before_the_ledger": provider.delivered - paid["answered"],
        "lost_between_ledger_and_batch": paid["answered"] - kept,
        "cost_of_the_batch_usd": row.cost_nano_usd / 1e9,
        "cost_in_the_ledger_usd": paid["cost_nano_usd"] / 1e9,
    }  # fmt: skip


def kill(server: Server, kind: str) -> None:
    """SIGKILL: to the worker of batches, to the server, or to all of its processes at once."""
    assert server.process is not None
    everyone = psutil.Process(server.process.pid).children(recursive=True)
    workers = [each for each in everyone if WORKER in " ".join(each.cmdline())]
    for each in {"worker": workers, "server": [], "all": everyone}[kind]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    if kind != "worker":
        server.kill()
    psutil.wait_procs(workers, timeout=10)


def settled_parts(store: Store, batch_id: str) -> Sequence[PartRow]:
    """All that are done."""
    found: list[PartRow] = []
    seq = -1
    while page := store.parts(batch_id, after_seq=seq, status=DONE):
        found += page
        seq = page[-1].seq
    return found


def digest_of(part: PartRow) -> str:
    """What the provider notes when it is asked for this part."""
    return digest({item["n"]: item["text"] for item in part_of(part).data["items"]})


def paragraphs(source: str, translated: str) -> dict[str, int]:
    """How many paragraphs of the novel stand in the translation in their place, and how many don't."""
    ours, theirs = plain.read(source).segments, plain.read(translated).segments
    right = sum(toy(a.text) == b.text for a, b in zip(ours, theirs, strict=False))
    return {"paragraphs": len(ours), "paragraphs_in_place": right, "paragraphs_written": len(theirs)}


def ledger(file: Path) -> dict[str, int]:
    """What the gateway has recorded: requests, those with an answer, ids that stand twice, and the cost."""
    with contextlib.closing(sqlite3.connect(file)) as read:
        rows = read.execute("SELECT id, status, cost_nano_usd FROM requests").fetchall()
    ids = Counter(row[0] for row in rows)
    return {
        "requests": len(rows),
        "answered": sum(row[1] == 200 for row in rows),
        "twice": sum(count > 1 for count in ids.values()),
        "cost_nano_usd": sum(row[2] for row in rows),
    }
