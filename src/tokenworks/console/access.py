"""Who looks at a page: an administrator's session, or nobody where the page is public."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request

from tokenworks.console.form import Form, same_origin, urlencoded
from tokenworks.console.session import COOKIE, Session, mark
from tokenworks.console.site import Site, site_of
from tokenworks.console.way import HOME, here
from tokenworks.errors import Forbidden
from tokenworks.plans.keys import Key

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


class SignInNeeded(Exception):
    """Nobody is signed in: show the sign-in page, then go to ``path``."""

    def __init__(self, path: str = HOME) -> None:
        super().__init__(path)
        self.path = path


def holder(site: Site, session: Session) -> Key | None:
    """The administrator whose session this is; None once it has ended. On the loop, as the key book is."""
    key = site.keys.named(session.key_id)
    if key is None or key.role != "admin" or not hmac.compare_digest(mark(key), session.of):
        return None
    if key.expires_us is not None and key.expires_us <= site.now_us():
        return None
    return key


async def anybody(request: Request) -> Key | None:
    """The administrator who is signed in, or None.

    What it finds is kept in ``request.state`` for the page.
    """
    site = site_of(request)
    session = site.signer.read(request.cookies.get(COOKIE, ""))
    key = holder(site, session) if session is not None else None
    request.state.session, request.state.key = (session if key is not None else None), key
    return key


async def signed_in(request: Request, key: Annotated[Key | None, Depends(anybody)]) -> Key:
    """The administrator who is signed in; others are led to the sign-in page."""
    if key is None:
        raise SignInNeeded(here(request))
    return key


async def visitor(request: Request, key: Annotated[Key | None, Depends(anybody)]) -> Key | None:
    """The same for pages that may be public: None for somebody who is not signed in and need not be."""
    if key is None and not site_of(request).settings.rankings.public:
        raise SignInNeeded(here(request))
    return key


async def posted(request: Request, key: Annotated[Key, Depends(signed_in)]) -> Form:
    """The form that an administrator sent from one of our own pages. Raises Forbidden for any other."""
    same_origin(request)
    form = await urlencoded(request)
    given = request.headers.get(CSRF_HEADER) or form.text(CSRF_FIELD)
    if not hmac.compare_digest(given.encode(), request.state.session.csrf.encode()):
        raise Forbidden("this form is not from your present session; go back, reload the page, send it again")
    return form.by(key)


SignedIn = Annotated[Key, Depends(signed_in)]
Visitor = Annotated[Key | None, Depends(visitor)]
Posted = Annotated[Form, Depends(posted)]
