"""Rankings at OpenRouter's scale, and whether they are true.

python bench/rankings.py                       # both parts, SQLite and PostgreSQL: about half an hour
python bench/rankings.py --part queries        # a week's rankings over a history of a billion requests
python bench/rankings.py --part drain          # ten million requests through the drainer, counted anew
python bench/rankings.py --quick               # a thousandth of it, a minute: shows that all is well
python bench/rankings.py --json out.json

The history is made up (history.py), straight into the roll-ups; sizes of requests are those of the traces in
``TOKENWORKS_TEST_DATA``. Each ranking is asked for another week each time, by a process that has kept nothing
of it. The drain writes real journals and reads them with the real drainer into a real store; then every
roll-up is counted anew from the requests' rows by other code (recount.py).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from history import FINISHES, LAST_DAY, TASKS, History, Made, Shape, fill_postgres, fill_sqlite
from recount import check_postgres, check_sqlite
from report import plain_table
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.journal import Journal
from tokenworks.ledger.labelled import Labels, encode
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store, open_store
from tokenworks.rankings.books import Books
from tokenworks.rankings.question import Question, answer, picture
from tokenworks.rankings.table import Table
from trace_samples import NoTraces, load

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "tests" / "support") not in sys.path:
    sys.path.append(str(ROOT / "tests" / "support"))

from postgres import Postgres  # noqa: E402

VIEWS = (
    *("model", "author", "country", "provider", "weights", "app", "key", "category", "language", "context"),
    *("tools", "finish", "session", "spend", "speed"),
)
CHARTS = ("model", "author", "country", "provider")
A_DAY = 500_000  # requests of a day that is drained: ten million are twenty days
CHUNK = 250_000  # records written before the drainer is timed on them
DAY_US = 86_400_000_000
NOW_US = (LAST_DAY + 1) * DAY_US


@dataclass
class Times:
    """One ranking, asked again and again. Milliseconds."""

    store: str
    what: str
    p50_ms: float
    p99_ms: float
    rows: int


@dataclass
class Drained:
    """Requests through the drainer, and the recount."""

    store: str
    requests: int
    per_s: float
    cpu_us: float  # of this process, a record
    differing: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def true(self) -> bool:
        """Whether no row of no roll-up differs."""
        return all(rows and not differ for rows, differ in self.differing.values())


def lengths(data: Path) -> list[tuple[int, int]]:
    """Input and output tokens of real requests. Raises ``NoTraces``."""
    samples = load(data / "traces")
    return [*samples.chat, *samples.code]


@contextmanager
def stores(where: str, folder: Path) -> Iterator[tuple[str, Store]]:
    """An empty store and its URL."""
    if where == "sqlite":
        url = f"sqlite:///{folder / 'ledger.db'}"
        store = open_store(url)
        store.migrate()
        yield url, store
        store.close()
        return
    database = Postgres(shared_buffers="512MB", work_mem="64MB").start()
    try:
        url = database.database()
        store = open_store(url)
        store.migrate()
        yield url, store
        store.close()
    finally:
        database.remove()


# --- queries ----------------------------------------------------------------------------------------


def fill(url: str, shape: Shape, sizes: list[tuple[int, int]], told: Callable[[int], None]) -> Made:
    """Make the history in the store at ``url``."""
    history = History(shape, sizes)
    if url.startswith("sqlite"):
        return fill_sqlite(Path(url.removeprefix("sqlite:///")), history, told)
    return fill_postgres(url, history, told)


def queries(where: str, store: Store, repeats: int, days: int) -> list[Times]:
    """Every view of ``repeats`` weeks in some order, and charts of 52 weeks."""
    draw = random.Random(3)
    found = []
    weeks = [_label(LAST_DAY - 7 * n) for n in range(1, max(days // 7 - 1, 2))]
    for view in VIEWS:
        recent = weeks[:6] if view in ("session", "speed") else weeks  # the history has no older ones
        asked = [Question(view, at=draw.choice(recent)) for _ in range(repeats)]
        found.append(_timed(where, f"{view}, a week", store, asked, answer))
    zoned = [Question("model", at=draw.choice(weeks), timezone="Asia/Shanghai") for _ in range(repeats)]
    found.append(_timed(where, "model, a week in Shanghai", store, zoned, answer))
    oldest = 11 - max(days // 31 - 1, 1)
    months = [
        Question("model", unit="month", at=f"2026-{draw.randrange(oldest, 11):02d}") for _ in range(repeats)
    ]
    found.append(_timed(where, "model, a month", store, months, answer))
    for view in CHARTS:
        asked = [Question(view, at=weeks[0])] * max(repeats // 10, 3)
        found.append(_timed(where, f"{view}, chart of 52 weeks", store, asked, picture))
    return found


def _label(day: int) -> str:
    year, week, _ = time.strftime("%G %V %u", time.gmtime(day * 86_400)).split()
    return f"{year}-W{week}"


def _timed(
    where: str, what: str, store: Store, asked: list[Question], ask: Callable[[Books, Question], Any]
) -> Times:
    took, rows = [], 0
    for question in asked:
        books = Books(store, now_us=lambda: NOW_US)  # nothing is kept from one to the next
        started = time.perf_counter()
        found = ask(books, question)
        took.append((time.perf_counter() - started) * 1000)
        rows = max(rows, len(found.rows if isinstance(found, Table) else found.series))
    took.sort()
    return Times(where, what, took[len(took) // 2], took[min(int(len(took) * 0.99), len(took) - 1)], rows)


# --- drain ------------------------------------------------------------------------------------------


class Traffic:
    """Records as a busy gateway makes them: keys with an app each, sessions, Zipf's models, real sizes."""

    def __init__(self, sizes: list[tuple[int, int]], seed: int = 5) -> None:
        self.draw, self.sizes, self.serial = random.Random(seed), sizes, 0
        self.models = [f"author{n % 20}/model-{n}" for n in range(300)]
        weights = [1 / (n + 1) ** 1.1 for n in range(300)]
        self.chosen = self.draw.choices(self.models, weights, k=100_000)
        self.labels = [encode(Labels(task, "en", "python", 20)) for task in TASKS]

    def record(self, time_us: int) -> Record:
        """The next one."""
        self.serial = number = self.serial + 1
        draw = self.draw
        model = self.chosen[number % len(self.chosen)]
        key = int(draw.paretovariate(1.1)) % 300
        read, written = draw.choice(self.sizes)
        failed = number % 97 == 0
        return Record(
            id=f"gen-{time_us // 1_000_000}-bench{number:x}",
            time_us=time_us,
            key_id=f"k_{key}",
            app=f"app {key % 40}",
            session=f"s{key}-{number // 3_000 % 500}" if number % 3 else "",
            user=f"u{key}-{number % 17}" if number % 5 == 0 else "",
            requested_model=model,
            model=model,
            provider=f"p{number % 3}",
            stream=number % 4 != 0,
            status=502 if failed else 200,
            outcome="upstream_error" if failed else "ok",
            finish_reason="" if failed else FINISHES[number % 3 % 2],
            attempts=2 if number % 50 == 0 else 1,
            reasons="p0:429" if number % 50 == 0 else "",
            uncached_input_tokens=0 if failed else read - read // 4,
            cache_read_tokens=0 if failed else read // 4,
            output_tokens=0 if failed else written,
            price_id=f"{model}@1",
            cost_nano_usd=0 if failed else read * 300 + written * 1_500,
            latency_us=draw.randrange(400_000, 20_000_000),
            ttft_us=0 if failed else draw.randrange(50_000, 390_000),
            tool_calls=int(number % 7 == 0),
            private=key % 9 == 0,
            labels=self.labels[number % len(self.labels)] if number % 20 == 0 else b"",
            energy_mj=written * 90 if number % 8 == 0 else 0,
            carbon_ug=written * 14 if number % 8 == 0 else 0,
            energy_basis="measured" if number % 8 == 0 else "",
        )


def drain(
    where: str, url: str, store: Store, requests: int, sizes: list[tuple[int, int]], told: Any
) -> Drained:
    """``requests`` records through journals and drainer, ``A_DAY`` a day; the time is the drainer's alone."""
    traffic = Traffic(sizes)
    step_us = DAY_US // A_DAY
    wall = cpu = 0.0
    with tempfile.TemporaryDirectory(prefix="tokenworks-bench-") as name:
        folder = Path(name)
        journal = Journal(folder, "bench", fsync="never")
        drainer = Drainer(folder, store)
        left, time_us = requests, (LAST_DAY + 1) * DAY_US - requests * step_us
        while left:
            for _ in range(min(CHUNK, left)):
                journal.append(traffic.record(time_us))
                time_us += step_us
            count = min(CHUNK, left)
            left -= count
            started, used = time.perf_counter(), time.process_time()
            moved = drainer.drain_once()
            wall += time.perf_counter() - started
            cpu += time.process_time() - used
            if moved != count:
                raise SystemExit(f"the drainer moved {moved} of {count} records; see its log above")
            told(count)
        journal.close()
        drainer.close()
    found = Drained(where, requests, requests / wall, cpu / requests * 1e6)
    if where == "sqlite":
        found.differing = check_sqlite(Path(url.removeprefix("sqlite:///")))
    else:
        found.differing = check_postgres(url)
    return found


# --- command line -----------------------------------------------------------------------------------


def show(console: Console, times: list[Times], drained: list[Drained], made: dict[str, Made]) -> None:
    """Tables for people."""
    for where, each in made.items():
        console.print(f"{where}: {each.requests:,} requests in {sum(each.rows.values()):,} rows of roll-ups")
    if times:
        table = plain_table("Rankings", ["ranking", "store"], ["p50 ms", "p99 ms", "rows"])
        for row in times:
            table.add_row(row.what, row.store, f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", str(row.rows))
        console.print(table)
    for each in drained:
        console.print(
            f"{each.store}: {each.requests:,} requests drained, {each.per_s:,.0f}/s,"
            f" {each.cpu_us:.1f} µs of CPU each; recount {'equal' if each.true else 'DIFFERS'}: "
            + ", ".join(f"{table} {rows:,}/{differ}" for table, (rows, differ) in each.differing.items())
        )


def main() -> int:
    """Exit status 1 where a recount differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("queries", "drain", "both"), default="both")
    parser.add_argument("--where", default="sqlite,postgres")
    parser.add_argument("--requests", type=int, default=1_000_000_000, help="of the history")
    parser.add_argument("--drained", type=int, default=10_000_000, help="requests through the drainer")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    shape = Shape(requests=options.requests)
    if options.quick:
        shape = Shape(requests=1_000_000, days=60, models=60, apps=30, keys=60, sessions=1_000)
        options.drained, options.repeats = 20_000, 10
    data = Path(os.environ.get("TOKENWORKS_TEST_DATA") or ROOT.parent / "shared" / "data")
    console = Console()
    try:
        sizes = lengths(data)
    except NoTraces as absent:
        console.print(str(absent))
        return 2
    times: list[Times] = []
    drained: list[Drained] = []
    made: dict[str, Made] = {}
    with Progress(console=Console(stderr=True)) as bars:
        for where in options.where.split(","):
            with tempfile.TemporaryDirectory(prefix="tokenworks-bench-") as folder:
                if options.part != "drain":
                    bar = bars.add_task(f"{where}: history", total=None)
                    with stores(where, Path(folder)) as (url, store):
                        made[where] = fill(url, shape, sizes, lambda n, bar=bar: bars.advance(bar, n))
                        times += queries(where, store, options.repeats, shape.days)
            with tempfile.TemporaryDirectory(prefix="tokenworks-bench-") as folder:
                if options.part != "queries":
                    bar = bars.add_task(f"{where}: drain", total=options.drained)
                    with stores(where, Path(folder)) as (url, store):
                        tell = lambda n, bar=bar: bars.advance(bar, n)  # noqa: E731
                        drained.append(drain(where, url, store, options.drained, sizes, tell))
    show(console, times, drained, made)
    result = {
        "history": {where: asdict(each) for where, each in made.items()},
        "queries": [asdict(each) for each in times],
        "drained": [{**asdict(each), "true": each.true} for each in drained],
    }
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    return 0 if all(each.true for each in drained) else 1


if __name__ == "__main__":
    sys.exit(main())
