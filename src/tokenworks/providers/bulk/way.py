"""What every batch API of a provider offers here, whatever its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from tokenworks.errors import TokenworksError

FOR_US = 64  # characters that a custom_id may have, of letters, digits, "-" and "_"


class Request(msgspec.Struct, frozen=True):
    """One request that is handed in."""

    custom_id: str  # see ``FOR_US``; begins with the tag of what it is handed in with
    body: bytes  # JSON object, in the provider's own words


class Outcome(msgspec.Struct, frozen=True):
    """What came of one."""

    custom_id: str
    status: int  # of its answer; 0: it was not run, and nothing is charged for it
    body: bytes  # JSON
    reason: str = ""  # why it was not run: "expired" or "cancelled"


class Progress(msgspec.Struct, frozen=True):
    """How a batch stands at its provider."""

    id: str
    ended: bool
    total: int = 0
    failed: str = ""  # why none of it was run: the provider refused it as a whole


class Refused(TokenworksError):
    """The provider does not take it; sending it again would not help."""

    status = 502


class Unsure(Exception):
    """Whether it was taken is not known: ask again later, and send nothing meanwhile."""


class Way(Protocol):
    """One provider's batch API. All methods raise ``Refused``, and ``Unsure`` where no answer came."""

    async def submit(self, tag: str, path: str, requests: Sequence[Request]) -> str:
        """Hand ``requests`` in, all for ``path``; the provider's id of them.

        ``tag`` names this hand-in and no other. ``Unsure``: look with ``find`` before it is sent again.
        """

    async def find(self, tag: str, since_s: float, known: Sequence[str] = ()) -> str:
        """The id of what was handed in as ``tag`` since then, or empty: it never arrived.

        ``known`` are ids of others. Raises ``Unsure`` while that can't be told.
        """

    async def progress(self, batch_id: str) -> Progress:
        """How it stands."""

    async def cancel(self, batch_id: str) -> None:
        """Run no more of it. It ends soon; what was run is charged, and told in its results."""

    def results(self, batch_id: str) -> AsyncIterator[Outcome]:
        """What came of each, in any order. Only of one that has ended."""
