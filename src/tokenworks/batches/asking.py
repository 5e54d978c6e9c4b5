"""One request until it has its answer: paced, asked again where that helps, paused without money."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from tokenworks.batches.calling import Answer, Gateway, Lost, NotReached, Told, complaint, told
from tokenworks.batches.pace import Pace
from tokenworks.batches.settling import Settling
from tokenworks.batches.standing import Standing
from tokenworks.batches.timing import Timing
from tokenworks.ledger.batched import SHORT_OF_MONEY, BatchRow

log = logging.getLogger(__name__)

TRIES = 5  # of a request that an upstream fails
CUTS = 10  # connections that break in the middle of it
LONGEST_S = 300.0  # between two of these


class Asked(msgspec.Struct, frozen=True):
    """What came of it."""

    answer: Answer
    tries: int
    told: Told = Told()  # its cost is known to ``standing``, which is to be told when it is kept


class Asking:
    """Use from one loop."""

    def __init__(
        self, gateway: Gateway, pace: Pace, standing: Standing, settling: Settling, timing: Timing
    ) -> None:
        self._gateway, self._pace, self._standing, self._timing = gateway, pace, standing, timing
        self._settling = settling
        self.under_way = 0
        self._away_s = 0.0  # how long the next wait for a gateway is

    async def ask(
        self, batch: BatchRow, seq: int, path: str, body: bytes, model: str, **more: str
    ) -> Asked | None:
        """The answer that stands; None where the batch may not go on: nothing is to be settled then.

        An answer that is an error is one that asking again doesn't help, or has not helped.
        """
        tries = cuts = 0
        flow = f"{batch.key_id} {model}"  # what one key may not do any more, another one may
        while True:
            entered = await self._turn(batch, flow)
            if entered is None:
                return None
            status, after_s = 0, None
            try:
                await self._settling.room()
                if not self._standing.may_go(batch.id):
                    return None
                if await self._standing.over_cost(batch.id):
                    if not self._standing.promised(batch.id):  # else it may go on when that is known
                        await self._standing.pause(batch.id, _cost_note(batch))
                    return None
                self.under_way += 1
                try:
                    answer = await self._gateway.ask(batch, seq, path, body, **more)
                finally:
                    self.under_way -= 1
                status, after_s = answer.status, answer.retry_after_s
                self._away_s = 0.0
            except NotReached as error:
                await self._away(error)
                continue
            except Lost as error:
                cuts += 1
                if cuts >= CUTS:
                    return Asked(
                        Answer(502, _body_of(f"the connection broke {cuts} times: {error}")), tries + cuts
                    )
                await self._away(error)
                continue
            finally:
                self._pace.leave(flow, entered, status, after_s)
            if await self._no_money(batch, answer):
                return None
            if status == 429:
                continue  # the pace waits as long as it must
            tries += 1
            if (status < 500 and status != 408) or tries >= TRIES:
                count = told(answer)
                self._standing.spend(batch.id, count.cost_nano_usd)
                return Asked(answer, tries + cuts, count)
            await asyncio.sleep(after_s or min(self._timing.backoff_s * 4 ** (tries - 1), LONGEST_S))

    async def _turn(self, batch: BatchRow, flow: str) -> float | None:
        """When its turn came; None where the batch may not go on, which a long rest must not hide."""
        while True:
            try:
                async with asyncio.timeout(2 * self._timing.look_s):
                    return await self._pace.enter(flow)
            except TimeoutError:
                if not self._standing.may_go(batch.id):
                    return None

    async def _no_money(self, batch: BatchRow, answer: Answer) -> bool:
        """Whether the batch has to wait, and was told so."""
        if answer.status == 202:  # a plan without room keeps requests for later: this one we keep ourselves
            try:
                await self._gateway.drop(batch, answer.location)
            except (Lost, NotReached) as error:
                log.warning("batch %s: a queued request may be run as well: %s", batch.id, error)
            note = f"{SHORT_OF_MONEY}the plan of its key has no room"
        elif answer.status == 402:
            note = f"{SHORT_OF_MONEY}{complaint(answer)}"
        elif answer.status == 401:
            note = f"its key is refused: {complaint(answer)}"
        else:
            return False
        await self._standing.pause(batch.id, note)
        return True

    async def _away(self, error: Exception) -> None:
        """No gateway answers: it is being started again, or gone."""
        if not self._away_s:
            log.warning("batches: %s; trying again until it answers", error)
        self._away_s = min(max(self._away_s * 2, self._timing.away_s), 10.0)
        await asyncio.sleep(self._away_s)


def _cost_note(batch: BatchRow) -> str:
    most = (batch.max_cost_nano_usd or 0) / 1e9
    return f"its cost has reached the ${most:.6g} that were allowed; raise that and resume it"


def _body_of(message: str) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": "upstream_error", "code": 502}})
