"""Can a burst of concurrent requests overspend a budget?

Examples:
  python bench/overspend.py --runs 50
  python bench/overspend.py --runs 5 --where sqlite,litellm

Each run: a budget of $1.00 and 500 requests at once that cost up to $0.05 each, with random actual usage, at
a scripted provider. ``sqlite``: one gateway of four workers. ``postgres``: two gateways of four workers on
one database. ``litellm``: the budget of a process that LiteLLM's documentation describes; its budgets of
keys need a database and an engine that is downloaded. The exit status is 1 when a run of ours spent more
than the budget or less than 97 % of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import bursting
from postgres import Postgres

from peers import Absent, LiteLLM
from tokenworks.providers.scripted import running

HERE = Path(__file__).resolve().parent
USD = bursting.USD


def ours(where: str, runs: int, requests: int, budget_usd: float) -> list[float]:
    """Dollars spent in each run."""
    spent = []
    database = Postgres().start() if where == "postgres" else None
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            running(bursting.randomised(1)) as upstream,
            bursting.gateways(
                Path(folder),
                upstream.base_url,
                database.url() if database else "",
                count=2 if database else 1,
            ) as (servers, store, pepper),
        ):
            urls = [server.url for server in servers]
            for number in range(runs):
                key_id, key, budget = bursting.budgeted_key(store, pepper, budget_usd)
                begun = time.monotonic()
                statuses = asyncio.run(bursting.burst(urls, key, requests))
                took = time.monotonic() - begun
                found = bursting.outcome(store, key_id, budget, statuses)
                agree = found.spent_nano_usd == found.recorded_nano_usd and found.records == requests
                spent.append(found.spent_nano_usd / USD)
                print(
                    f"{where} {number + 1}: ${spent[-1]:.4f} spent, {dict(statuses)}, {took:.1f} s"
                    + ("" if agree else f", ledger {found.recorded_nano_usd / USD} of {found.records}"),
                    flush=True,
                )
                if not agree:
                    raise SystemExit("the ledger and the budget's account do not agree")
    finally:
        if database is not None:
            database.remove()
    return spent


def litellm(runs: int, requests: int, budget_usd: float) -> list[float]:
    """The same with LiteLLM's budget of a process. Raises Absent."""
    peer = LiteLLM()
    peer.prepare()
    spent = []
    with running(bursting.randomised(1)) as upstream:
        for number in range(runs):
            price = bursting.OUTPUT_MTOK / 1e6
            argv = [str(peer.bin / "python"), str(HERE / "litellm_budget.py"), upstream.base_url]
            argv += [str(requests), str(budget_usd), str(price), str(bursting.MOST_TOKENS), "40"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
            if done.returncode:
                raise Absent(done.stderr.strip().rpartition("\n")[2])
            found = json.loads(done.stdout.strip().rpartition("\n")[2])
            spent.append(found["spent_usd"])
            print(
                f"litellm {found['version']} {number + 1}: ${spent[-1]:.4f} {found['outcomes']}", flush=True
            )
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="bench/overspend.py"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--budget", type=float, default=1.0, help="dollars")
    parser.add_argument("--where", default="sqlite,postgres,litellm")
    args = parser.parse_args()
    bad = 0
    for where in args.where.split(","):
        try:
            if where == "litellm":
                spent = litellm(min(args.runs, 5), args.requests, args.budget)
            else:
                spent = ours(where, args.runs, args.requests, args.budget)
                bad += sum(not 0.97 * args.budget <= usd <= args.budget for usd in spent)
        except Absent as reason:
            print(f"{where}: left out: {reason}")
            continue
        over = sum(usd > args.budget for usd in spent)
        print(
            f"{where}: {len(spent)} runs, {over} over ${args.budget:.2f}; spent ${min(spent):.4f} to "
            f"${max(spent):.4f}, median ${statistics.median(spent):.4f}"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
