"""Forms as they come, and those that come from elsewhere."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs

import pytest
from fastapi import Request

from tokenworks.console import form as forms
from tokenworks.console.form import LONG, MAX_BODY, MAX_FIELDS, MAX_OPEN, Form, same_origin, urlencoded
from tokenworks.errors import BadRequest, Forbidden, TooLarge
from tokenworks.plans.keys import Key

KIND = "application/x-www-form-urlencoded"


def request(body: bytes = b"", **headers: str) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    given = {"content_type": KIND, **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


async def test_fields_are_read() -> None:
    form = await urlencoded(request(b"name=+M%C3%BCller+&tag=a&tag=b&on=1&price=1.5&empty="))
    assert form.text("name") == "Müller"
    assert form.text("none", "else") == "else"
    assert form.all("tag") == ["a", "b"] and form.all("none") == []
    assert form.flag("on") and not form.flag("empty") and not form.flag("none")
    assert form.number("price") == 1.5
    assert form.number("empty") is None and form.number("empty", 3) == 3


async def test_what_cannot_be_is_refused_with_the_fields_name() -> None:
    form = Form({"n": ["12x"], "inf": ["inf"], "nan": ["nan"], "long": ["x" * 501]})
    for name in ("n", "inf", "nan"):
        with pytest.raises(BadRequest, match=name):
            form.number(name)
    with pytest.raises(BadRequest, match="long: 501 characters; 500 at most"):
        form.text("long")
    assert len(form.text("long", limit=1000)) == 501


async def test_bodies_that_are_no_form_are_refused() -> None:
    with pytest.raises(BadRequest, match="x-www-form-urlencoded"):
        await urlencoded(request(b"{}", content_type="application/json"))
    with pytest.raises(BadRequest):
        await urlencoded(request(b"a=1", content_type=""))
    assert (await urlencoded(request(b"", content_type=""))).fields == {}
    with pytest.raises(TooLarge):
        await urlencoded(request(b"a=" + b"x" * MAX_BODY))
    with pytest.raises(TooLarge, match=str(MAX_OPEN)):
        await urlencoded(request(b"a=" + b"x" * MAX_OPEN), MAX_OPEN)
    for body in (b"a=%ff", b"a=\xff", b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1))):
        with pytest.raises(BadRequest, match="can't be read"):
            await urlencoded(request(body))


async def test_long_forms_do_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is worst to take apart takes a second, and requests of the gateway are served on this loop."""
    threads = []

    def noted(body: bytes, **more: object) -> dict[str, list[str]]:
        threads.append(threading.get_ident())
        return parse_qs(body, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(forms, "parse_qs", noted)
    here = threading.get_ident()
    assert (await urlencoded(request(b"a=1"))).text("a") == "1"
    assert len((await urlencoded(request(b"a=" + b"%41" * LONG))).fields["a"][0]) == LONG
    assert threads[0] == here and threads[1] != here
    assert MAX_OPEN <= LONG


def test_who_posted_is_known_only_where_somebody_must_be() -> None:
    form = Form({})
    with pytest.raises(RuntimeError):
        _ = form.key
    assert form.by(Key("k_1", "root", "admin")).key.id == "k_1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "same-origin", "origin": "null"},  # as browsers do under no-referrer
        {"sec_fetch_site": "none"},
        {"origin": "http://tw:8642", "host": "tw:8642"},
        {"origin": "null"},
    ],
)
def test_our_own_forms_are_taken(headers: dict[str, str]) -> None:
    same_origin(request(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site", "origin": "null"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://tw:8642", "host": "tw:8642"},
        {"origin": "http://evil.example", "host": "tw:8642"},
        {"origin": "http://tw:1", "host": "tw:8642"},
        {"origin": "http://[", "host": "tw:8642"},
        {"origin": "tw:8642", "host": "tw:8642"},
    ],
)
def test_forms_of_others_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden, match="another site"):
        same_origin(request(**headers))
