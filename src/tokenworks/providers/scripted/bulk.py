"""Batches as providers offer them: many requests handed in at once, their answers fetched when all are there.

Two ways. ``POST …/files`` and ``POST …/batches``, whose results are files; and ``POST …/messages/batches``,
whose results are read at ``…/results``. Each request in one is answered by the script's rules like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tokenworks.providers.scripted.frame import encode

Item = Callable[
    [str, dict[str, Any]], tuple[int, bytes] | None
]  # path and body → status and body; None: never
Said = tuple[int, bytes, str]  # status, body, media type

JSON, LINES = "application/json", "application/jsonl"
OPEN, ENDED = "in_progress", "ended"
_decode = msgspec.json.Decoder().decode


class Batch(msgspec.Struct):
    """One that was handed in."""

    id: str
    path: str  # that each of its requests is for
    requests: list[tuple[str, dict[str, Any]]]
    ready_at: float
    created: int
    metadata: dict[str, str] = {}
    input_file: str = ""
    cancelled: bool = False
    results: dict[str, tuple[int, bytes] | None] | None = None  # None: not ended

    def counts(self) -> dict[str, int]:
        """How many came to what."""
        found = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        if self.results is None:
            return found | {"processing": len(self.requests)}
        for said in self.results.values():
            left = "canceled" if self.cancelled else "expired"
            found[left if said is None else "succeeded" if said[0] == 200 else "errored"] += 1
        return found


class Bulk:
    """All batches and files of one provider."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.answered: list[tuple[str, str]] = []  # batch and custom_id, each time that one was answered

    @property
    def handed_in(self) -> list[str]:
        """The ids of all batches, in order."""
        return list(self.batches)

    def serve(self, method: str, target: str, body: bytes, item: Item, delay_s: float) -> Said | None:
        """The answer to a request about batches; None for one that is not."""
        path, _, query = target.partition("?")
        path = path.rstrip("/")
        for batch in self.batches.values():
            self._settle(batch, item)
        for end, serve in (
            ("/messages/batches", self._messages),
            ("/batches", self._batches),
            ("/files", self._files),
        ):
            head, found, rest = path.rpartition(end)
            if found and (not rest or rest.startswith("/")) and not head.endswith("/__scripted"):
                try:
                    return serve(method, rest.strip("/"), body, query, delay_s)
                except (KeyError, ValueError, TypeError, msgspec.DecodeError) as error:
                    return _error(400, f"{type(error).__name__}: {error}")
        return None

    def _settle(self, batch: Batch, item: Item) -> None:
        if batch.results is not None or not (batch.cancelled or time.monotonic() >= batch.ready_at):
            return
        batch.results = {}
        for name, request in batch.requests:
            said = None if batch.cancelled else item(batch.path, request)
            if said is not None:
                self.answered.append((batch.id, name))
            batch.results[name] = said

    def _new(
        self, prefix: str, path: str, requests: list[tuple[str, dict[str, Any]]], delay_s: float
    ) -> Batch:
        number = len(self.batches) + 1
        made = Batch(f"{prefix}_{number:06}", path, requests, time.monotonic() + delay_s, int(time.time()))
        if not requests or len({name for name, _ in requests}) < len(requests):
            raise ValueError("each request needs a custom_id of its own")
        self.batches[made.id] = made
        return made

    # --- files and what is made of them

    def _files(self, method: str, rest: str, body: bytes, query: str, delay_s: float) -> Said | None:
        if method == "POST" and not rest:
            name = f"file-{len(self.files) + 1:06}"
            self.files[name] = _uploaded(body)
            shown = {"id": name, "object": "file", "bytes": len(self.files[name]), "purpose": "batch"}
            return 200, encode(shown), JSON
        name, _, what = rest.partition("/")
        if method == "GET" and what == "content" and name in self.files:
            return 200, self.files[name], LINES
        return _error(404, f"no such file: {name}")

    def _batches(self, method: str, rest: str, body: bytes, query: str, delay_s: float) -> Said | None:
        if method == "POST" and not rest:
            given = _decode(body)
            lines = [
                _decode(line) for line in self.files[given["input_file_id"]].splitlines() if line.strip()
            ]
            requests = [(line["custom_id"], line["body"]) for line in lines]
            made = self._new("batch", given["endpoint"], requests, delay_s)
            made.metadata, made.input_file = given.get("metadata") or {}, given["input_file_id"]
            return 200, encode(self._of_files(made)), JSON
        return self._common(method, rest, query, self._of_files, "batch")

    def _of_files(self, batch: Batch) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.path,
            "input_file_id": batch.input_file,
            "completion_window": "24h",
            "created_at": batch.created,
            "metadata": batch.metadata,
            "status": OPEN,
            "output_file_id": None,
            "error_file_id": None,
        }
        counts = batch.counts()
        failed = counts["errored"] + counts["expired"] + counts["canceled"]
        total, done = len(batch.requests), counts["succeeded"]
        shown["request_counts"] = {"total": total, "completed": done, "failed": failed}
        if batch.results is None:
            return shown
        ended = "cancelled" if batch.cancelled else "expired" if counts["expired"] else "completed"
        for field, good in (("output_file_id", True), ("error_file_id", False)):
            lines = [
                _line(batch, name, said)
                for name, said in batch.results.items()
                if (said is not None and said[0] == 200) is good
            ]
            if lines:
                name = f"{batch.id}-{'output' if good else 'error'}"
                self.files[name] = b"".join(lines)
                shown[field] = name
        return shown | {"status": ended}

    # --- messages

    def _messages(self, method: str, rest: str, body: bytes, query: str, delay_s: float) -> Said | None:
        if method == "POST" and not rest:
            requests = [(each["custom_id"], each["params"]) for each in _decode(body)["requests"]]
            return 200, encode(_of_messages(self._new("msgbatch", "/v1/messages", requests, delay_s))), JSON
        name, _, what = rest.partition("/")
        batch = self.batches.get(name)
        if method == "GET" and what == "results" and batch is not None and batch.results is not None:
            lines = [_result(name, said, cancelled=batch.cancelled) for name, said in batch.results.items()]
            return 200, b"".join(lines), LINES
        return self._common(method, rest, query, _of_messages, "msgbatch")

    def _common(
        self, method: str, rest: str, query: str, show: Callable[[Batch], dict[str, Any]], prefix: str
    ) -> Said | None:
        name, _, what = rest.partition("/")
        if method == "GET" and not rest:
            mine = [batch for batch in reversed(self.batches.values()) if batch.id.startswith(f"{prefix}_")]
            return 200, encode(_page(mine, query, show)), JSON
        batch = self.batches.get(name)
        if batch is None:
            return _error(404, f"no such batch: {name}")
        if method == "POST" and what == "cancel":
            batch.cancelled = batch.cancelled or batch.results is None
            return 200, encode(show(batch)), JSON
        if method == "GET" and not what:
            return 200, encode(show(batch)), JSON
        return _error(404, f"no such path: {method} {rest}")


def _page(batches: list[Batch], query: str, show: Callable[[Batch], dict[str, Any]]) -> dict[str, Any]:
    """The latest first, as both ways page: behind the id that ``after`` or ``after_id`` names."""
    words = dict(word.partition("=")[::2] for word in query.split("&") if word)
    after, limit = words.get("after") or words.get("after_id") or "", int(words.get("limit", "20"))
    if after:
        batches = batches[[batch.id for batch in batches].index(after) + 1 :]
    shown = [show(batch) for batch in batches[:limit]]
    last = shown[-1]["id"] if shown else None
    return {"object": "list", "data": shown, "has_more": len(batches) > limit, "last_id": last}


def _of_messages(batch: Batch) -> dict[str, Any]:
    ended = batch.results is not None
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": ENDED if ended else "canceling" if batch.cancelled else OPEN,
        "request_counts": batch.counts(),
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(batch.created)),
        "results_url": f"/v1/messages/batches/{batch.id}/results" if ended else None,
    }


def _line(batch: Batch, name: str, said: tuple[int, bytes] | None) -> bytes:
    line: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
    if said is None:
        code = "batch_cancelled" if batch.cancelled else "batch_expired"
        line["error"] = {"code": code, "message": "this request was not executed"}
    else:
        line["response"] = {"status_code": said[0], "request_id": name, "body": msgspec.Raw(said[1])}
    return encode(line) + b"\n"


def _result(name: str, said: tuple[int, bytes] | None, *, cancelled: bool) -> bytes:
    result: dict[str, Any] = {"type": "canceled" if cancelled else "expired"}
    if said is not None and said[0] == 200:
        result = {"type": "succeeded", "message": msgspec.Raw(said[1])}
    elif said is not None:
        result = {"type": "errored", "error": msgspec.Raw(said[1])}
    return encode({"custom_id": name, "result": result}) + b"\n"


def _uploaded(body: bytes) -> bytes:
    """The file in a form: the part that has a file name."""
    mark = body.partition(b"\r\n")[0]
    for part in _parts(body, mark):
        head, _, data = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            return data
    raise ValueError("the form has no file")


def _parts(body: bytes, mark: bytes) -> Iterator[bytes]:
    if not mark.startswith(b"--"):
        raise ValueError("not a form")
    yield from (b"\r\n" + body).split(b"\r\n" + mark)[1:-1]


def _error(status: int, message: str) -> Said:
    return status, encode({"error": {"message": message, "type": "invalid_request_error"}}), JSON
