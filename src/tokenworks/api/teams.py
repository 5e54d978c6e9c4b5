"""``/v1/teams``: keys that are managed and limited together."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from tokenworks.api.access import Admin, Manager
from tokenworks.api.answer import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    STRING,
    answers,
    holding,
    iso,
    listing,
    maybe,
    send,
)
from tokenworks.api.given import MAX_ID, RulesBody, find_team, printable, refusing
from tokenworks.api.key_card import told_rules
from tokenworks.api.limit_card import LIMIT, Limits
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.limit_rows import TeamRow
from tokenworks.ledger.store import Store
from tokenworks.plans import rules
from tokenworks.plans.keys import Key
from tokenworks.plans.sound import MAX_NAME, rules_from

router = APIRouter(tags=["teams"])

TEAM = holding(
    id=STRING,
    name=STRING,
    rules=OBJECT,
    keys=INTEGER,
    limits={"type": "array", "items": LIMIT},
    plan=maybe(STRING),
    created_at=STRING,
    updated_at=STRING,
)
ANSWER = holding(data=TEAM)
Team = Annotated[str, Path(max_length=MAX_ID, description="id (t_...) or name of a team")]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class NewTeam(BaseModel):
    """The body of POST."""

    name: Name
    rules: RulesBody | None = Field(None, description="what its keys may ask for, besides their own rules")


class TeamChange(BaseModel):
    """The body of PATCH: what is left out stays as it is."""

    name: Name | None = None
    rules: RulesBody | None = Field(None, description="a rule that is null is taken away, one left out stays")


@router.get("/teams", summary="Teams", responses=answers("Teams, by name", listing(TEAM), 401, 403, 503))
def list_teams(request: Request, who: Manager) -> Response:
    """All for an admin, its own for a manager."""
    store: Store = request.app.state.store
    rows = [each for each in store.teams() if who.role == "admin" or each.id == who.team_id]
    cards = Cards(store)
    return send({"data": [cards.of(each) for each in rows]})


@router.post(
    "/teams",
    status_code=201,
    summary="Make a team",
    responses=answers("The team", ANSWER, 400, 401, 403, 503, status=201),
)
def create_team(request: Request, who: Admin, body: NewTeam) -> Response:
    """Keys are put into it by their `team_id`; limits on it count what all of them use."""
    store: Store = request.app.state.store
    now_us = time.time_ns() // 1000
    with refusing():
        text = rules.write(rules_from(body.rules or {}, rules.NO_RULES))
    team = TeamRow("t_" + secrets.token_hex(8), printable(body.name), text, now_us, now_us)
    if not store.add_team(team, actor=who.id):
        raise _taken()
    return send({"data": Cards(store).of(team)}, 201)


@router.get("/teams/{team}", summary="One team", responses=answers("The team", ANSWER, 401, 403, 404, 503))
def get_team(request: Request, who: Manager, team: Team) -> Response:
    """With its rules, its plan and how its limits stand."""
    store: Store = request.app.state.store
    return send({"data": Cards(store).of(_visible(store, who, team))})


@router.patch(
    "/teams/{team}",
    summary="Rename a team, or change its rules",
    responses=answers("The team as it is now", ANSWER, 400, 401, 403, 404, 503),
)
def change_team(request: Request, who: Admin, team: Team, body: TeamChange) -> Response:
    """In force within half a second."""
    state = request.app.state
    store: Store = state.store
    if body.name is None and body.rules is None:
        raise BadRequest("nothing to change; send name or rules")
    with state.store.turn():
        row = find_team(store, team)
        if body.name is not None and any(
            each.name == body.name and each.id != row.id for each in store.teams()
        ):
            raise _taken()
        name = None if body.name is None else printable(body.name)
        with refusing():
            text = None if body.rules is None else rules.write(rules_from(body.rules, rules.read(row.rules)))
        changed = store.update_team(row.id, name=name, rules=text, actor=who.id)
    if changed is None:
        raise NotFound("no team has that id or name; GET /v1/teams lists them")
    return send({"data": Cards(store).of(changed)})


@router.delete(
    "/teams/{team}",
    summary="Remove a team",
    responses=answers("It is gone", holding(deleted=BOOLEAN), 401, 403, 404, 503),
)
def delete_team(request: Request, who: Admin, team: Team) -> Response:
    """With its limits and its plan. Its keys stay, and are in no team: what limits them is their own."""
    store: Store = request.app.state.store
    store.remove_team(find_team(store, team).id, actor=who.id)
    return send({"deleted": True})


class Cards:
    """Describes teams; what all have in common is read once."""

    def __init__(self, store: Store) -> None:
        self._limits = Limits(store)
        every = store.keys()
        self._keys = Counter(row.team_id for row in every if row.revoked_us is None)
        self._plans = {(each.scope, each.subject): each.plan for each in store.subscriptions()}

    def of(self, team: TeamRow) -> dict[str, Any]:
        """One team."""
        limits = self._limits.of("team", team.id)
        self._limits.look(limits)
        return {
            "id": team.id,
            "name": team.name,
            "rules": told_rules(team.rules),
            "keys": self._keys[team.id],
            "limits": [self._limits.tell(each) for each in limits],
            "plan": self._plans.get(("team", team.id)),
            "created_at": iso(team.created_us),
            "updated_at": iso(team.updated_us),
        }


def _visible(store: Store, who: Key, name: str) -> TeamRow:
    row = find_team(store, name)
    if who.role != "admin" and row.id != who.team_id:
        raise NotFound("no team has that id or name; GET /v1/teams lists yours")
    return row


def _taken() -> BadRequest:
    return BadRequest("name: there is a team of that name; take another one")
