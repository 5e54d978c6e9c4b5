"""What administrators send: how it is described, and how it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from pydantic import Field, WithJsonSchema

from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.limit_rows import PlanRow, TeamRow
from tokenworks.ledger.store import Store
from tokenworks.plans.rules import Rules
from tokenworks.plans.spec import PlanSpec

MAX_ID = 128
MAX_LIMITS = 50

Schema = dict[str, Any]


def schema_of(kind: type[msgspec.Struct]) -> Schema:
    """The JSON Schema of a struct, whole: nothing in it points elsewhere."""
    (top,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    found = _whole(top, parts)
    assert isinstance(found, dict)
    return found


def _whole(value: Any, parts: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_whole(each, parts) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _whole(parts[value["$ref"]], parts)
    return {name: _whole(each, parts) for name, each in value.items()}


RULES_SCHEMA = schema_of(Rules)
PLAN_SCHEMA = {**schema_of(PlanSpec), "required": []}  # its name is in the path
# Described as the struct is, read as any object: the struct itself is the judge, with one line of its own.
RulesBody = Annotated[dict[str, Any], WithJsonSchema(RULES_SCHEMA)]
PlanBody = Annotated[dict[str, Any], WithJsonSchema(PLAN_SCHEMA)]
LimitTexts = Annotated[list[Annotated[str, Field(max_length=MAX_ID)]], Field(max_length=MAX_LIMITS)]
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID)]


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """``ValueError`` of what was given is a BadRequest with the same line."""
    try:
        yield
    except ValueError as error:
        raise BadRequest(str(error)) from None


def printable(name: str, field: str = "name") -> str:
    """``name`` if a list can show it. Raises BadRequest."""
    if not name.isprintable() or not name.strip():
        raise BadRequest(f"{field} must be something that can be printed on one line")
    return name


def find_team(store: Store, name: str) -> TeamRow:
    """The team with this id or name. Raises NotFound."""
    for team in store.teams():
        if name in (team.id, team.name):
            return team
    raise NotFound("no team has that id or name; GET /v1/teams lists them")


def find_plan(store: Store, name: str) -> PlanRow:
    """The plan of this name. Raises NotFound."""
    for plan in store.plans():
        if plan.name == name:
            return plan
    raise NotFound("no plan has that name; GET /v1/plans lists them")
