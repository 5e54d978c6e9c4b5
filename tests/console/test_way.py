"""Where a browser may be sent: never to another server."""

from __future__ import annotations

import pytest
from fastapi import Request

from tokenworks.console.way import HOME, here, inside, see, wants_secure


def request(path: str, query: str = "", method: str = "GET", **headers: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "scheme": "http",
            "server": ("tw", 80),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
    )


@pytest.mark.parametrize(
    "path", ["/console/", "/console/keys", "/console/activity?model=a%2Fb&sort=-cost", "/console/keys/k_1#x"]
)
def test_pages_of_the_console_are_gone_to(path: str) -> None:
    assert inside(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "https://evil.example/console/",
        "//evil.example/console/",
        "/console//evil.example",
        "/\\evil.example/console/",
        "/console/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/console/../v1/keys",
        "/console/%2e%2e/v1/keys",  # which browsers take for the same
        "/console/.%2E/docs",
        "/console",
        "/consoles/",
        "/v1/keys",
        "/docs",
        "console/keys",
        "/console/keys\r\nset-cookie: a=b",
        "/console/ keys",
        "/console/ключ",
        "http://[",
        "/console/sign-in?next=/console/",
        "/console/" + "x" * 3000,
    ],
)
def test_everything_else_leads_home(path: str) -> None:
    assert inside(path) == HOME


def test_here_is_the_page_itself_if_it_can_be_asked_for_again() -> None:
    assert here(request("/console/activity", "q=%3Cb%3E")) == "/console/activity?q=%3Cb%3E"
    assert here(request("/console/models/a b/ü")) == "/console/models/a%20b/%C3%BC"
    assert here(request("/console/keys", method="POST")) == HOME


def test_after_a_form_comes_a_get() -> None:
    answer = see("/console/keys")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/keys")


def test_tls_is_seen_also_behind_a_proxy() -> None:
    assert not wants_secure(request("/"))
    assert wants_secure(request("/", x_forwarded_proto="https"))
    assert wants_secure(request("/", x_forwarded_proto="HTTPS, http"))
    assert not wants_secure(request("/", x_forwarded_proto="http, https"))
