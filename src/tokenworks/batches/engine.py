"""The durable engine under batches, behind a thin class: what was begun is begun anew wherever it broke off.

It schedules and recovers and knows nothing else. There are two kinds of work, a batch's job and its groups of
parts; each may be executed more than once, by whichever worker. What came of parts stands in our own store.
"""

from __future__ import annotations

import contextvars
import importlib
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tokenworks.errors import ConfigError, StoreError

Job = Callable[[str, int], None]  # batch, run; returns when there is nothing left to do
Group = Callable[[str, int, int], None]  # batch, run, number of the group
Result = TypeVar("Result")

VERSION = "tokenworks-batches-1"  # pinned: else every change of source would strand what is under way
NAME = "tokenworks"
JOBS, GROUPS = "batch-jobs", "batch-groups"
JOBS_AT_ONCE = 16  # in one worker; one more waits for them
OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
IDLE_S = 10.0  # a worker that stops in the middle of a transaction keeps its locks no longer
ENQUEUED, PENDING = "ENQUEUED", "PENDING"
_NO_ROOM = ("database or disk is full", "disk I/O error", "unable to open database file")
_SQLITE_WITH_SUBSEC = (3, 42, 0)


class Engine:
    """One in a process. All methods wait for the database, so call them from a thread.

    They raise ``StoreError`` where it does not take what they ask.
    """

    def __init__(self, url: str, worker: str, *, groups: int, poll_s: float) -> None:
        """``url``: ``sqlite:///PATH`` or ``postgresql://...``; ``worker``: a name that no other one has.

        ``groups`` are run at a time. Raises ``ConfigError`` where the library is not installed.
        """
        self._url = url.replace("postgres://", "postgresql://", 1)
        self._worker = worker
        self._groups_at_once = groups
        self._poll_s = poll_s
        self._library = _library()
        self._dbos = self._library.DBOS
        self._failure = importlib.import_module("sqlalchemy").exc.SQLAlchemyError
        self._job: Any = None
        self._group: Any = None

    def open(self, job: Job, group: Group) -> None:
        """Make the tables where there are none, go on with what this worker had under way, and begin."""
        config = {
            "name": NAME,
            "system_database_url": self._url,
            "executor_id": self._worker,
            "application_version": VERSION,
            "serializer": importlib.import_module("dbos._serialization").DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "sys_db_idle_transaction_timeout_sec": IDLE_S,
        }
        if self._url.startswith("sqlite:"):
            config["system_database_engine"] = _sqlite(self._url)
        self._dbos(config=config)

        def batch_job(batch_id: str, run: int) -> None:
            job(batch_id, run)

        def batch_group(batch_id: str, run: int, number: int) -> None:
            group(batch_id, run, number)

        self._job = self._dbos.workflow(name="batch_job")(batch_job)
        self._group = self._dbos.workflow(name="batch_group")(batch_group)
        self._outside(self._dbos.launch)
        for name, at_once in ((JOBS, JOBS_AT_ONCE), (GROUPS, self._groups_at_once)):
            self._outside(
                lambda name=name, at_once=at_once: self._dbos.register_queue(  # type: ignore[misc]
                    name,
                    worker_concurrency=at_once,
                    polling_interval_sec=self._poll_s,
                    on_conflict="always_update",
                )
            )

    def start(self, batch_id: str, run: int) -> None:
        """Let some worker do this run of the batch; once, however often it is asked for."""

        def enqueue() -> None:
            with self._library.SetWorkflowID(job_id(batch_id, run)):
                self._dbos.enqueue_workflow(JOBS, self._job, batch_id, run)

        self._outside(enqueue)

    def spread(self, batch_id: str, run: int, numbers: Sequence[int]) -> None:
        """Let workers do these groups of it. First ones come before later ones of other batches."""
        known = set(self.groups(batch_id, run))

        def enqueue() -> None:
            for number in numbers:
                name = f"{job_id(batch_id, run)}.{number}"
                if name in known:
                    continue
                with (
                    self._library.SetWorkflowID(name),
                    self._library.SetEnqueueOptions(priority=number + 1),
                ):
                    self._dbos.enqueue_workflow(GROUPS, self._group, batch_id, run, number)

        self._outside(enqueue)

    def state(self, batch_id: str, run: int) -> str:
        """Of the batch's job: ENQUEUED, PENDING or one of ``OVER``; empty where it was never started."""
        found = self._list(workflow_ids=[job_id(batch_id, run)])
        return found[0].status if found else ""

    def groups(self, batch_id: str, run: int) -> dict[str, str]:
        """The state of each group that was spread, by its id."""
        found = self._list(workflow_id_prefix=f"{job_id(batch_id, run)}.")
        return {each.workflow_id: each.status for each in found}

    def cancel(self, ids: Sequence[str]) -> None:
        """Groups that wait need not begin."""
        if ids:
            self._outside(lambda: self._dbos.cancel_workflows(list(ids)))

    def clear(self, batch_id: str, run: int, *, over: bool = True) -> None:
        """Forget the runs of a batch before this one, and where that is ``over`` its groups too."""
        found = self._list(workflow_id_prefix=f"{batch_id}.")
        name = job_id(batch_id, run)
        ids = [each.workflow_id for each in found if each.workflow_id != name]
        if not over:
            ids = [each for each in ids if not each.startswith(f"{name}.")]
        if ids:
            self._outside(lambda: self._dbos.delete_workflows(ids))

    def owners(self) -> set[str]:
        """Workers that have work under way, dead or alive."""
        return {each.executor_id for each in self._list(status=PENDING)}

    def take_over(self, workers: Collection[str]) -> int:
        """What these dead workers had under way waits for others again; how much. Harmless if done twice."""
        # No public call does this without a race: theirs resets whatever it is given.
        return len(self._outside(lambda: self._dbos._recover_pending_workflows(sorted(workers))))

    def close(self) -> None:
        """Leave the database; what is under way here stays so until it is taken over."""
        self._dbos.destroy(destroy_registry=True)

    def _list(self, **wanted: Any) -> list[Any]:
        return self._outside(lambda: self._dbos.list_workflows(load_input=False, load_output=False, **wanted))

    def _outside(self, call: Callable[[], Result]) -> Result:
        """Not as a step of a workflow, wherever it is called from. Raises ``StoreError``."""
        try:
            return contextvars.Context().run(call)
        except self._failure as error:
            raise StoreError(f"the engine of batches: {getattr(error, 'orig', None) or error}") from error


def engine_url(store_url: str) -> str:
    """Where the engine keeps its own: beside our tables in PostgreSQL, in a file beside a SQLite store."""
    return f"{store_url}.batches" if store_url.startswith("sqlite:") else store_url


def job_id(batch_id: str, run: int) -> str:
    """What the engine calls this run of the batch."""
    return f"{batch_id}.{run}"


def _library() -> Any:
    try:
        return importlib.import_module("dbos")
    except ImportError as error:
        raise ConfigError(
            f"batches need their engine ({error}); run: pip install 'tokenworks[batch]'"
        ) from error


def _sqlite(url: str) -> Any:
    """A file that is written ahead, as ours are, and that tells fractions of seconds whatever its version."""
    Path(url.removeprefix("sqlite:///")).touch(mode=0o600)
    alchemy = importlib.import_module("sqlalchemy")
    made = alchemy.create_engine(url)

    @alchemy.event.listens_for(made, "connect")  # type: ignore[untyped-decorator]
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "busy_timeout = 30000",
            "foreign_keys = ON",
            "journal_mode = WAL",
            "synchronous = NORMAL",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if sqlite3.sqlite_version_info < _SQLITE_WITH_SUBSEC:
            connection.create_function("unixepoch", -1, lambda *_: time.time())

    @alchemy.event.listens_for(made, "handle_error")  # type: ignore[untyped-decorator]
    def wait_for_room(context: Any) -> None:
        # The library tries again what is locked. What has no room must be tried again too: what it gives up
        # stays under way for ever, with nobody at work.
        if any(words in str(context.original_exception) for words in _NO_ROOM):
            locked = sqlite3.OperationalError(f"{context.original_exception} (so: database is locked)")
            raise alchemy.exc.OperationalError(context.statement, None, locked) from None

    return made
