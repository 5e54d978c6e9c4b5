"""The way of ``/v1/messages/batches``: requests in one body, results as lines at a URL of its own.

https://platform.claude.com/docs/en/api/creating-message-batches. A batch carries no name of ours. One whose
creation nobody heard of is told by the names of its requests, and those are only shown when it has ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tokenworks.providers.bulk.line import Line, lines
from tokenworks.providers.bulk.way import Outcome, Progress, Refused, Request, Unsure

PATH = "/v1/messages/batches"
PAGE, MOST_PAGES = 100, 1000
SKEW_S = 600  # by which clocks may differ
_STATUSES = {  # of an error that is not told with its HTTP status
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
_encode = msgspec.json.Encoder().encode


class Messages:
    """See ``way.Way``."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def submit(self, tag: str, path: str, requests: Sequence[Request]) -> str:
        """All in one body."""
        order = [{"custom_id": each.custom_id, "params": msgspec.Raw(each.body)} for each in requests]
        return str((await self._line.json("POST", PATH, _encode({"requests": order})))["id"])

    async def find(self, tag: str, since_s: float, known: Sequence[str] = ()) -> str:
        """Raises ``Unsure`` as long as a batch that may be it has not ended."""
        open_ones = 0
        async for told in self._since(since_s - SKEW_S):
            if told["id"] in known:
                continue
            if told["processing_status"] != "ended":
                open_ones += 1
            elif await self._is(told["id"], tag):
                return str(told["id"])
        if open_ones:
            raise Unsure(
                f"{open_ones} batches of the provider may be what was handed in; waiting for their end"
            )
        return ""

    async def progress(self, batch_id: str) -> Progress:
        """None is ever refused when it was taken."""
        told = await self._line.json("GET", f"{PATH}/{batch_id}")
        return Progress(batch_id, told["processing_status"] == "ended", sum(told["request_counts"].values()))

    async def cancel(self, batch_id: str) -> None:
        """One that has ended meanwhile stays as it is."""
        try:
            await self._line.json("POST", f"{PATH}/{batch_id}/cancel", b"{}")
        except Refused:
            if not (await self.progress(batch_id)).ended:
                raise

    async def results(self, batch_id: str) -> AsyncIterator[Outcome]:
        """In the order in which they ended. Always read below ``PATH``: no answer names an address to ask."""
        with await self._line.fetch("GET", f"{PATH}/{batch_id}/results") as file:
            for line in lines(file):
                yield _outcome(line["custom_id"], line["result"])

    async def _is(self, batch_id: str, tag: str) -> bool:
        try:
            async for outcome in self.results(batch_id):
                return outcome.custom_id.startswith(f"{tag}-")
        except Refused:  # its results are not kept any more, so it is older than ours
            return False
        return False

    async def _since(self, since_s: float) -> AsyncIterator[dict[str, Any]]:
        after = ""
        for _ in range(MOST_PAGES):
            page = await self._line.json("GET", f"{PATH}?limit={PAGE}{after}")
            for told in page["data"]:
                if datetime.fromisoformat(told["created_at"]).timestamp() < since_s:
                    return
                yield told
            if not page.get("has_more"):
                return
            after = f"&after_id={page['last_id']}"
        raise Unsure(f"the provider has over {MOST_PAGES * PAGE:,} batches since then")


def _outcome(custom_id: str, result: dict[str, Any]) -> Outcome:
    kind = result["type"]
    if kind == "succeeded":
        return Outcome(custom_id, 200, _encode(result["message"]))
    if kind == "errored":
        error = result["error"]
        inner = error.get("error") or {}
        return Outcome(custom_id, _STATUSES.get(str(inner.get("type")), 500), _encode(error))
    return Outcome(custom_id, 0, b"", "cancelled" if kind == "canceled" else "expired")
