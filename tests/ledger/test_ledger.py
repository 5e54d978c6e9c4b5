"""What every store does, whichever engine keeps it: the same calls on SQLite and on PostgreSQL."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import postgres
import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import (
    ActionRow,
    AuditRow,
    LimitRow,
    PlanRow,
    StopRow,
    SubscriptionRow,
    TeamRow,
    Want,
)
from tokenworks.ledger.record import MAX_TOKENS, Record
from tokenworks.ledger.rollups import DAY_US, HOUR_US
from tokenworks.ledger.rows import KeyRow, ProviderKeyRow, UsageRow
from tokenworks.ledger.store import BY, Store, open_store

BASE_US = 1_764_000_100_000_000  # of the first record
START_US = BASE_US // DAY_US * DAY_US


@contextlib.contextmanager
def opened(engine: str, folder: Path) -> Iterator[Store]:
    server = postgres.shared() if engine == "postgres" else None
    url = server.database() if server else f"sqlite:///{folder / 'contract.db'}"
    made = open_store(url)
    made.migrate()
    yield made
    made.close()
    if server:
        server.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Callable[[Callable[[Store], Any]], Any]]:
    """Do the same to one store of each engine; the answer, which must be the same too."""
    with opened("sqlite", tmp_path) as one, opened("postgres", tmp_path) as other:

        def same(call: Callable[[Store], Any]) -> Any:
            answers = []
            for each in (one, other):
                try:
                    answers.append(call(each))
                except (StoreError, ValueError) as error:
                    answers.append(type(error))
            assert answers[0] == answers[1]
            return answers[0]

        yield same


def key(number: int = 1, **fields: Any) -> KeyRow:
    values = {"id": f"k_{number}", "name": "alice", "role": "member", "hint": "tw-abc…wxyz"}
    values |= {"created_us": number, "revoked_us": None, "digest": bytes([number]) * 32}
    return KeyRow(**(values | fields))


def limit(number: int = 1, **fields: Any) -> LimitRow:
    values = {"id": f"l_{number}", "scope": "key", "subject": "k_1", "unit": "usd", "amount": 100}
    values |= {"window": "month", "created_us": number, "updated_us": number}
    return LimitRow(**(values | fields))


def want(account: int = 1, cap: int = 100, **fields: Any) -> Want:
    values = {"limit_id": "l_1", "subject": "k_1", "since": 0, "amount": 1000, "least": 1}
    return Want(account, cap=cap, **(values | fields))


# --- records ----------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_went_in(store, make) -> None:
    records = [make(), make(stream=True, estimated=True, outcome="killed", status=0), make(user="🙂\n\\.\t")]
    store.append("w", 10, records, since=0)
    assert [store.generation(record.id) for record in records] == records
    assert store.recorded([*records, make()]) == {record.id for record in records}
    store.sync()
    for unknown in (
        "",
        "gen-",
        "gen-x-1",
        "gen-1764000100-no",
        "gen-" + "9" * 30 + "-1",
        "gen-1-\0",
        "gen-²-1",
    ):
        assert store.generation(unknown) is None


def test_a_batch_from_the_wrong_place_is_refused(store, make) -> None:
    with pytest.raises(StoreError, match="read up to 0 already, not 5"):
        store.append("w", 10, [make()], since=5)
    store.append("w", 10, [make()], since=0)
    with pytest.raises(StoreError, match="read up to 10 already, not 0"):
        store.append("w", 10, [make()], since=0)
    store.append("w", 20, [], since=10)
    store.append("w", 15, [make()])
    assert (store.totals().requests, store.journal_offset("w"), store.journal_offset("v")) == (2, 15, 0)
    store.forget_journal("w")
    store.append("w", 20, [make()], since=0)
    assert store.totals().requests == 3


def test_an_id_that_is_there_counts_once(store, make, caplog) -> None:
    first, second, third = (make(charges=(1, 0, 5)) for _ in range(3))
    store.lease("w", [want()], {}, [], 1)
    store.append("w.1", 10, [first])
    store.append("w.2", 10, [second, first, third, third], since=0)
    assert (store.totals().requests, store.totals().cost_nano_usd) == (3, 3000)
    assert "2 records were in the ledger already" in caplog.text
    assert [row.spent for row in store.standings()] == [15]
    assert store.journal_offset("w.2") == 10


def test_nothing_that_a_caller_or_upstream_sends_stops_the_drainer(store, make) -> None:
    long = "".join(random.Random(1).choices("abcdefghijklmnop🙂", k=9000))
    hostile: list[dict[str, Any]] = [
        {"output_tokens": 2**70, "app": "a\ud800"},
        {"session": ["a", "list"], "status": None},
        {"session": "s\0", "user": "\0", "app": "x\0", "reasons": "\0"},
        {"app": long, "model": long, "session": long, "user": long, "reasons": long, "provider": long},
        {"app": "x'); DROP TABLE keys; --", "model": "%s %(a)s", "key_id": "\\N", "session": "\\.\n\t"},
        {"charges": (2**63, 2**64, 2**65, -1, -1, -1, 1)},
        {"charges": (1, 0, 2**63 - 1)},
        {"stream": 1, "estimated": "yes"},
    ]
    store.lease("w", [want()], {}, [], 1)
    # Two that are the same once what can't be kept is replaced, in one batch.
    store.append("w", 1, [make(app="x\0"), make(app="x\ufffd"), make(output_tokens=2**64)])
    for number, fields in enumerate(hostile):
        store.append("w", number + 2, [make(), make(**fields), make()], since=number + 1)
        store.append("v", number + 1, [make(**fields), make(**fields)], since=number)
    assert store.totals().requests == 3 + 5 * len(hostile)
    assert store.totals().output_tokens == 4 * MAX_TOKENS + 20 * (5 * len(hostile) - 1)
    assert sum(row.requests for row in store.usage("app")) == store.totals().requests


def test_readers_see_whole_batches_while_others_write(store, make) -> None:
    batches = [[make(charges=(1, 0, 1)) for _ in range(50)] for _ in range(20)]
    store.lease("w", [want(cap=5000, amount=2000)], {}, [], 1)
    seen: list[tuple[int, int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            total = store.totals()
            (row,) = store.standings()
            seen.append((total.requests, total.cost_nano_usd))
            assert row.leased == 625 - row.spent if row.spent <= 625 else row.leased == 0

    reader = threading.Thread(target=read)
    reader.start()
    for number, batch in enumerate(batches):
        store.append("w", number, batch)
    done.set()
    reader.join()
    assert len(seen) > 3
    assert all(requests % 50 == 0 and cost == requests * 1000 for requests, cost in seen)
    assert seen == sorted(seen)
    assert store.totals().requests == 1000


def test_sums_are_the_same_to_the_microsecond_and_in_the_same_order(both, make) -> None:
    rng = random.Random(7)
    names = ["acme/fast", "acme/Slow", "acme/öde", "Acme", "acme-fast", "acme fast", "ACME", "_"]
    records = [
        make(
            time_us=START_US + rng.choice([rng.randrange(3 * DAY_US), rng.randrange(72) * HOUR_US]),
            key_id=rng.choice(["k_1", "k_2", "K_3", ""]),
            app=rng.choice(["", "a", "B", "é", "b"]),
            model=rng.choice(names),
            provider=rng.choice(["acme", "Beta", "beta"]),
            outcome=rng.choice(["ok", "client_gone", "timeout"]),
            ttft_us=rng.choice([0, 5]),
            cost_nano_usd=rng.choice([0, 7, 10**12]),
        )
        for _ in range(600)
    ]
    both(lambda s: s.add_key(key(1)))
    both(lambda s: [s.append("w", n, records[n::3]) for n in range(3)])
    some = [r.time_us + d for r in rng.sample(records, 2) for d in (0, 1)]
    bounds = [None, START_US + DAY_US, START_US + 5 * HOUR_US, 2**62, *some]
    for since in bounds:
        for until in bounds:
            for by in (None, *BY):
                both(lambda s, by=by, since=since, until=until: s.usage(by, since, until))
            for who in ("k_1", "K_3", "k_nope"):
                both(lambda s, who=who, since=since, until=until: s.key_usage(who, since, until))
            for of in (None, "k_1"):
                both(lambda s, of=of, since=since, until=until: s.activity(since, until, of))
            both(lambda s, since=since, until=until: s.totals(since, until))
    assert both(lambda s: s.totals()).requests == 600
    assert [row.group for row in both(lambda s: s.usage("day"))] == ["2025-11-24", "2025-11-25", "2025-11-26"]
    assert both(lambda s: s.usage("country")) is ValueError
    assert both(lambda s: s.key_usage("k_2", START_US + 9 * DAY_US)) == UsageRow("k_2", "k_2")


def test_requests_come_in_pages_in_order_of_time_and_id(both, make) -> None:
    rng = random.Random(3)
    records = [
        make(time_us=BASE_US + rng.randrange(9), id=f"gen-1764000100-{n:03}{rng.choice('aBé_')}")
        for n in range(90)
    ]
    both(lambda s: s.append("w", 1, records))
    in_order = sorted(records, key=lambda record: (record.time_us, record.id))
    found: list[Record] = []
    last: Record | None = None
    while page := both(lambda s, last=last: s.requests(0, 2**60, last, 7)):
        found += page
        last = page[-1]
    assert found == in_order
    assert both(lambda s: s.requests(BASE_US + 3, BASE_US + 5)) == [
        record for record in in_order if record.time_us - BASE_US in (3, 4)
    ]
    assert both(lambda s: s.requests(0, BASE_US)) == []


# --- keys and states --------------------------------------------------------------------------


def test_keys_are_kept_found_changed_and_revoked(store) -> None:
    versions = [store.keys_version()]
    store.add_key(key(2, role="admin", rules="{}", team_id="t_1", expires_us=9), actor="cli:root")
    store.add_key(key(1))
    versions.append(store.keys_version())
    assert store.keys() == [store.key("k_1"), store.key("k_2")]
    assert store.key_by_digest(b"\x02" * 32) == store.key("k_2") == store.key_by_hash(store.key("k_2").hash)
    assert store.key("k_2").rules == "{}"
    assert store.key_by_digest(b"\x03" * 32) is store.key("k_9") is store.key_by_hash("") is None
    bob = store.update_key("k_2", name="bob", disabled=True, expires_us=None, role="manager", rules="[]")
    assert (bob.name, bob.disabled, bob.expires_us, bob.role, bob.rules) == (
        "bob",
        True,
        None,
        "manager",
        "[]",
    )
    assert bob == store.key("k_2")
    version = store.keys_version()
    assert store.update_key("k_2") == bob
    assert store.update_key("k_9", name="x") is None
    assert store.keys_version() == version
    new = store.rotate_key("k_2", b"new" * 8, "tw-new", 77)
    assert (new.digest, new.old_digest, new.old_until_us, new.hint) == (
        b"new" * 8,
        b"\x02" * 32,
        77,
        "tw-new",
    )
    assert store.key_by_digest(b"\x02" * 32) == store.key_by_digest(b"new" * 8) == new
    assert store.revoke_key("k_1", actor="k_2")
    versions.append(store.keys_version())
    assert not store.revoke_key("k_1")
    assert not store.delete_key("k_9")
    assert store.update_key("k_1", name="x") is store.rotate_key("k_1", b"x", "", 1) is None
    assert versions == sorted(set(versions))
    assert store.keys_version() == versions[-1]
    with pytest.raises(StoreError, match=r"(?i)unique"):
        store.add_key(key(3, digest=b"new" * 8))
    with pytest.raises(StoreError, match=r"(?i)check"):
        store.add_key(key(4, role="root"))
    assert [(each.actor, each.action, each.target) for each in store.audit()] == [
        ("k_2", "key.revoke", "k_1"),
        ("", "key.rotate", "k_2"),
        ("", "key.update", "k_2"),
        ("", "key.create", "k_1"),
        ("cli:root", "key.create", "k_2"),
    ]


def test_keys_of_providers(store) -> None:
    def row(number: int, **fields: Any) -> ProviderKeyRow:
        values = {"id": f"pk_{number}", "provider": "acme", "name": f"key-{number}", "weight": 1.5}
        values |= {"ciphertext": bytes([number]) * 8, "hint": "sk-…abcd", "created_us": number}
        return ProviderKeyRow(**(values | fields))

    for each in (row(3), row(1), row(2, provider="Zeta")):
        assert store.add_provider_key(each, actor="a")
    assert not store.add_provider_key(row(4, name="key-3"))
    assert store.provider_keys() == [row(2, provider="Zeta"), row(1), row(3)]
    assert store.update_provider_key("pk_1", disabled=True) == row(1, disabled=True)
    assert store.update_provider_key("pk_1", weight=3.0) == row(1, disabled=True, weight=3.0)
    assert store.update_provider_key("pk_1") == row(1, disabled=True, weight=3.0)
    assert store.update_provider_key("pk_9", disabled=True) is None
    assert store.reseal_provider_keys({"pk_1": b"new", "pk_gone": b"x"}) == 1
    assert store.reseal_provider_keys({}) == 0
    with pytest.raises(StoreError):
        store.reseal_provider_keys({"pk_1": b"newer", "pk_2": None})
    assert [each.ciphertext for each in store.provider_keys()][1] == b"new"
    assert store.remove_provider_key("pk_1")
    assert not store.remove_provider_key("pk_1")
    with pytest.raises(StoreError, match=r"(?i)check"):
        store.add_provider_key(row(5, weight=0.0))
    log = store.audit()
    assert [each.action.removeprefix("provider_key.") for each in log] == [
        *("remove", "update", "update", "create", "create", "create")
    ]
    assert not any("cipher" in each.detail or "sk-" in each.detail for each in log)


def test_states_are_there_until_their_time_comes(store) -> None:
    body = bytes(range(256)) * 400
    store.keep_state("k_1", "r", b"first", 100)
    store.keep_state("k_1", "r", body, 100)
    assert (store.state("k_1", "r", 99), store.state("k_1", "r", 100), store.state("k_2", "r", 0)) == (
        body,
        None,
        None,
    )
    assert store.state("k_1", "r\0" + "x" * 9000, 0) is None
    assert store.forget_state("k_1", "r")
    assert not store.forget_state("k_1", "r")
    for number in range(10):
        store.keep_state("k_1", f"r{number}", b"", 100 - number)
    assert (store.expire_states(90), store.expire_states(95, limit=2)) == (0, 2)
    assert [store.state("k_1", f"r{number}", 0) for number in (9, 8, 7)] == [None, None, b""]
    assert (store.expire_states(95), store.expire_states(95)) == (3, 0)


# --- limits, teams, plans ---------------------------------------------------------------------


def test_every_change_of_limits_and_plans_is_versioned_and_noted(both) -> None:
    calls: list[Callable[[Store], Any]] = [
        lambda s: s.add_limit(limit(2, strict=True, within="t_1", timezone="Asia/Tokyo"), actor="a"),
        lambda s: s.add_limit(limit(1, scope="team", subject="t_1", unit="requests", purpose="wallet")),
        lambda s: s.add_limit(limit(1)),
        lambda s: s.add_limit(limit(3, scope="moon")),
        lambda s: s.update_limit("l_2", amount=7),
        lambda s: s.update_limit("l_2", strict=False, amount=0),
        lambda s: s.update_limit("l_2", amount=-1),
        lambda s: s.update_limit("l_2"),
        lambda s: s.update_limit("l_9", amount=7),
        lambda s: s.remove_limit("l_9"),
        lambda s: s.add_team(TeamRow("t_1", "ops", "{}", 1, 1)),
        lambda s: s.add_team(TeamRow("t_2", "ops", "{}", 1, 1)),
        lambda s: s.add_team(TeamRow("t_3", "Ops", "{}", 1, 1)),
        lambda s: s.update_team("t_3", name="dev", rules="[]").name,
        lambda s: s.update_team("t_3", name="ops"),
        lambda s: s.update_team("t_9", name="x"),
        lambda s: s.add_key(key(1, team_id="t_1")),
        lambda s: s.put_plan(PlanRow("pro", "{}", 1, 1), actor="a"),
        lambda s: s.put_plan(PlanRow("pro", "[]", 5, 6)),
        lambda s: s.subscribe(SubscriptionRow("team", "t_1", "pro", 3)),
        lambda s: s.subscribe(SubscriptionRow("key", "k_1", "pro", 4)),
        lambda s: s.subscribe(SubscriptionRow("key", "k_1", "nope", 5)),
        lambda s: s.remove_plan("pro"),
        lambda s: s.unsubscribe("key", "k_1"),
        lambda s: s.unsubscribe("key", "k_1"),
        lambda s: s.stop_session(StopRow("s" * 200, "", 2)),
        lambda s: s.stop_session(StopRow("s1", "k_1", 1)),
        lambda s: s.stop_session(StopRow("s1", "k_1", 3)),
        lambda s: s.resume_session("s1"),
        lambda s: s.resume_session("s1", "k_1", actor="a"),
        lambda s: s.set_action(ActionRow("k_1", "slow", "[]", 1)),
        lambda s: s.set_action(ActionRow("k_1", "suspend", "[]", 2, 9)),
        lambda s: s.set_action(ActionRow("k_1", "hang", "[]", 2, 9)),
        lambda s: s.lift_action("k_2"),
        lambda s: s.note(AuditRow(5, "tokenworks", "home.made", "x", "{}")),
        lambda s: s.remove_team("t_1", actor="a"),
        lambda s: s.remove_team("t_1"),
        lambda s: s.remove_plan("pro"),
        lambda s: s.remove_plan("pro"),
        lambda s: s.lift_action("k_1"),
    ]

    def versioned(store: Store, call: Callable[[Store], Any]) -> tuple[Any, bool]:
        before = (store.plans_version(), store.keys_version())
        try:
            answer = call(store)
        except StoreError:
            answer = StoreError
        if not isinstance(answer, bool | type | str | None):
            answer = answer.id  # the row has the time
        return answer, (store.plans_version(), store.keys_version()) != before

    idle = []
    for number, call in enumerate(calls):
        if not both(lambda s, call=call: versioned(s, call))[1]:
            idle.append(number)
        both(
            lambda s: [s.plans(), s.subscriptions(), s.stops(), s.actions(), [each.id for each in s.limits()]]
        )
    assert idle == [2, 3, 6, 7, 8, 9, 11, 14, 15, 21, 22, 24, 28, 32, 33, 34, 36, 38]
    log = both(lambda s: [(e.actor, e.action, e.target, e.detail) for e in s.audit(limit=1000)])
    assert len(log) == len(calls) - len(idle) + 1 + 4, "and what a removed team takes with it"
    assert both(lambda s: s.audit(5, 6)) == [AuditRow(5, "tokenworks", "home.made", "x", "{}")]
    assert len(both(lambda s: [e.action for e in s.audit(target="t_1")])) == 4
    assert both(lambda s: len(s.audit(limit=3))) == 3
    assert both(lambda s: s.audit(limit=0)) == []
    assert both(lambda s: (s.limits(), s.key("k_1").team_id)) == ([], "")


# --- accounts ---------------------------------------------------------------------------------


def test_random_histories_of_accounts_are_the_same(both, make) -> None:
    rng = random.Random(11)
    for number in (1, 2):
        both(lambda s, n=number: s.add_limit(limit(n, scope="session", subject="*")))
    offsets: dict[str, int] = {}
    for turn in range(250):
        now_us = 10**12 + turn * 500_000
        holder = f"g{rng.randrange(2)}-w{rng.randrange(3)}"
        kind = rng.randrange(12)
        if kind < 6:
            wants = [
                want(
                    account,
                    cap=rng.choice([50, 1000, 10**6]),
                    limit_id=f"l_{account % 3 + 1}",
                    subject="bAé"[account % 4 : account % 4 + 1],
                    since=rng.choice([0, 60, 120]),
                    amount=rng.choice([0, 10, 1000]),
                    least=rng.choice([0, 1, 100]),
                    span_s=account % 2 * 60,
                )
                for account in rng.choices(range(8), k=rng.randrange(4))
            ]
            returns = {rng.randrange(9): rng.randrange(-5, 300) for _ in range(rng.randrange(3))}
            held = rng.sample(range(9), 4)
            both(lambda s, a=(holder, wants, returns, held, now_us): s.lease(*a))
        elif kind < 9:
            records = [
                make(
                    charges=tuple(
                        part
                        for _ in range(rng.randrange(4))
                        for part in (rng.randrange(9), rng.choice([0, 60, 120, 180]), rng.randrange(60))
                    )
                )
                for _ in range(rng.randrange(6))
            ]
            journal = f"{holder}.000001.abc"
            since = offsets.get(journal, 0)
            offsets[journal] = since + 1
            both(lambda s, a=(journal, since + 1, records), since=since: s.append(*a, since=since))
        elif kind == 9:
            less = (rng.randrange(9), rng.choice([0, 60]), rng.randrange(-1, 90))
            both(lambda s, a=less: s.refund(*a))
        elif kind == 10:
            both(lambda s, h=holder: s.release_leases(h))
        else:
            late_us = rng.choice([0, 31 * DAY_US])
            both(lambda s, n=now_us + late_us: s.prune_accounts(n))
        both(lambda s: s.standings())
        both(lambda s: s.standings(["l_2", "l_1", "l_2", "l_nope"]))
        for prefix in ("", "g1", "g1-w2", "x"):
            both(lambda s, p=prefix: s.lease_holders(p))
        both(lambda s, h=holder: s.leases_of(h))
    assert both(lambda s: s.remove_limit("l_1"))
    both(lambda s: s.standings())
    assert both(lambda s: len(s.audit(limit=1000))) > 5


def test_what_many_hold_and_have_spent_stays_under_the_cap(store, make) -> None:
    """Holders lease, spend and return in threads while their records are drained; a watcher adds up."""
    cap, seed = 3000, random.randrange(10**9)
    over: list[int] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def hold(name: str, rng: random.Random) -> None:
        in_hand, offset = 0, 0
        for turn in range(25):
            returned = rng.randrange(in_hand + 1) if rng.random() < 0.2 else 0
            wants = [want(account, cap=cap, amount=rng.randrange(400)) for account in (2, 1)]
            answer = store.lease(name, wants, {1: returned} if returned else {}, [1], turn + 1)
            in_hand += answer.given[1].amount - returned
            batch = []
            while in_hand and rng.random() < 0.6:
                spent = rng.randrange(1, min(in_hand, 90) + 1)
                in_hand -= spent
                batch.append(make(charges=(1, rng.choice([0, 60]), spent)))
            if batch:
                store.append(f"{name}.1", offset + 1, batch, since=offset)
                offset += 1

    def watch() -> None:
        while not done.is_set():
            rows = [row for row in store.standings() if row.account == 1]
            total = sum(row.spent for row in rows) + (rows[0].leased if rows else 0)
            if total > cap:
                over.append(total)

    def guarded(work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(error)

    holders = [
        threading.Thread(target=guarded, args=(hold, f"w{n}", random.Random(seed + n))) for n in range(4)
    ]
    watcher = threading.Thread(target=guarded, args=(watch,))
    watcher.start()
    for thread in holders:
        thread.start()
    for thread in holders:
        thread.join()
    done.set()
    watcher.join()
    assert (failures, over) == ([], []), seed
    for name in ("w0", "w1", "w2", "w3"):
        store.release_leases(name)
    rows = [row for row in store.standings() if row.account == 1]
    assert sum(row.spent for row in rows) <= cap, seed
    assert rows[0].leased == 0


# --- turns ------------------------------------------------------------------------------------


def test_changes_that_read_before_they_write_take_turns(store) -> None:
    store.add_limit(limit(amount=0))

    def pay() -> None:
        for _ in range(10):
            with store.turn():
                (found,) = store.limits()
                time.sleep(0.001)
                store.update_limit(found.id, amount=found.amount + 1)

    threads = [threading.Thread(target=pay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.limits()[0].amount == 40
    with pytest.raises(ValueError, match="no"), store.turn():
        raise ValueError("no")
    with store.turn():
        pass


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_turns_are_taken_by_other_stores_of_the_same_place_too(engine: str, tmp_path: Path) -> None:
    server = postgres.shared() if engine == "postgres" else None
    url = server.database() if server else f"sqlite:///{tmp_path / 'turns.db'}"
    store, other = open_store(url), open_store(url)
    store.migrate()
    order: list[str] = []

    def second() -> None:
        with other.turn():
            order.append("second")

    with store.turn():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    for each in (store, other):
        each.close()
    if server:
        server.drop(url)
