"""Who asks: the key of a request, and whether it may administrate, everybody or its team."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from tokenworks.errors import Forbidden, Unauthorized
from tokenworks.plans.keys import Key, KeyBook

# Only for the description: the header is read by hand, so that this door and the hot paths' agree.
_BEARER = HTTPBearer(scheme_name="bearer", auto_error=False)
_API_KEY = APIKeyHeader(name="x-api-key", scheme_name="apiKey", auto_error=False)


async def caller(
    request: Request, _bearer: object = Security(_BEARER), _key: object = Security(_API_KEY)
) -> Key:
    """The key that came with the request. Raises Unauthorized without one that is valid.

    On the loop, because the key book belongs to it.
    """
    headers = request.headers
    given = headers.get("authorization") or headers.get("x-api-key")
    if not given:
        raise Unauthorized("no API key; send 'Authorization: Bearer KEY' (tokenworks key create NAME)")
    token = given[7:].strip() if given[:7].lower() == "bearer " else given
    keys: KeyBook = request.app.state.keys
    key = keys.check(token.encode("latin-1", "replace"))
    if key is None:
        raise Unauthorized("this API key is not valid here; tokenworks key list shows the keys")
    return key


async def admin(key: Annotated[Key, Depends(caller)]) -> Key:
    """The same for what only administrators may do. Raises Forbidden for other keys."""
    if key.role != "admin":
        raise Forbidden("an admin key is needed here (tokenworks key create NAME --admin)")
    return key


async def manager(key: Annotated[Key, Depends(caller)]) -> Key:
    """The same for what managers may do for their team, and administrators for all.

    What belongs to whose team is for ``reach`` to tell. Raises Forbidden for other keys, and for a manager
    of no team.
    """
    if key.role == "admin":
        return key
    if key.role != "manager":
        raise Forbidden(
            "an admin's or a manager's key is needed here "
            "(tokenworks key create NAME --admin, or --role manager --team TEAM)"
        )
    if not key.team_id:
        raise Forbidden(
            "this manager's key is in no team; an admin adds it: tokenworks team add-key TEAM KEY"
        )
    return key


Caller = Annotated[Key, Depends(caller)]
Admin = Annotated[Key, Depends(admin)]
Manager = Annotated[Key, Depends(manager)]
