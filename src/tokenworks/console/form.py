"""Forms as browsers post them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from tokenworks.errors import BadRequest, Forbidden, TooLarge
from tokenworks.plans.keys import Key

MAX_BODY = 1 << 20
MAX_OPEN = 1 << 14  # of a form that anybody may send
LONG = 1 << 14  # from here on a form is taken apart in a thread: the worst of MAX_BODY take a second
MAX_FIELDS = 1000
MAX_TEXT = 500


class Form:
    """The fields of a posted form. ``key`` is who posted it, None where nobody need be signed in."""

    def __init__(self, fields: dict[str, list[str]], key: Key | None = None) -> None:
        self.fields = fields
        self._key = key

    @property
    def key(self) -> Key:
        """The administrator who posted it; what is changed is noted under its id."""
        if self._key is None:
            raise RuntimeError("nobody is signed in here; use Posted")
        return self._key

    def by(self, key: Key) -> Form:
        """The same, posted by ``key``."""
        return Form(self.fields, key)

    def text(self, name: str, default: str = "", *, limit: int = MAX_TEXT) -> str:
        """A field without white space around it. Raises BadRequest when it is longer than ``limit``."""
        text = self.fields.get(name, [default])[0].strip()
        if len(text) > limit:
            raise BadRequest(f"{name}: {len(text)} characters; {limit} at most")
        return text

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.text(name))

    def all(self, name: str) -> list[str]:
        """Every value of a field that may come several times."""
        return self.fields.get(name, [])

    def number(self, name: str, default: float | None = None) -> float | None:
        """A finite number; ``default`` where the field is empty. Raises BadRequest for anything else."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise BadRequest(f"{name}: {text[:40]!r} is no number") from None
        if value - value != 0:  # inf or nan
            raise BadRequest(f"{name}: write a finite number")
        return value


async def urlencoded(request: Request, most: int = MAX_BODY) -> Form:
    """The form in a request's body of at most so many bytes. Raises BadRequest or TooLarge."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" and (kind or await request.body()):
        raise BadRequest("send the form as application/x-www-form-urlencoded")
    body = await request.body()
    if len(body) > most:
        raise TooLarge(f"this form has {most} bytes at most")
    try:
        return Form(await run_in_threadpool(_fields, body) if len(body) > LONG else _fields(body))
    except ValueError:
        raise BadRequest("the form can't be read; send UTF-8 and fewer fields") from None


def _fields(body: bytes) -> dict[str, list[str]]:
    """Raises ValueError."""
    return parse_qs(
        body.decode("ascii"),
        keep_blank_values=True,
        encoding="utf-8",
        errors="strict",
        max_num_fields=MAX_FIELDS,
    )


def same_origin(request: Request) -> None:
    """Raises Forbidden where a browser says that another site's page sent this.

    Old browsers don't say where from, and with the pages' policy of no referrer all say that the origin is
    "null"; the token of a form decides then.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    ours = origin in ("null", "") or _host(origin) == request.headers.get("host")
    if not (site in ("same-origin", "none") if site else ours):
        raise Forbidden("this form was sent from another site; open the console and send it from there")


def _host(origin: str) -> str | None:
    """With its port; None where this is no origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
