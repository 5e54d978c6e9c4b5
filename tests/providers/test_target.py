"""Where requests go: from configuration alone, with nothing in a head that does not belong there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tokenworks import __version__
from tokenworks.config.settings import ProviderSettings, UpstreamSettings
from tokenworks.errors import ConfigError
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers.target import Targets
from tokenworks.schema import Endpoint, Price, Provider

PRICE = Price("p", 1.0, 2.0)


def endpoint(model: str = "acme/fast", upstream_id: str = "fast-1") -> Endpoint:
    return Endpoint(model, "acme", upstream_id, PRICE, 8192)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop)
    yield Pool(loop, UpstreamSettings(), sweeper)
    sweeper.stop()


def made(
    pool: Pool, base_url: str, *, secret: str = "", settings: ProviderSettings | None = None, **fields: Any
) -> Targets:
    provider = Provider("acme", "Acme", "openai_chat", base_url, **fields)
    return Targets(
        pool, {"acme": provider}, {"acme": secret} if secret else {}, {"acme": settings} if settings else {}
    )


def lines(targets: Targets) -> list[str]:
    return targets.of(endpoint()).head.decode("latin-1").split("\r\n")


async def test_a_target(pool: Pool) -> None:
    targets = made(pool, "https://api.acme.example/v1/", secret="sk-1", headers=(("x-org", "ö"),))
    assert lines(targets) == [
        "POST /v1/chat/completions HTTP/1.1",
        "host: api.acme.example",
        f"user-agent: tokenworks/{__version__}",
        "accept: application/json, text/event-stream",
        "accept-encoding: identity",
        "content-type: application/json",
        "authorization: Bearer sk-1",
        "x-org: ö",
        "content-length: ",
    ]
    target = targets.of(endpoint())
    assert bytes(target.upstream_id) == b'"fast-1"'
    assert target.names == b'"model":"acme/fast","provider":"acme",'
    assert (target.origin.host, target.origin.port) == ("api.acme.example", 443)
    assert target.origin.tls is not None
    assert target.origin.tls.verify_mode == ssl.CERT_REQUIRED
    assert target.origin.tls.check_hostname
    assert not target.origin.allow_private


@pytest.mark.parametrize(
    ("base_url", "line", "host", "port", "tls"),
    [
        ("http://127.0.0.1:9001/v1", "/v1", "127.0.0.1:9001", 9001, False),
        ("http://localhost", "", "localhost", 80, False),
        ("https://h/", "", "h", 443, True),
        ("HTTPS://API.Example:8443/a/b//", "/a/b", "api.example:8443", 8443, True),
        ("http://[::1]:8000/v1", "/v1", "[::1]:8000", 8000, False),
        ("http://[2001:db8::1]/v1", "/v1", "[2001:db8::1]", 80, False),
        ("https://h/v1%20x", "/v1%20x", "h", 443, True),
    ],
)
async def test_addresses(pool: Pool, base_url: str, line: str, host: str, port: int, tls: bool) -> None:
    targets = made(pool, base_url, allow_private=True)
    assert lines(targets)[:2] == [f"POST {line}/chat/completions HTTP/1.1", f"host: {host}"]
    origin = targets.of(endpoint()).origin
    assert (origin.port, origin.tls is not None, origin.allow_private) == (port, tls, True)
    assert "[" not in origin.host


@pytest.mark.parametrize(
    ("auth", "secret", "header"),
    [
        ("bearer", "k", "authorization: Bearer k"),
        ("x-api-key", "k", "x-api-key: k"),
        ("none", "k", None),
        ("bearer", "", None),
        ("x-api-key", "", None),
    ],
)
async def test_credentials(pool: Pool, auth: str, secret: str, header: str | None) -> None:
    found = [
        line
        for line in lines(made(pool, "https://h/v1", auth=auth, secret=secret))
        if line.startswith(("authorization", "x-api-key"))
    ]
    assert found == ([header] if header else [])


@pytest.mark.parametrize(
    "base_url", ["", "h", "h:80/v1", "ftp://h/v1", "https://", "https:///v1", "//h/v1", "unix:/x"]
)
async def test_what_is_no_address(pool: Pool, base_url: str) -> None:
    with pytest.raises(ConfigError, match="provider acme: base_url"):
        made(pool, base_url).of(endpoint())


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        ("k\r\nx: y", ()),
        ("k\nx: y", ()),
        ("", (("x", "a\r\nevil: 1"),)),
        ("", (("x\r\nevil", "1"),)),
        ("", (("x", "a\rb"),)),
    ],
)
async def test_no_line_breaks_in_a_head(pool: Pool, secret: str, headers: Any) -> None:
    with pytest.raises(ConfigError, match="line break") as caught:
        made(pool, "https://h/v1", secret=secret, headers=headers).of(endpoint())
    assert "k" not in str(caught.value).replace("key", "").replace("break", ""), "a secret in an error"


async def test_a_path_cannot_break_the_first_line(pool: Pool) -> None:
    for base_url in ("https://h/v1\r\nx: y", "https://h/\nv1"):
        try:
            targets = made(pool, base_url)
            head = targets.of(endpoint()).head
        except ConfigError:
            continue
        assert head.count(b"\r\n") == 6
        assert b"\nx: y" not in head


async def test_targets_are_made_once(pool: Pool) -> None:
    targets = made(pool, "https://h/v1")
    first, other = endpoint(), endpoint("acme/big", "big-1")
    assert targets.of(first) is targets.of(first)
    assert targets.of(other) is not targets.of(first)
    assert targets.of(other).origin is targets.of(first).origin
    assert bytes(targets.of(other).upstream_id) == b'"big-1"'


async def test_an_endpoint_with_a_new_price_gets_its_own_target(pool: Pool) -> None:
    """Prices are refreshed while serving: the answer must not keep names or ids of the old row."""
    targets = made(pool, "https://h/v1")
    for number in range(300):
        fresh = endpoint("acme/fast", f"fast-{number}")
        target = targets.of(fresh)
        assert target.endpoint is fresh
        assert bytes(target.upstream_id) == b'"fast-%d"' % number
        del fresh


async def test_more_trust_for_one_provider_is_not_trust_for_all(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    with_ca = made(pool, "https://h/v1", settings=ProviderSettings(ca_file=str(file))).of(endpoint())
    without = made(pool, "https://h/v1").of(endpoint())
    assert with_ca.origin is not without.origin
    assert with_ca.origin.tls is not without.origin.tls
