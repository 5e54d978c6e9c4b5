"""Where the ledger lives, whatever engine keeps it."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import UNSET, UnsetType

from tokenworks.errors import ConfigError
from tokenworks.ledger.batched import BatchRow, FileRow, LaneRow, PartRow
from tokenworks.ledger.captured import CaptureCount, CaptureRow
from tokenworks.ledger.cubes import SessionRow, Where
from tokenworks.ledger.decided import DecisionRow, LearntRow, SavingsRow
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.journal import Fsync
from tokenworks.ledger.limit_rows import (
    ActionRow,
    AuditRow,
    Leased,
    LimitRow,
    PlanRow,
    StandingRow,
    StopRow,
    SubscriptionRow,
    TeamRow,
    Want,
)
from tokenworks.ledger.outside import OutsideRow, OutsideSource
from tokenworks.ledger.queued import QueuedRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import ActivityRow, KeyRow, ProviderKeyRow, UsageRow
from tokenworks.ledger.sqlite import SqliteStore

if TYPE_CHECKING:
    from tokenworks.ledger.postgres import PostgresStore

BY = ("model", "key", "app", "provider", "day")


class Store(Protocol):
    """Synchronous; every method may be called from any thread and raises ``StoreError`` when it can't."""

    def migrate(self) -> None:
        """Bring the schema to this program's version, once, whoever else tries at the same time."""

    def append(
        self, journal: str, offset: int, records: Sequence[Record], *, since: int | None = None
    ) -> None:
        """Rows, roll-ups and ``journal``'s new offset in one transaction.

        Refused when ``since`` is given and is not the journal's offset now. Records whose id is there
        already are left out and reported in the log. The records' charges are spent, and no longer leased:
        the part of ``journal`` before its first dot is the holder of the leases.
        """

    def journal_offset(self, journal: str) -> int:
        """How far ``journal`` has been read, in bytes; 0 for one never seen."""

    def forget_journal(self, journal: str) -> None:
        """Its file is gone: drop its offset."""

    def recorded(self, records: Sequence[Record]) -> set[str]:
        """The ids of those ``records`` that are in the ledger already."""

    def sync(self) -> None:
        """Make everything committed so far survive power loss, before its only other copy is deleted."""

    # --- keys. Every change here and below is noted in the audit log, in the same transaction.

    def add_key(self, key: KeyRow, *, actor: str = "") -> None:
        """Keep a new key."""

    def key(self, key_id: str) -> KeyRow | None:
        """The key with this id, revoked or not."""

    def key_by_digest(self, digest: bytes) -> KeyRow | None:
        """The key with this HMAC, of its secret or of the one before it, revoked or not."""

    def key_by_hash(self, key_hash: str) -> KeyRow | None:
        """The key with this ``KeyRow.hash``, revoked or not; not cheap with very many keys."""

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first, revoked ones too."""

    def update_key(
        self,
        key_id: str,
        *,
        name: str | None = None,
        disabled: bool | None = None,
        expires_us: int | UnsetType | None = UNSET,
        role: str | None = None,
        team_id: str | None = None,
        rules: str | None = None,
        actor: str = "",
    ) -> KeyRow | None:
        """Change what is given and return the key; None where none has this id or it was revoked.

        ``expires_us=None`` takes the end away.
        """

    def rotate_key(
        self, key_id: str, digest: bytes, hint: str, old_until_us: int, *, actor: str = ""
    ) -> KeyRow | None:
        """Give the key another secret; the one it had is good until ``old_until_us``.

        None where no key has this id or it was revoked.
        """

    def revoke_key(self, key_id: str, *, actor: str = "") -> bool:
        """Revoke now; False when there is no such key or it was revoked before."""

    def delete_key(self, key_id: str, *, actor: str = "") -> bool:
        """The same as ``revoke_key``: what a key did stays in the ledger, so the key stays too."""

    def keys_version(self) -> int:
        """A number that changes whenever a key does; cheap."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait until nobody else is at it, on any machine: for changes that depend on what was there before.

        Held for as long as it takes to read and write a row; a process that dies lets go.
        """

    # --- limits, teams, plans

    def plans_version(self) -> int:
        """A number that changes whenever a limit, team, plan, subscription, stop or action does; cheap."""

    def add_limit(self, limit: LimitRow, *, actor: str = "") -> None:
        """Keep a new limit."""

    def update_limit(
        self, limit_id: str, *, amount: int | None = None, strict: bool | None = None, actor: str = ""
    ) -> LimitRow | None:
        """Change what is given and return the limit; None where none has this id. What was spent stays."""

    def remove_limit(self, limit_id: str, *, actor: str = "") -> bool:
        """Drop the limit and its accounts; False where none has this id."""

    def limits(self) -> list[LimitRow]:
        """Every limit, oldest first."""

    def add_team(self, team: TeamRow, *, actor: str = "") -> bool:
        """Keep a new team; False, and nothing done, when there is one of that name."""

    def update_team(
        self, team_id: str, *, name: str | None = None, rules: str | None = None, actor: str = ""
    ) -> TeamRow | None:
        """Change what is given and return the team; None where none has this id."""

    def remove_team(self, team_id: str, *, actor: str = "") -> bool:
        """Drop the team, its limits and its subscription; its keys are in none then. False: no such team."""

    def teams(self) -> list[TeamRow]:
        """Every team, by name."""

    def put_plan(self, plan: PlanRow, *, actor: str = "") -> None:
        """Keep the plan, in place of the one of that name if there is one (whose ``created_us`` stays)."""

    def remove_plan(self, name: str, *, actor: str = "") -> bool:
        """Drop the plan; False where there is none or somebody has it."""

    def plans(self) -> list[PlanRow]:
        """Every plan, by name."""

    def subscribe(self, subscription: SubscriptionRow, *, actor: str = "") -> None:
        """Give the key or team this plan, in place of the one it had."""

    def unsubscribe(self, scope: str, subject: str, *, actor: str = "") -> bool:
        """Take its plan away; False where it had none."""

    def subscriptions(self) -> list[SubscriptionRow]:
        """Who has which plan."""

    def stop_session(self, stop: StopRow, *, actor: str = "") -> None:
        """Refuse what comes for this session from now on."""

    def resume_session(self, session: str, key_id: str = "", *, actor: str = "") -> bool:
        """Take a stop back; False where there was none."""

    def stops(self) -> list[StopRow]:
        """Every stopped session, oldest first."""

    def set_action(self, action: ActionRow, *, actor: str = "") -> None:
        """Do this about the key, in place of what was done before."""

    def lift_action(self, key_id: str, *, actor: str = "") -> bool:
        """Take it back; False where nothing was done about the key."""

    def actions(self) -> list[ActionRow]:
        """What is done about which keys, those whose time is over too."""

    def note(self, entry: AuditRow) -> None:
        """Write into the audit log what no other method does."""

    def audit(
        self, since_us: int | None = None, until_us: int | None = None, target: str = "", limit: int = 100
    ) -> list[AuditRow]:
        """The latest ``limit`` entries of the span, newest first; with ``target``, of that alone."""

    # --- what is counted against limits

    def lease(
        self, holder: str, wants: Sequence[Want], returns: Mapping[int, int], held: Sequence[int], now_us: int
    ) -> Leased:
        """Give ``holder`` what it wants of accounts as far as their caps allow, and take back ``returns``.

        All in one transaction. The sum of what is spent and what is leased never exceeds a cap through it:
        what is free is ``cap - spent since - sum(max(granted - drained, 0))``. Of much that is free
        ``amount`` is given, of little an eighth at most, but never less than ``least`` where that fits.
        """

    def leases_of(self, holder: str) -> dict[int, int]:
        """What was ever granted to ``holder`` and not returned, by account."""

    def lease_holders(self, prefix: str) -> list[str]:
        """Those whose names begin with ``prefix`` and who hold anything."""

    def release_leases(self, holder: str) -> int:
        """``holder`` is dead and all its records are in the store: what it held is free. How many leases."""

    def standings(self, limit_ids: Sequence[str] | None = None) -> list[StandingRow]:
        """How the accounts of these limits (None: of all) stand, by limit and subject."""

    def refund(self, account: int, bucket: int, amount: int, *, actor: str = "", reason: str = "") -> bool:
        """Count ``amount`` less as spent in ``bucket``, but not less than nothing. False: no such account."""

    def prune_accounts(self, now_us: int) -> int:
        """Drop buckets whose time is long over, and accounts of sessions not seen for 30 days."""

    # --- keys of providers

    def add_provider_key(self, key: ProviderKeyRow) -> bool:
        """Keep a new key; False, and nothing done, when its provider has one of that name."""

    def provider_keys(self) -> list[ProviderKeyRow]:
        """Every key of a provider, by provider, each provider's oldest first."""

    def update_provider_key(
        self, key_id: str, *, weight: float | None = None, disabled: bool | None = None
    ) -> ProviderKeyRow | None:
        """Change what is given and return the key; None where none has this id."""

    def remove_provider_key(self, key_id: str) -> bool:
        """Forget the key; False where none has this id."""

    def reseal_provider_keys(self, ciphertexts: Mapping[str, bytes]) -> int:
        """Replace the ciphertexts of these ids, all or none; returns how many there still were."""

    def keep_state(self, scope: str, state_id: str, body: bytes, expires_us: int) -> None:
        """Keep ``body`` under ``scope`` and ``state_id`` until ``expires_us``, in place of what was there."""

    def state(self, scope: str, state_id: str, now_us: int) -> bytes | None:
        """What is kept there, None where there is nothing or its time has come."""

    def forget_state(self, scope: str, state_id: str) -> bool:
        """Drop it; False where there was none."""

    def expire_states(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come, the oldest first; returns how many."""

    # --- queued requests

    def enqueue(self, row: QueuedRow, most: int, most_bytes: int) -> bool:
        """Keep a request until its plan has room for it.

        False, and nothing done, where its key has ``most`` that are not finished, or their bodies would come
        to more than ``most_bytes``.
        """

    def queued(self, key_id: str | None = None, limit: int = 100, offset: int = 0) -> list[QueuedRow]:
        """Requests of the key (None: of all), the latest first, without their bodies and answers."""

    def queued_one(self, queued_id: str) -> QueuedRow | None:
        """The request with this id, whole."""

    def claim(self, holder: str, now_us: int, limit: int) -> list[QueuedRow]:
        """Up to ``limit`` requests that are due, now run by ``holder`` and by nobody else.

        Only the first of each key may be among them: one that is not due keeps back those behind it. First
        come those whose key has the least under way.
        """

    def put_back(self, queued_id: str, holder: str, not_before_us: int, *, counted: bool) -> bool:
        """``holder`` could not have it answered: it waits again, in its old place.

        ``counted``: that was one of its tries. False, and nothing done: ``holder`` does not have it.
        """

    def finish(self, queued_id: str, holder: str, status_code: int, answer: bytes, now_us: int) -> bool:
        """Keep its answer and drop its body. False, and nothing done: ``holder`` does not have it."""

    def cancel(self, queued_id: str, now_us: int) -> bool:
        """It is not run any more, or its answer not kept; False where it is finished or there is none."""

    def forget_queued(self, queued_id: str) -> bool:
        """Drop it with its answer; False where it is not finished or there is none."""

    def queue_holders(self, prefix: str) -> list[str]:
        """Those whose names begin with ``prefix`` and who run any, in order."""

    def release_queue(self, holder: str, but: Collection[str] = ()) -> int:
        """What ``holder`` runs waits again, except ``but`` these; how many. They count as tried."""

    def expire_queue(self, now_us: int, limit: int = 100) -> int:
        """End up to ``limit`` that have waited, and drop up to ``limit`` that were kept, for ``KEPT_US``.

        Returns how many of both.
        """

    # --- how requests for "auto" were decided

    def decision(self, record_id: str) -> DecisionRow | None:
        """How the request with this id was decided; None where it was for a model by name."""

    def decisions(
        self, since_us: int, until_us: int, after: DecisionRow | None = None, limit: int = 5000
    ) -> list[DecisionRow]:
        """Up to ``limit`` decisions of the span in order of time and id, those after ``after`` only."""

    def latest_decisions(self, limit: int) -> list[DecisionRow]:
        """The last ``limit`` decisions, newest first."""

    def savings(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[SavingsRow]:
        """What decisions cost, and what the strong model would have, for each of ``by`` in order.

        ``by`` is "model", "key", "app", "day", "task" or None: all together, and no row where there are none.
        """

    def learnt(self, since_day: int) -> list[LearntRow]:
        """What was seen of models at types of tasks from that UTC day (since 1970) on."""

    def prune_decisions(self, before_us: int, limit: int = 5000) -> int:
        """Drop up to ``limit`` decisions from before that time, the oldest first; returns how many.

        What was learnt from them stays.
        """

    # --- what people said of answers

    def put_feedback(self, row: FeedbackRow) -> FeedbackRow | None:
        """Keep a verdict in place of the one of that request, and return that one.

        In the same transaction it is learnt, and what was learnt of the earlier one is taken back.
        """

    def feedback_of(self, record_id: str) -> FeedbackRow | None:
        """The verdict on the request with this id; None where nobody said anything."""

    def feedback(
        self, since_us: int, until_us: int, after: FeedbackRow | None = None, limit: int = 5000
    ) -> list[FeedbackRow]:
        """Up to ``limit`` verdicts given in the span in order of time and id, those after ``after`` only."""

    # --- prompts and answers of those who allowed it

    def keep_capture(self, row: CaptureRow) -> bool:
        """Keep a capture until ``row.expires_us``; False, and nothing done, if that request has one."""

    def captures(
        self, since_us: int, until_us: int, after_seq: int = 0, limit: int = 500
    ) -> list[CaptureRow]:
        """Up to ``limit`` captures of the span in the order of keeping, those after ``after_seq`` only."""

    def capture_counts(self) -> list[CaptureCount]:
        """How much is kept of each key, by key."""

    def forget_captures(self, *, key_id: str = "", capture_id: str = "", actor: str = "") -> int:
        """Erase what is kept of this key, or of this one request; returns how many."""

    def expire_captures(self, now_us: int, limit: int = 1000) -> int:
        """Drop up to ``limit`` of those whose time has come, the oldest first; returns how many."""

    def usage(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[UsageRow]:
        """Sums for each of ``by`` (one of ``BY``), or of all together for None; exact at both bounds.

        The dearest first, days in order. Whole hours or days come from roll-ups, edges from rows.
        """

    def key_usage(self, key_id: str, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of one key, zeros for one that did nothing; exact at both bounds.

        A span from or to the middle of a UTC day reads that day's requests of everybody.
        """

    def activity(
        self, since_us: int | None, until_us: int | None, key_id: str | None = None
    ) -> list[ActivityRow]:
        """Sums for each UTC day, model and provider, days in order, then the dearest first.

        With ``key_id`` that key's alone, for which every request of the span is read.
        """

    def totals(self, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of everything from ``since_us`` up to but not including ``until_us``."""

    def generation(self, record_id: str) -> Record | None:
        """The request with this id."""

    def requests(
        self, since_us: int, until_us: int, after: Record | None = None, limit: int = 5000
    ) -> list[Record]:
        """Up to ``limit`` requests of the span in order of time and id, those after ``after`` only."""

    def search(
        self,
        since_us: int,
        until_us: int,
        *,
        before: Record | None = None,
        limit: int = 50,
        where: Where | None = None,
    ) -> list[Record]:
        """Up to ``limit`` requests of the span that have these values, newest first, those before ``before``.

        With ``where`` no more than the newest 200,000 of the span are looked at. Raises ``BadRequest`` for a
        field that can't be searched (``cubes.SEARCHED``).
        """

    # --- what rankings ask

    def cube(
        self,
        name: str,
        by: Sequence[str],
        since_us: int,
        until_us: int,
        *,
        where: Where | None = None,
        measures: Sequence[str] = (),
    ) -> list[tuple[Any, ...]]:
        """For each combination of ``by`` in the span: these, then ``measures`` (empty: all).

        ``by`` names dimensions of the cube, "day" or "week" (numbers since 1970). Bounds are rounded down to
        whole UTC days, of "hour" to hours, of "share" to weeks. In no order. Raises ``ValueError`` for what
        the cube doesn't tell.
        """

    def bounds(self) -> tuple[int, int] | None:
        """The first and the last UTC day (since 1970) on which there was a request; None: there was none."""

    def session_sums(
        self, week: int, *, private: bool | None = None, limit: int = 50_000
    ) -> list[SessionRow]:
        """Sums of each session and model in that week (``tallies.week_of``), as they were drawn.

        Where there are more than ``limit``, a fair sample: all of a session are in it or none, but for the
        last one's.
        """

    def outside(self, source: str, since_day: int, until_day: int) -> list[OutsideRow]:
        """What that source told of spans that begin on these days, by day, span and model."""

    def replace_outside(self, source: str, rows: Sequence[OutsideRow], *, actor: str = "") -> int:
        """Keep ``rows`` as of ``source``, in place of what it told of the same spans; all or nothing."""

    def outside_sources(self) -> list[OutsideSource]:
        """What there is of each source, by name."""

    def forget_outside(self, source: str, *, actor: str = "") -> int:
        """Drop all that came from ``source``; returns how many rows."""

    # --- files

    def add_file(self, row: FileRow) -> None:
        """Begin a file; what it holds is appended. One whose id is there already is left as it is."""

    def append_file(self, file_id: str, seq: int, chunk: bytes) -> None:
        """Its next ``chunk``, in place of one that was number ``seq`` before."""

    def finish_file(self, file_id: str, size: int) -> None:
        """It is whole, and ``size`` bytes long."""

    def file(self, file_id: str) -> FileRow | None:
        """The file with this id, whole or not."""

    def files(
        self, key_id: str | None = None, purpose: str = "", after: str = "", limit: int = 100
    ) -> list[FileRow]:
        """Whole files of the key (None: of all), newest first, those after the file ``after`` only."""

    def read_file(self, file_id: str) -> Iterator[bytes]:
        """What it holds, chunk by chunk; nothing is held between two of them."""

    def remove_file(self, file_id: str, actor: str = "") -> bool:
        """Drop it with what it holds; False where there is none."""

    def expire_files(self, now_us: int, limit: int = 20) -> int:
        """Drop up to ``limit`` files whose time has come, and those never finished in a day; how many."""

    # --- batches

    def add_batch(self, row: BatchRow, *, actor: str = "") -> None:
        """Keep a new batch."""

    def batch(self, batch_id: str) -> BatchRow | None:
        """The batch with this id."""

    def batches(
        self,
        key_id: str | None = None,
        after: str = "",
        limit: int = 20,
        *,
        statuses: Collection[str] = (),
        kind: str = "",
    ) -> list[BatchRow]:
        """Batches of the key (None: of all), newest first, those after the batch ``after`` only."""

    def update_batch(
        self,
        batch_id: str,
        *,
        expected: Collection[str] = (),
        status: str | None = None,
        note: str | None = None,
        total: int | None = None,
        started_us: int | None = None,
        finished_us: int | None = None,
        output_file_id: str | None = None,
        error_file_id: str | None = None,
        max_cost_nano_usd: int | None = None,
        actor: str = "",
    ) -> BatchRow | None:
        """Change what is given and return the batch; None, and nothing done, where there is none.

        With ``expected`` only a batch that has one of these statuses is changed.
        """

    def retry_batch(self, batch_id: str, *, expires_us: int, actor: str = "") -> BatchRow | None:
        """Do what failed and what was left of a batch that is over; None where it is not over or not there.

        What the failed parts have cost stays counted.
        """

    def run_again(
        self, batch_id: str, *, status: str = "paused", run: int = 0, actor: str = ""
    ) -> BatchRow | None:
        """Go on with a batch that is paused, or has ``status``, which stays, as another run; None where not.

        With ``run`` only if that is its number now: of many who ask for the same, one is heard.
        """

    def expire_batches(self, before_us: int, limit: int = 20) -> int:
        """Drop up to ``limit`` batches that were over before then, with their parts; how many."""

    def remove_batch(self, batch_id: str, *, actor: str = "") -> BatchRow | None:
        """Drop a batch that is over, with its parts, and return it; None where none is over by that id."""

    def keep_shared(self, batch_id: str, body: bytes) -> None:
        """Keep what all parts of a recipe's batch need (JSON), in place of what was there."""

    def shared(self, batch_id: str) -> bytes | None:
        """What is kept there; None before a recipe has split its input."""

    # --- parts

    def add_parts(self, batch_id: str, rows: Sequence[PartRow]) -> None:
        """Keep parts; one whose number is there already is left as it is. ``total`` becomes what there is."""

    def parts(
        self,
        batch_id: str,
        *,
        after_seq: int = -1,
        until_seq: int | None = None,
        limit: int = 1000,
        status: str = "",
        lanes: Collection[str] = (),
    ) -> list[PartRow]:
        """Parts in order, those after ``after_seq`` and before ``until_seq`` only."""

    def settle_part(self, part: PartRow) -> bool:
        """Keep what came of it (DONE or FAILED); False, and nothing done, if that is known already."""

    def settle_parts(self, batch_id: str, parts: Sequence[PartRow]) -> int:
        """The same for several of one batch, in one transaction with its sums; how many were met.

        Tokens and cost are added to those that are there. One that is WAITING still has been tried: what that
        has cost and told is kept.
        """

    def batch_lanes(self, batch_id: str) -> list[LaneRow]:
        """Its lanes in order of their first parts, and how much of each is left."""

    # --- workers

    def beat(self, worker: str, *, first: bool = False) -> bool:
        """``worker`` is alive, by the database's clock. False where it was given up; ``first`` enters it."""

    def batch_workers(self) -> list[str]:
        """Those that were not given up, in order."""

    def dead_workers(self, older_than_s: float) -> list[str]:
        """Those that were not heard of for so long, by the database's clock."""

    def give_up_worker(self, worker: str, older_than_s: float) -> bool:
        """It is gone if it was not heard of for so long; False where it was after all, or nobody knows it."""

    def forget_worker(self, worker: str) -> None:
        """It has ended by itself."""

    def close(self) -> None:
        """Close every thread's connection."""


def open_store(url: str, *, fsync: Fsync = "interval") -> Store:
    """The store at ``url``; nothing is read or written yet, see ``Store.migrate``.

    Raises ``ConfigError`` for a URL of no engine that this version has, or whose driver is not installed.
    """
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        if not path or path.startswith(":memory:"):
            raise ConfigError(f"ledger.store = {url!r}: name a file, as in sqlite:////var/lib/tokenworks.db")
        return SqliteStore(path, durable=fsync == "always")
    if url.startswith(("postgresql://", "postgres://")):
        return _postgres(url)
    scheme = url.split(":", 1)[0] + ":" if "://" in url else repr(url)  # what follows may be a password
    raise ConfigError(
        f"ledger.store = {scheme}: use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
    )


def _postgres(url: str) -> Store:
    """Its driver is an extra, and slow to import for those who don't use it."""
    try:
        importlib.import_module("psycopg")
    except ImportError as error:
        raise ConfigError(
            f"ledger.store: PostgreSQL needs its driver ({error}); run: pip install 'tokenworks[postgres]'"
        ) from error
    kind: type[PostgresStore] = importlib.import_module("tokenworks.ledger.postgres").PostgresStore
    return kind(url)
