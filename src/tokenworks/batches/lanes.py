"""A group of a batch's parts: asks for each that is not settled, and keeps what came of it at once.

Executed a second time it finds what is settled and goes on behind it. Requests stand for themselves; parts of
a recipe's lane come one after the other, and what settled ones have taught is learnt anew from what was kept.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

import msgspec

from tokenworks.batches.asking import Asking
from tokenworks.batches.calling import Told, Unreadable, complaint, said
from tokenworks.batches.kept import Outcome, kept, outcome_of, part_of
from tokenworks.batches.lines import NOTHING, answered
from tokenworks.batches.native.natives import State, state_of
from tokenworks.batches.patience import Patience
from tokenworks.batches.recipes.recipe import Ask, Memory, Part, Recipe, Said, least_bad
from tokenworks.batches.settling import Settling
from tokenworks.batches.standing import Standing
from tokenworks.catalog import auto
from tokenworks.ledger.batched import DONE, FAILED, REQUESTS, WAITING, BatchRow, PartRow
from tokenworks.ledger.store import Store

GROUPS = 64  # of a batch, at most
LEAST = 16  # requests in a group, so that a small batch does not become many
PAGE = 100  # parts that are read at once
TRIES = 2  # of the model, and as many of the stronger one
CHAT = "/v1/chat/completions"
STRONGER = "stronger_model"  # the option of a recipe's batch that names it
Find = Callable[[str], Recipe]


def group_size(total: int) -> int:
    """Requests in each group of a batch of ``total``."""
    return max(LEAST, math.ceil(total / GROUPS))


class Lanes:
    """Of one worker. Use from one loop."""

    def __init__(
        self,
        store: Store,
        patience: Patience,
        thinking: Patience,
        asking: Asking,
        settling: Settling,
        standing: Standing,
        find: Find,
        side_by_side: int,
    ) -> None:
        """``thinking``: threads in which recipes ask and check, however long that takes.

        ``find`` gives the recipe of a name; so many parts of a group are under way at a time.
        """
        self._thinking = thinking
        self._store, self._patience = store, patience
        self._asking, self._settling, self._standing = asking, settling, standing
        self._find = find
        self._side_by_side = side_by_side

    async def count(self, batch: BatchRow) -> int:
        """How many groups it has; the same each time it is asked."""
        if batch.kind == REQUESTS:
            return math.ceil(batch.total / group_size(batch.total))
        return min(len(await self._patience.sure(self._store.batch_lanes, batch.id)), GROUPS)

    async def group(self, batch: BatchRow, number: int) -> None:
        """Until all its parts are settled, or the batch may not go on."""
        if batch.kind == REQUESTS:
            size = group_size(batch.total)
            await self._requests(batch, number * size, (number + 1) * size)
            return
        recipe = await self._thinking.once(self._find, batch.kind)
        found = await self._patience.sure(kept, self._store, batch.id)
        assert found is not None, "a batch has groups once it was split"
        lanes = await self._patience.sure(self._store.batch_lanes, batch.id)
        async with asyncio.TaskGroup() as tasks:
            for each in lanes[number::GROUPS]:
                tasks.create_task(_Lane(self, batch, recipe, found.shared, each.lane).run())

    async def _keep(self, part: PartRow) -> None:
        await self._settling.keep(part)
        self._standing.kept(part.batch_id, part.cost_nano_usd)

    # --- requests

    async def _requests(self, batch: BatchRow, first: int, until: int) -> None:
        page: deque[PartRow] = deque()
        state = await self._patience.sure(state_of, self._store, batch) or State()
        handed_in = state.taken
        self._standing.promise(batch.id, state.expected_nano_usd)
        turn = asyncio.Lock()
        last = first - 1

        async def next_part() -> PartRow | None:
            nonlocal last
            async with turn:
                while not page and last + 1 < until:
                    found = await self._patience.sure(
                        self._store.parts,
                        batch.id,
                        after_seq=last,
                        until_seq=until,
                        limit=PAGE,
                        status=WAITING,
                    )
                    last = found[-1].seq if len(found) == PAGE else until
                    page.extend(part for part in found if part.seq not in handed_in)
                return page.popleft() if page else None

        async def work() -> None:
            while self._standing.may_go(batch.id) and (part := await next_part()) is not None:
                if not await self._request(batch, part):
                    return

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._side_by_side, until - first)):
                tasks.create_task(work())

    async def _request(self, batch: BatchRow, part: PartRow) -> bool:
        """False where nothing more is to be asked now."""
        if part.request == NOTHING:  # a line that was no request: tried again it is none either
            await self._settling.keep(msgspec.structs.replace(part, status=FAILED))
            return True
        model = _model.decode(part.request).model
        asked = await self._asking.ask(batch, part.seq, batch.endpoint, part.request, model)
        if asked is None:
            return False
        answer = asked.answer
        count = asked.told
        await self._keep(
            msgspec.structs.replace(
                part,
                status=DONE if answer.status == 200 else FAILED,
                tries=asked.tries,
                result=answered(answer.status, answer.generation_id, answer.body),
                model=count.model,
                input_tokens=count.input_tokens,
                output_tokens=count.output_tokens,
                cost_nano_usd=count.cost_nano_usd,
                generation_id=answer.generation_id,
            )
        )
        return True


class _Named(msgspec.Struct):
    model: str = ""


_model = msgspec.json.Decoder(_Named)


class _Lane:
    """One lane of a recipe's batch."""

    def __init__(self, room: Lanes, batch: BatchRow, recipe: Recipe, shared: Memory, lane: str) -> None:
        self._room, self._batch, self._recipe = room, batch, recipe
        self._shared, self._lane = shared, lane
        self._memory: Memory = {}
        self._think = room._thinking.once

    async def run(self) -> None:
        room, last = self._room, -1
        while rows := await room._patience.sure(
            room._store.parts, self._batch.id, after_seq=last, limit=PAGE, lanes=(self._lane,)
        ):
            for row in rows:
                part = part_of(row)
                checked = outcome_of(row).checked
                if row.status == WAITING:
                    if not room._standing.may_go(self._batch.id):
                        return
                    outcome = await self._work(row, part)
                    if outcome is None:
                        return
                    checked = outcome.checked
                if checked is not None:
                    self._memory = await self._think(
                        self._recipe.learn, part, self._shared, self._memory, checked
                    )
            last = rows[-1].seq

    async def _work(self, row: PartRow, part: Part) -> Outcome | None:
        """Ask until an answer is good, or there is no try left; None where the batch may not go on."""
        room, recipe = self._room, self._recipe
        tries = list(outcome_of(row).tries)
        models = self._models()
        made = row.tries
        while True:
            model, more = models[min(len(tries), len(models) - 1)]
            ask = await self._think(recipe.ask, part, self._shared, self._memory, tries)
            body = request_of(ask, model)
            asked = await room._asking.ask(self._batch, row.seq, CHAT, body, model, **more)
            if asked is None:
                return None
            made += asked.tries
            answer, count = asked.answer, asked.told
            try:
                if answer.status != 200:
                    raise Unreadable(complaint(answer))
                text, finish, by = said(answer)
            except Unreadable as error:
                outcome = Outcome(None, tuple(tries), error.message)
                await self._settle(row, FAILED, outcome, made, count, answer.generation_id)
                return outcome
            checked = await self._think(
                recipe.check, part, self._shared, self._memory, Said(text, finish, by)
            )
            over = checked.ok or len(tries) + 1 >= len(models)
            best = least_bad([*tries, checked]) if over else None
            others = tuple(each for each in (*tries, checked) if each is not best)
            outcome = Outcome(best, others, finish=finish)
            await self._settle(row, DONE if over else WAITING, outcome, made, count, answer.generation_id)
            if over:
                return outcome
            tries.append(checked)
            if not room._standing.may_go(self._batch.id):
                return None

    def _models(self) -> list[tuple[str, dict[str, str]]]:
        """Which model each try asks, and by which further headers."""
        model = self._batch.model
        options = msgspec.json.decode(self._batch.options)
        stronger = options.get(STRONGER) or ""
        first: tuple[str, dict[str, str]] = (model, {})
        if stronger:
            return [first] * TRIES + [(stronger, {})] * TRIES
        if model in auto.AUTO_NAMES:
            return [first] * TRIES + [(model, {"x-tokenworks-quality": "1"})] * TRIES
        return [first] * TRIES

    async def _settle(
        self, row: PartRow, status: str, outcome: Outcome, tries: int, count: Told, generation_id: str
    ) -> None:
        await self._room._keep(
            msgspec.structs.replace(
                row,
                status=status,
                tries=tries,
                result=msgspec.json.encode(outcome),
                model=count.model,
                input_tokens=count.input_tokens,
                output_tokens=count.output_tokens,
                cost_nano_usd=count.cost_nano_usd,
                generation_id=generation_id,
            )
        )


def request_of(ask: Ask, model: str) -> bytes:
    """What a recipe asks, as the body of a chat completion."""
    body: dict[str, object] = {"model": model, "messages": ask.messages}
    if ask.max_tokens is not None:
        body["max_tokens"] = ask.max_tokens
    if ask.temperature is not None:
        body["temperature"] = ask.temperature
    if ask.schema is not None:
        schema = {"name": "answer", "strict": True, "schema": ask.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return msgspec.json.encode(body)
