"""A request that its plan had no room for, as the store keeps it until it is run and its answer fetched.

queued ── claimed by a worker ──▶ running ── answered ──▶ done
  ▲ │                               │ └── cancelled
  │ ├── 7 days without room ──▶ expired
  │ └── cancelled               no room, a passing failure, or its worker has died
  └─────────────────────────────────┘
"""

from __future__ import annotations

import msgspec

QUEUED, RUNNING, DONE, CANCELLED, EXPIRED = "queued", "running", "done", "cancelled", "expired"
OPEN = (QUEUED, RUNNING)
KEPT_US = 7 * 86_400 * 1_000_000  # what is finished is kept so long, and what is not begun waits so long


class QueuedRow(msgspec.Struct, frozen=True):
    """One request, and its answer when there is one."""

    id: str  # "q_" and 32 hex digits
    key_id: str
    path: str  # on which it came in: "/v1/chat/completions"
    model: str  # as it was asked for
    caller: str  # JSON of what its headers said and is needed; never a secret
    created_us: int
    not_before_us: int  # it is not tried before
    status: str = QUEUED
    tries: int = 0  # how often it was begun; being put back for want of room does not count
    holder: str = ""  # the worker that runs it
    finished_us: int | None = None
    status_code: int = 0  # of its answer; 0: there is none
    body: bytes = b""  # as it was received; dropped when it is finished
    answer: bytes = b""  # as it would have been sent: JSON or the text of an event stream

    @property
    def open(self) -> bool:
        """Whether it may still be run."""
        return self.status in OPEN


COLUMNS = QueuedRow.__struct_fields__
BRIEF = COLUMNS[:-2]  # without what may be long
