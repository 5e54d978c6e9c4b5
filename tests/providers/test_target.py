"""Where requests go: from configuration alone, with nothing in a head that does not belong there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tokenworks import __version__
from tokenworks.config.settings import ProviderKey, ProviderSettings, RoutingSettings, UpstreamSettings
from tokenworks.errors import BadRequest, ConfigError
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers import target as target_module
from tokenworks.providers.target import Target, Targets
from tokenworks.routing.health import Health
from tokenworks.schema import Endpoint, Price, Provider
from tokenworks.wire.pairs import CHAT, COMPLETIONS, COUNT, EMBEDDINGS, MESSAGES, RESPONSES

PRICE = Price("p", 1.0, 2.0)
CALLERS = (CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT, EMBEDDINGS)


def endpoint(model: str = "acme/fast", upstream_id: str = "fast-1", **more: Any) -> Endpoint:
    return Endpoint(model, "acme", upstream_id, PRICE, 8192, **more)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop)
    yield Pool(loop, UpstreamSettings(), sweeper)
    sweeper.stop()


def made(
    pool: Pool,
    base_url: str = "https://h/v1",
    *,
    wire: str = CHAT,
    secret: str = "",
    settings: ProviderSettings | None = None,
    keys: Mapping[str, Sequence[ProviderKey]] | None = None,
    **fields: Any,
) -> Targets:
    return Targets(
        pool,
        {"acme": Provider("acme", "Acme", wire, base_url, **fields)},
        {"acme": secret} if secret else {},
        {"acme": settings} if settings else {},
        keys or {},
    )


def lines(targets: Targets, caller: str = CHAT) -> list[str]:
    return targets.of(endpoint(), caller).head.decode("latin-1").split("\r\n")


def path(target: Target) -> str:
    return target.head.split(b" ")[1].decode()


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
    target = targets.of(endpoint(max_output_tokens=100, quirks=("max_completion_tokens",)), CHAT)
    assert bytes(target.upstream_id) == b'"fast-1"'
    assert (target.maker.upstream_id, target.maker.max_output_tokens) == ("fast-1", 100)
    assert target.maker.quirks == {"max_completion_tokens"} and not target.maker.strict
    assert (target.wire, target.replays, target.keyring) == (CHAT, False, None)
    assert (target.origin.host, target.origin.port) == ("api.acme.example", 443)
    assert target.origin.tls is not None
    assert target.origin.tls.verify_mode == ssl.CERT_REQUIRED
    assert target.origin.tls.check_hostname
    assert not target.origin.allow_private
    assert targets.of(endpoint(quirks=("echo_reasoning_content",)), CHAT).replays


# --- wires and paths ----------------------------------------------------------------------------

# wire of the provider → caller → its path
PATHS: dict[str, dict[str, str | None]] = {
    CHAT: {
        CHAT: "/chat/completions",
        COMPLETIONS: "/chat/completions",
        RESPONSES: "/chat/completions",
        MESSAGES: "/chat/completions",
        EMBEDDINGS: "/embeddings",
        COUNT: None,
    },
    RESPONSES: {
        **dict.fromkeys((CHAT, COMPLETIONS, RESPONSES, MESSAGES), "/responses"),
        EMBEDDINGS: "/embeddings",
        COUNT: None,
    },
    MESSAGES: {
        **dict.fromkeys((CHAT, COMPLETIONS, RESPONSES, MESSAGES), "/messages"),
        EMBEDDINGS: None,
        COUNT: "/messages/count_tokens",
    },
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("wire", PATHS)
async def test_every_caller_has_its_path(pool: Pool, wire: str, caller: str) -> None:
    targets = made(pool, "https://h/v1", wire=wire)
    wanted = PATHS[wire][caller]
    assert targets.serves(endpoint(), caller) is (wanted is not None)
    if wanted is None:
        with pytest.raises(BadRequest, match="acme offers nothing"):
            targets.of(endpoint(), caller)
        return
    target = targets.of(endpoint(), caller)
    assert path(target) == f"/v1{wanted}"
    assert target.wire == wire
    assert target.pair.same is (caller == wire or caller in (EMBEDDINGS, COUNT))


@pytest.mark.parametrize(
    ("base_url", "prefix"),
    [
        ("https://h", "/v1"),
        ("https://h/", "/v1"),
        ("https://h/v1", "/v1"),
        ("https://h/v1/", "/v1"),
        ("https://h/anthropic", "/anthropic/v1"),
        ("https://h/anthropic/v1", "/anthropic/v1"),
        ("https://h/v1beta", "/v1beta/v1"),
    ],
)
async def test_the_messages_wire_with_or_without_v1(pool: Pool, base_url: str, prefix: str) -> None:
    """Its official client adds /v1 itself, so people write both."""
    targets = made(pool, base_url, wire=MESSAGES)
    assert path(targets.of(endpoint(), MESSAGES)) == f"{prefix}/messages"
    assert path(targets.of(endpoint(), COUNT)) == f"{prefix}/messages/count_tokens"


async def test_the_closest_wire_of_those_it_speaks(pool: Pool) -> None:
    more = ((MESSAGES, "https://h/anthropic"), (RESPONSES, "https://h/v2"))
    targets = made(pool, "https://h/v1", more_wires=more)
    for caller, wanted in {
        CHAT: "/v1/chat/completions",
        MESSAGES: "/anthropic/v1/messages",
        RESPONSES: "/v2/responses",
        COMPLETIONS: "/v1/chat/completions",
        COUNT: "/anthropic/v1/messages/count_tokens",
        EMBEDDINGS: "/v1/embeddings",
    }.items():
        assert path(targets.of(endpoint(), caller)) == wanted


async def test_an_endpoint_may_be_served_on_some_of_the_wires_only(pool: Pool) -> None:
    targets = made(pool, "https://h/v1", more_wires=((MESSAGES, "https://h/anthropic"),))
    native = endpoint(wires=(MESSAGES,))
    assert path(targets.of(native, CHAT)) == "/anthropic/v1/messages"
    assert not targets.of(native, CHAT).pair.same
    assert not targets.serves(native, EMBEDDINGS)
    chat = endpoint(wires=(CHAT,))
    assert path(targets.of(chat, MESSAGES)) == "/v1/chat/completions"
    assert not targets.serves(chat, COUNT)
    nowhere = endpoint(wires=(RESPONSES,))
    assert not targets.serves(nowhere, CHAT)
    with pytest.raises(BadRequest):
        targets.of(nowhere, CHAT)


async def test_a_quirk_may_prefer_the_messages_wire(pool: Pool) -> None:
    targets = made(pool, "https://h/v1", more_wires=((MESSAGES, "https://h/anthropic"),))
    better = endpoint(quirks=("prefer_anthropic_wire",))
    assert targets.of(better, RESPONSES).wire == MESSAGES
    assert targets.of(better, CHAT).wire == CHAT, "a caller's own wire still comes first there"


# --- addresses ----------------------------------------------------------------------------------


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
    origin = targets.of(endpoint(), CHAT).origin
    assert (origin.port, origin.tls is not None, origin.allow_private) == (port, tls, True)
    assert "[" not in origin.host


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "h",
        "h:80/v1",
        "ftp://h/v1",
        "https://",
        "https:///v1",
        "//h/v1",
        "unix:/x",
        "https://h:99999/v1",
        "https://h:x/v1",
        "https://[::1/v1",
        "https://h/a b",
        "https://h/日本",
        "https://a b/v1",
    ],
)
async def test_what_is_no_address(pool: Pool, base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"provider acme: .*base_url"):
        made(pool, base_url).of(endpoint(), CHAT)


async def test_a_path_cannot_break_the_first_line(pool: Pool) -> None:
    for base_url in ("https://h/v1\r\nx: y", "https://h/\nv1", "https://h/v1 HTTP/1.1\r\nx: y"):
        try:
            head = made(pool, base_url).of(endpoint(), CHAT).head
        except ConfigError:
            continue
        assert head.count(b"\r\n") == 6
        assert b"\nx: y" not in head


# --- heads --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "secret", "wire", "headers"),
    [
        ("bearer", "k", CHAT, ["authorization: Bearer k"]),
        ("bearer", "k", RESPONSES, ["authorization: Bearer k"]),
        ("x-api-key", "k", CHAT, ["x-api-key: k"]),
        ("none", "k", CHAT, []),
        ("bearer", "", CHAT, []),
        ("x-api-key", "", CHAT, []),
        # those who speak this wire beside their own look for either
        ("bearer", "k", MESSAGES, ["x-api-key: k", "authorization: Bearer k"]),
        ("x-api-key", "k", MESSAGES, ["x-api-key: k"]),
        ("none", "k", MESSAGES, []),
        ("bearer", "", MESSAGES, []),
    ],
)
async def test_credentials(pool: Pool, auth: str, secret: str, wire: str, headers: list[str]) -> None:
    head = lines(made(pool, wire=wire, auth=auth, secret=secret))
    assert [each for each in head if each.startswith(("authorization", "x-api-key"))] == headers


async def test_the_version_of_the_messages_wire(pool: Pool) -> None:
    def versions(targets: Targets, caller: str) -> list[str]:
        return [each for each in lines(targets, caller) if each.lower().startswith("anthropic-version")]

    own = made(pool, wire=MESSAGES)
    for caller in (MESSAGES, CHAT, COUNT):
        assert versions(own, caller) == ["anthropic-version: 2023-06-01"]
    assert versions(made(pool, wire=CHAT), MESSAGES) == []
    other = made(pool, wire=MESSAGES, headers=(("Anthropic-Version", "2030-01-01"),))
    assert versions(other, MESSAGES) == ["Anthropic-Version: 2030-01-01"]


async def test_further_lines_go_before_the_length(pool: Pool) -> None:
    target = made(pool, wire=MESSAGES, secret="k").of(endpoint(), MESSAGES)
    head = target.head_with("", b"anthropic-beta: a,b\r\n")
    assert head.endswith(b"\r\nanthropic-beta: a,b\r\ncontent-length: ")
    assert head.replace(b"anthropic-beta: a,b\r\n", b"") == target.head == target.head_with("")


async def test_each_key_has_its_head(pool: Pool) -> None:
    keys = {"acme": (ProviderKey("a", "sk-a", 3.0), ProviderKey("b", "sk-b"))}
    targets = made(pool, secret="sk-a", keys=keys)
    target = targets.of(endpoint(), CHAT)
    assert b"authorization: Bearer sk-a\r\n" in target.head_with("a") == target.head
    assert b"authorization: Bearer sk-b\r\n" in target.head_with("b")
    assert b"sk-a" not in target.head_with("b", b"x: y\r\n") and b"x: y" in target.head_with("b", b"x: y\r\n")
    assert target.head_with("of another provider") == target.head
    keyring = targets.keyrings["acme"]
    assert target.keyring is keyring
    assert targets.of(endpoint("acme/big"), MESSAGES).keyring is keyring, "keys rest for all of its models"
    alone = made(pool, secret="sk-z", keys={"acme": (ProviderKey("only", "sk-z"),)})
    assert alone.of(endpoint(), CHAT).keyring is None and alone.keyrings == {}
    assert b"Bearer sk-z" in alone.of(endpoint(), CHAT).head_with("")


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
@pytest.mark.parametrize("wire", PATHS)
async def test_no_line_breaks_in_a_head(pool: Pool, secret: str, headers: Any, wire: str) -> None:
    with pytest.raises(ConfigError, match="line break") as caught:
        made(pool, wire=wire, secret=secret, headers=headers).of(endpoint(), MESSAGES)
    assert "k" not in str(caught.value).replace("key", "").replace("break", ""), "a secret in an error"
    keys = {"acme": (ProviderKey("a", "fine"), ProviderKey("b", "not\r\nfine"))}
    with pytest.raises(ConfigError, match="line break"):
        made(pool, wire=wire, keys=keys).of(endpoint(), MESSAGES)


@pytest.mark.parametrize(("secret", "headers"), [("schlüssel€", ()), ("", (("x-org", "組織"),))])
async def test_characters_that_no_header_can_carry(pool: Pool, secret: str, headers: Any) -> None:
    with pytest.raises(ConfigError, match=r"provider acme: .*character") as caught:
        made(pool, secret=secret, headers=headers).of(endpoint(), CHAT)
    assert "schl" not in str(caught.value)


@given(upstream_id=st.text())
def test_whatever_a_model_is_called_it_stays_one_json_string(upstream_id: str) -> None:
    try:
        encoded = bytes(target_module.raw(upstream_id))
    except UnicodeEncodeError:  # half a character, which configuration refuses
        return
    assert msgspec.json.decode(encoded) == upstream_id
    assert b"\n" not in encoded


# --- made once ----------------------------------------------------------------------------------


async def test_targets_are_made_once(pool: Pool) -> None:
    targets = made(pool)
    first, other = endpoint(), endpoint("acme/big", "big-1")
    assert targets.of(first, CHAT) is targets.of(first, CHAT)
    assert targets.of(first, MESSAGES) is not targets.of(first, CHAT), "one for each wire of callers"
    assert targets.of(other, CHAT) is not targets.of(first, CHAT)
    assert targets.of(other, CHAT).origin is targets.of(first, MESSAGES).origin
    assert bytes(targets.of(other, CHAT).upstream_id) == b'"big-1"'
    kept = targets.of(first, CHAT)
    targets.clear()
    assert targets.of(first, CHAT) is not kept


async def test_an_endpoint_with_a_new_price_gets_its_own_target(pool: Pool) -> None:
    """Prices are refreshed while serving: the answer must not keep names or ids of the old row."""
    targets = made(pool)
    for number in range(300):
        fresh = endpoint("acme/fast", f"fast-{number}")
        target = targets.of(fresh, CHAT)
        assert target.endpoint is fresh
        assert bytes(target.upstream_id) == b'"fast-%d"' % number
        del fresh
    old = endpoint()
    new = msgspec.structs.replace(old, price=Price("q", 3.0, 4.0))
    assert targets.of(old, CHAT).endpoint.price.id == "p"
    assert targets.of(new, CHAT).endpoint.price.id == "q"


async def test_names_that_callers_make_up_do_not_pile_up(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_module, "MAX_KEPT", 10)
    targets = made(pool)
    for number in range(100):
        assert (
            targets.of(endpoint(f"acme/{number}", f"id-{number}"), CHAT).maker.upstream_id == f"id-{number}"
        )
        assert len(targets._made) <= 10


async def test_targets_of_one_place_share_their_vitals(pool: Pool) -> None:
    health = Health(RoutingSettings())
    provider = Provider("acme", "Acme", CHAT, "https://h/v1")
    targets = Targets(pool, {"acme": provider}, {}, {}, vitals=health.of)
    one = endpoint()
    assert targets.of(one, CHAT).vitals is targets.of(one, MESSAGES).vitals is health.of(one)
    fresh = msgspec.structs.replace(one, price=Price("q", 3.0, 4.0))
    assert targets.of(fresh, CHAT).vitals is health.of(one), "a new price forgets nothing"
    assert targets.of(endpoint("acme/big"), CHAT).vitals is not health.of(one)


async def test_more_trust_for_one_provider_is_not_trust_for_all(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    with_ca = made(pool, settings=ProviderSettings(ca_file=str(file))).of(endpoint(), CHAT)
    without = made(pool).of(endpoint(), CHAT)
    assert with_ca.origin is not without.origin
    assert with_ca.origin.tls is not without.origin.tls
    loaded = with_ca.origin.tls, without.origin.tls
    counts = [len(context.get_ca_certs()) if context is not None else 0 for context in loaded]
    assert counts[0] == counts[1] + 1


# --- engines of our own -------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [CHAT, COMPLETIONS, MESSAGES, RESPONSES])
async def test_an_engine_is_asked_on_loopback_with_its_own_secret(pool: Pool, caller: str) -> None:
    targets = made(pool, "http://127.0.0.1", auth="none", allow_private=True, secret="never")
    ours = endpoint("local/tiny", "tiny", engine="tiny")
    target = targets.engine(ours, caller, 4711, "s3cret")
    head = target.head.decode()
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:4711\r\n")
    assert "authorization: Bearer s3cret\r\n" in head and "never" not in head
    assert (target.origin.host, target.origin.port, target.origin.tls) == ("127.0.0.1", 4711, None)
    assert target.origin.allow_private and target.keyring is None
    assert b"x-tokenworks-batch" not in target.head
    behind = Targets(pool, targets.providers, {}, {}, behind=True).engine(ours, caller, 4711, "s3cret")
    assert b"\r\nx-tokenworks-batch: 1\r\n" in behind.head
    again = targets.engine(ours, caller, 4712, "other")  # it was started anew
    assert again.origin.port == 4712 and "Bearer other" in again.head.decode()
    assert "4711" not in again.head.decode()
    assert target.restarts and bytes(again.upstream_id) == b'"tiny"'


@pytest.mark.parametrize("caller", [CHAT, MESSAGES])
async def test_a_server_of_ones_own_is_asked_by_its_own_name(pool: Pool, caller: str) -> None:
    targets = made(pool, "http://127.0.0.1", auth="none", allow_private=True, secret="never")
    ours = endpoint("acme/big", "big", engine="big")
    target = targets.server(ours, caller, "http://10.0.0.5:8000/gpu", "s3cret", "Acme/Big-FP8")
    head = target.head.decode()
    assert head.startswith("POST /gpu/v1/chat/completions HTTP/1.1\r\nhost: 10.0.0.5:8000\r\n")
    assert "authorization: Bearer s3cret\r\n" in head and target.hide("no s3cret") == "no …"
    assert (bytes(target.upstream_id), target.endpoint, target.restarts) == (b'"Acme/Big-FP8"', ours, False)
    assert target.origin.allow_private and target.origin.tls is None
    assert targets.server(ours, caller, "http://10.0.0.5:8000/gpu", "s3cret", "Acme/Big-FP8") is target
    other = endpoint("acme/big", "two", engine="two")
    secure = targets.server(other, caller, "https://gpu.lan", "", "Acme/Big")
    assert secure.origin.tls is not None and secure.origin.port == 443
    assert "authorization" not in secure.head.decode()
    behind = Targets(pool, targets.providers, {}, {}, behind=True).server(ours, caller, "http://h", "", "m")
    assert b"x-tokenworks-batch" not in behind.head, "what it would not understand"


def test_what_a_provider_repeats_of_our_secrets_is_hidden() -> None:
    target = Target.__new__(Target)
    target.secrets = ("sk-one", "sk-two")
    assert target.hide("bad key sk-two, not sk-one") == "bad key …, not …"
    assert target.hide("nothing of that") == "nothing of that"
