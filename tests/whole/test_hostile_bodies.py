"""Bodies that no client sends, at every path and for providers of every wire: an answer or a clear error."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from client_requests import AGENT_CHAT, AGENT_MESSAGES, AGENT_RESPONSES
from full_requests import BODIES, request_for
from mutations import LONG, REPLACEMENTS, at, doubled, encoded, paths, replaced, without
from siege import PROVIDERS, Met, besieged, complaint, obliging

from tokenworks.http.timers import TICK_S

AGENTS = {
    "/v1/chat/completions": {**AGENT_CHAT, "stop": []},
    "/v1/messages": AGENT_MESSAGES,
    "/v1/responses": AGENT_RESPONSES,
}
KINDS = (*REPLACEMENTS, "gone", "twice")
KINDS_A_NODE = 2  # for each provider; the next provider gets the next ones
AT_RANDOM = 1000
# Only what is still JSON is worth more than one at a time.
JSON_KINDS = [
    name
    for name in REPLACEMENTS
    if name not in ("NaN", "Infinity", "nothing", "half", "raw control", "not UTF-8", "nested deeper")
]
LONGEST_ERROR = 2500  # bytes


def fault(path: str, met: Met) -> str:
    """What is wrong with the answer to a hostile request; empty when nothing is."""
    found = complaint(path, met)
    heard = met.heard
    if heard.status not in (200, 400, 404):
        found += f"; status {heard.status}: {heard.body[:300]!r}"
    if heard.status != 200 and len(heard.body) > LONGEST_ERROR:
        found += f"; an error of {len(heard.body)} bytes"
    if met.asked and met.records and heard.status == 200:
        told = json.loads(met.asked[-1].body.decode("utf-8", "surrogateescape"), parse_int=str)["model"]
        if told != met.records[0].provider:
            found += f"; {told} was asked and {met.records[0].provider} recorded"
    return found


def made(body: dict[str, Any], where: tuple[str | int, ...], kind: str) -> bytes | None:
    """``body`` with one node made hostile; None where that can't be."""
    if kind == "gone":
        return without(body, where) if where else None
    if kind == "twice":
        return doubled(body, where) if where and isinstance(where[-1], str) else None
    return replaced(body, where, REPLACEMENTS[kind])


@pytest.mark.parametrize("path", BODIES)
async def test_valid_bodies_are_answered(path: str, tmp_path: Path) -> None:
    """Or nothing below would go any further than the front."""
    async with besieged(tmp_path / "home", obliging) as siege:
        for name in PROVIDERS:
            for stream in (False, True):
                for valid in filter(None, (BODIES[path], AGENTS.get(path))):
                    body = request_for(valid, name, path, stream)
                    met = await siege.post(path, json.dumps(body).encode())
                    assert fault(path, met) == ""
                    assert met.heard.status == 200, (name, met.heard.body)


@pytest.mark.parametrize("path", BODIES)
async def test_one_node_is_not_what_it_should_be(path: str, tmp_path: Path) -> None:
    bad: dict[str, str] = {}
    statuses: set[int] = set()
    used: set[str] = set()
    async with besieged(tmp_path / "home", obliging) as siege:
        for turn, name in enumerate(PROVIDERS):
            for valid in filter(None, (BODIES[path], AGENTS.get(path))):
                body = request_for(valid, name, path, stream=turn % 2 == 1)
                for number, where in enumerate(paths(body)):
                    first = (number * len(PROVIDERS) + turn) * KINDS_A_NODE
                    for kind in (KINDS[(first + more) % len(KINDS)] for more in range(KINDS_A_NODE)):
                        data = made(body, where, kind)
                        if data is None:
                            continue
                        met = await siege.post(path, data)
                        used.add(kind)
                        statuses.add(met.heard.status)
                        if problem := fault(path, met):
                            bad.setdefault(problem[:200], f"{name}: {kind} at {where}")
    assert bad == {}
    assert (used, {200, 400} <= statuses) == ({*KINDS}, True)


@pytest.mark.parametrize("path", BODIES)
async def test_text_of_a_megabyte_anywhere(path: str, tmp_path: Path) -> None:
    """No error repeats it, and nothing takes for ever."""
    bad: dict[str, str] = {}
    async with besieged(tmp_path / "home", obliging) as siege:
        for number, where in enumerate(paths(BODIES[path])):
            name = list(PROVIDERS)[number % len(PROVIDERS)]
            body = request_for(BODIES[path], name, path, stream=False)
            met = await siege.post(path, replaced(body, where, LONG))
            if problem := fault(path, met):
                bad.setdefault(problem[:200], f"{name}: {where}")
    assert bad == {}


@pytest.mark.parametrize("seed", [1, 2])
async def test_several_nodes_at_random(seed: int, tmp_path: Path) -> None:
    """Nodes of other wires and of other places of the same body among them."""
    dice = random.Random(seed)
    samples = [*BODIES.items(), *AGENTS.items()]
    bad: dict[str, str] = {}
    async with besieged(tmp_path / "home", obliging) as siege:
        for _ in range(AT_RANDOM):
            path, valid = dice.choice(samples)
            body = request_for(valid, dice.choice(list(PROVIDERS)), path, dice.random() < 0.5)
            data = shaken(body, [sample for _, sample in samples], dice)
            met = await siege.post(path, data)
            if problem := fault(path, met):
                bad.setdefault(problem[:200], repr(data[:2000]))
    assert bad == {}


def shaken(body: dict[str, Any], others: list[dict[str, Any]], dice: random.Random) -> bytes:
    """``body`` with up to four nodes changed, some of them by nodes of ``others``."""
    marks = {}
    for number in range(dice.randint(1, 4)):
        places = [where for where in paths(body) if where and where != ("model",)]
        if not places:
            break
        where = dice.choice(places)
        parent, what = at(body, where[:-1]), dice.random()
        if what < 0.15:
            del parent[where[-1]]
        elif what < 0.45:
            other = dice.choice(others)
            parent[where[-1]] = copy.deepcopy(at(other, dice.choice(list(paths(other)))))
        elif what < 0.55 and isinstance(parent, list):
            parent.insert(dice.randint(0, len(parent)), copy.deepcopy(dice.choice(parent)))
        else:
            mark = f"\ue000{number}\ue000"
            parent[where[-1]] = mark
            marks[json.dumps(mark)] = REPLACEMENTS[dice.choice(JSON_KINDS)]
    text = json.dumps(body)
    for mark, replacement in marks.items():
        text = text.replace(mark, replacement)
    return encoded(text)


async def test_what_can_not_be_read_leaves_the_connection_alone(tmp_path: Path) -> None:
    """A refused request must not be heard of again in the answers to later ones."""
    broken = json.dumps({**AGENT_MESSAGES, "model": "acme/echoing", "messages": [{"role": 1}]}).encode()
    asked = json.dumps(request_for(BODIES["/v1/messages"], "messages", "/v1/messages", True)).encode()
    async with besieged(tmp_path / "home", obliging) as siege:
        siege.door.gateway.comment_after_s = 0.05  # what waits would be told so by now
        for _ in range(3):
            met = await siege.post("/v1/messages", broken)
            assert (met.heard.status, fault("/v1/messages", met)) == (400, "")
        await asyncio.sleep(4 * TICK_S)
        met = await siege.post("/v1/messages", asked)
        assert (met.heard.status, fault("/v1/messages", met)) == (200, "")
