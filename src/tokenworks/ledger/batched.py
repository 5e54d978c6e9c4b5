"""Batches as the store keeps them: files, batches, and the parts that a batch is made of.

validating ─▶ in_progress ─▶ finalizing ─▶ completed
                 │    ▲ │                   failed, expired
                 ▼    │ └─▶ cancelling ──▶ cancelled
                 paused
"""

from __future__ import annotations

import msgspec

VALIDATING, IN_PROGRESS, FINALIZING, PAUSED = "validating", "in_progress", "finalizing", "paused"
CANCELLING, CANCELLED, COMPLETED, FAILED, EXPIRED = (
    "cancelling",
    "cancelled",
    "completed",
    "failed",
    "expired",
)
RUNNING = (VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING)  # somebody has to do something about these
OPEN = (*RUNNING, PAUSED)
OVER = (COMPLETED, FAILED, EXPIRED, CANCELLED)

WAITING, DONE = "waiting", "done"  # of a part, besides FAILED
REQUESTS = "requests"  # the kind of batch whose parts are requests of the caller; others are recipes

# With this a note begins where a batch was paused because money or a plan was used up: it goes on by itself.
SHORT_OF_MONEY = "waits for money: "
SHORT_OF_ROOM = "waits for room on the disk: "
ON_ITS_OWN = (SHORT_OF_MONEY, SHORT_OF_ROOM)  # a paused batch with such a note goes on when it can

CHUNK = 1 << 20  # bytes of a file that are written and read at once, at most


class FileRow(msgspec.Struct, frozen=True):
    """A file that was uploaded, or that a batch has written. What it holds is kept in chunks."""

    id: str  # "file-" and 24 hex digits
    key_id: str
    name: str
    purpose: str  # "batch": its lines are requests; "batch_output"; "recipe": input or output of one
    bytes: int
    created_us: int
    expires_us: int | None = None
    done: bool = False  # False while it is being written


class BatchRow(msgspec.Struct, frozen=True):
    """One batch, and how far it is."""

    id: str  # "batch_" and 24 hex digits
    key_id: str
    kind: str  # REQUESTS or a recipe's name
    status: str
    created_us: int
    expires_us: int  # it is not run any longer than that
    endpoint: str = ""  # "/v1/chat/completions"; empty for recipes
    model: str = ""  # empty: each request's own
    input_files: tuple[str, ...] = ()
    output_file_id: str = ""
    error_file_id: str = ""
    options: bytes = b"{}"  # JSON object: of the recipe
    metadata: bytes = b"{}"  # JSON object: the caller's own
    started_us: int | None = None
    finished_us: int | None = None
    not_before_us: int = 0  # it is not begun before: a cheaper hour is waited for
    not_after_us: int | None = None  # cheaper hours are not waited for any longer than that
    max_cost_nano_usd: int | None = None
    total: int = 0  # parts; done + failed + those that wait
    done: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    note: str = ""  # why it is paused or failed, in one line
    run: int = 1  # how often it was begun
    actor: str = ""  # who made it

    @property
    def waiting(self) -> int:
        """Parts that are not settled."""
        return max(self.total - self.done - self.failed, 0)


class PartRow(msgspec.Struct, frozen=True):
    """One piece of a batch, and what came of it."""

    batch_id: str
    seq: int  # order in the input, from 0
    id: str  # the caller's custom_id, or the recipe's own
    lane: str = ""  # parts of a lane come one after the other
    status: str = WAITING
    tries: int = 0  # requests that were made for it
    request: bytes = b""  # JSON: the body of a request, or what the recipe split off
    result: bytes = b""  # JSON: the response, or what is kept of an answer
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    generation_id: str = ""


class LaneRow(msgspec.Struct, frozen=True):
    """What is left to do in a lane."""

    lane: str
    first_seq: int
    waiting: int
