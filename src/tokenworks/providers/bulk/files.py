"""The way of ``/files`` and ``/batches``: requests and results are files of lines.

https://platform.openai.com/docs/api-reference/batch. A batch carries metadata, so that one whose creation
nobody heard of is found again by its tag.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec

from tokenworks.providers.bulk.line import Line, lines
from tokenworks.providers.bulk.way import Outcome, Progress, Refused, Request, Unsure

TAG = "tokenworks"  # in the metadata
ENDED = frozenset(("completed", "failed", "expired", "cancelled"))
PAGE, MOST_PAGES = 100, 1000
SKEW_S = 600  # by which clocks may differ
_encode = msgspec.json.Encoder().encode


class Files:
    """See ``way.Way``."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def submit(self, tag: str, path: str, requests: Sequence[Request]) -> str:
        """A file that is uploaded and never used, as after a crash in between, costs nothing."""
        with await self._line.fetch("POST", "/files", _form(tag, path, requests), _kind(tag)) as answer:
            uploaded = msgspec.json.decode(answer.read(), type=dict[str, Any])
        order = {
            "input_file_id": uploaded["id"],
            "endpoint": path,
            "completion_window": "24h",
            "metadata": {TAG: tag},
        }
        made = await self._line.json("POST", "/batches", _encode(order))
        return str(made["id"])

    async def find(self, tag: str, since_s: float, known: Sequence[str] = ()) -> str:
        """By its metadata."""
        after = ""
        for _ in range(MOST_PAGES):
            page = await self._line.json("GET", f"/batches?limit={PAGE}{after}")
            for batch in page["data"]:
                if (batch.get("metadata") or {}).get(TAG) == tag:
                    return str(batch["id"])
            last = page["data"][-1] if page["data"] else None
            if last is None or not page.get("has_more") or last["created_at"] < since_s - SKEW_S:
                return ""
            after = f"&after={last['id']}"
        raise Unsure(f"the provider has over {MOST_PAGES * PAGE:,} batches since then")

    async def progress(self, batch_id: str) -> Progress:
        """Of one that the provider refused as a whole, the first of its reasons."""
        told = await self._line.json("GET", f"/batches/{batch_id}")
        counts = told.get("request_counts") or {}
        reasons = (told.get("errors") or {}).get("data") or [{}]
        failed = str(reasons[0].get("message") or "it was refused") if told["status"] == "failed" else ""
        return Progress(batch_id, told["status"] in ENDED, counts.get("total") or 0, failed)

    async def cancel(self, batch_id: str) -> None:
        """One that has ended meanwhile stays as it is."""
        try:
            await self._line.json("POST", f"/batches/{batch_id}/cancel", b"{}")
        except Refused:
            if not (await self.progress(batch_id)).ended:
                raise

    async def results(self, batch_id: str) -> AsyncIterator[Outcome]:
        """Those that were answered well, then those that were not."""
        told = await self._line.json("GET", f"/batches/{batch_id}")
        for name in (told.get("output_file_id"), told.get("error_file_id")):
            if not name:
                continue
            with await self._line.fetch("GET", f"/files/{name}/content") as file:
                for line in lines(file):
                    yield _outcome(line)


def _outcome(line: dict[str, Any]) -> Outcome:
    response, error = line.get("response"), line.get("error")
    if response:
        return Outcome(line["custom_id"], int(response["status_code"]), _encode(response.get("body")))
    code = str((error or {}).get("code") or "")
    if code in ("batch_expired", "batch_cancelled"):
        return Outcome(line["custom_id"], 0, b"", code.removeprefix("batch_"))
    return Outcome(line["custom_id"], 502, _encode({"error": error or {}}))


def _kind(tag: str) -> str:
    return f"multipart/form-data; boundary={tag}"


def _form(tag: str, path: str, requests: Sequence[Request]) -> list[bytes]:
    """An upload. The tag is no text that can be within it, for lines begin with a brace."""
    head = f'--{tag}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--{tag}\r\n'
    head += f'content-disposition: form-data; name="file"; filename="{tag}.jsonl"\r\n'
    head += "content-type: application/jsonl\r\n\r\n"
    return [head.encode(), *_lines(path, requests), f"\r\n--{tag}--\r\n".encode()]


def _lines(path: str, requests: Sequence[Request]) -> Iterator[bytes]:
    for each in requests:
        line = {"custom_id": each.custom_id, "method": "POST", "url": path, "body": msgspec.Raw(each.body)}
        yield _encode(line).replace(b"\n", b" ") + b"\n"
