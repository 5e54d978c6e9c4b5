"""A server that has been used for a while, for tests of the console's pages in a browser.

Everything in it came through its doors: requests over HTTP, keys and imports by commands' own functions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import auto_serving
import httpx
from browsing import NARROW, OF_COLOURS, OF_LOOKS, OF_WIDTH, OF_WORDS, WIDE, Watched, faults, shoot, spills
from limiting import limit, subscribe
from playwright.sync_api import Page
from queueing import one_credit
from serving import Server

from tokenworks.config.load import load
from tokenworks.console.session import COOKIE
from tokenworks.ledger.store import Store, open_store
from tokenworks.plans.keys import create
from tokenworks.providers.scripted import Fault, Reply, Script, Tokens, ToolCall, When, running
from tokenworks.rankings.importing import read

ARTICLE = Path(__file__).parents[2] / "examples" / "article-week.csv"
SOURCE, WEEK = "article-week", "2026-W08"

# Names that would run if they were ever taken for HTML.
EVIL_APP = "<img src=x onerror=alert(1)>"
EVIL_USER = '"><script>alert(1)</script>'
EVIL_MODEL = 'delta/evil/<b id="injected">x</b>'  # passed on by delta, which takes any name
EVIL_SESSION = "'\"><svg onload=alert(2)>"
EVIL_KEY = "<i id=injected>key</i>"

MINIMAX, GLM, DEEPSEEK = "minimax/minimax-m2.5", "z-ai/glm-5", "deepseek/deepseek-v3.2"
MODELS = {MINIMAX: (0.3, 1.2), GLM: (0.6, 2.2), DEEPSEEK: (0.28, 0.42), "acme/flaky": (0.1, 0.2)}

_MORE = """
[routing.auto]
explore = 0.0
strong = "gamma/strong-opus"
models = ["alpha/*", "beta/*", "gamma/*"]
capture = "all"
[rankings]
public = {public}
samples_per_s = 1000.0
"""
_PROVIDER = """
[providers.{name}]
wire = "openai_chat"
base_url = "{base_url}"
api_key = "sk-upstream"
allow_private = true
"""
_ANY = """accepts_any_model = true
zero_retention = true
"""
_MODEL = """
[[providers.{name}.models]]
id = "{model}"
upstream_id = "{upstream}"
context_length = 131072
input_mtok = {price[0]}
output_mtok = {price[1]}
"""


class House(NamedTuple):
    """What a test of pages needs of the server."""

    server: Server
    admin_id: str
    admin: str  # an admin's secret
    cascade: str  # the id of an answer to ``auto`` for which two models were asked
    evil: str  # of one to a request whose every name is HTML
    ids: dict[str, str]  # ids of keys by name

    @property
    def url(self) -> str:
        return self.server.url

    def ask(self, model: str = MINIMAX, text: str = "hello", key: str = "", **more: Any) -> httpx.Response:
        """One request through the gateway; ``headers`` are added to its own."""
        headers = {"authorization": f"Bearer {key or self.server.key}", **more.pop("headers", {})}
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        url = f"{self.url}/v1/chat/completions"
        return httpx.post(url, json=body, headers=headers, timeout=30, verify=False)

    def admit(self, watched: Watched) -> None:
        """Give the browser the cookies of an admin who has just signed in, and no others."""
        form = {"key": self.admin}
        answer = httpx.post(f"{self.url}/console/sign-in", data=form, timeout=30, verify=False)
        where: Any = {"domain": "127.0.0.1", "path": "/console"}
        watched.context.clear_cookies()
        watched.context.add_cookies([{"name": COOKIE, "value": answer.cookies[COOKIE], **where}])

    def enter(self, page: Page, path: str = "/console/") -> None:
        """Sign in with the admin's key by the form, and go on to ``path``."""
        page.goto(f"/console/sign-in?next={path}")
        page.fill("#f-key", self.admin)
        page.keyboard.press("Enter")
        page.wait_for_url(self.url + path)


def script() -> Script:
    """What the models say: some call a tool, one fails, all take a moment."""
    usage = Tokens(1800, cache_read_tokens=1200, output_tokens=240, reasoning_tokens=60)
    return auto_serving.script(
        Reply(when=When(model="flaky", every=2), fault=Fault(kind="status", status=500)),
        Reply(when=When(model="flaky"), text="this time it worked"),
        Reply(when=When(says="weather"), tool_calls=(ToolCall("weather", {"city": "Oslo"}),)),
        Reply(when=When(model="minimax"), tokens=60, chunk_delay_s=0.002, usage=usage),
        Reply(when=When(model="glm"), tokens=40, usage=Tokens(30_000, output_tokens=900)),
    )


def config(base_url: str, *, public: bool = False) -> str:
    """``tokenworks.toml``: models of three providers, one of them sold twice, one provider that takes any."""
    text = auto_serving.config(base_url, _MORE.format(public="true" if public else "false"))
    for name, factor in (("bravo", 1.0), ("charlie", 1.5)):
        text += _PROVIDER.format(name=name, base_url=base_url)
        for model, (given, said) in MODELS.items():
            upstream = {MINIMAX: "minimax", GLM: "glm", DEEPSEEK: "deepseek"}.get(model, "flaky")
            if name == "bravo" or model == MINIMAX:
                price = (given * factor, said * factor)
                text += _MODEL.format(name=name, model=model, upstream=upstream, price=price)
    return text + _PROVIDER.format(name="delta", base_url=base_url) + _ANY


def new_admin(server: Server, store: Store) -> tuple[str, str]:
    """Id and secret, made as the command makes them, but in this process."""
    return create(store, "chief", load(server.home, require_secrets=False).pepper, "admin")


@contextmanager
def used_house(home: Path, *, public: bool = False) -> Iterator[House]:
    """The server, after some sixty requests that are all in the ledger."""
    with running(script()) as upstream:
        server = Server(home, config(upstream.base_url, public=public))
        store = open_store(f"sqlite:///{home / 'tokenworks.db'}")
        try:
            admin_id, admin = new_admin(server, store)
            keys = {name: server.new_key(name) for name in ("alice", EVIL_KEY, "limited", "queued")}
            limit(store, keys["limited"][0], "usd", 0.01, "month")
            limit(store, server.key_id, "usd", 5, "day")
            subscribe(store, keys["queued"][0], one_credit())
            store.replace_outside(SOURCE, read(ARTICLE))
            server.start()
            ids = {name: key[0] for name, key in keys.items()} | {"test": server.key_id}
            house = House(server, admin_id, admin, "", "", ids)
            evil, cascade = _use(house, {name: key[1] for name, key in keys.items()})
            _settle(store, sum(1 for _ in _asked(dict.fromkeys(keys, ""))) + 1)
            yield house._replace(cascade=cascade, evil=evil)
        finally:
            server.close()
            store.close()


def _asked(secrets: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The requests, as keywords of ``House.ask``."""
    for number in range(12):
        yield {
            "text": f"Write a Python function that sorts list {number}",
            "stream": number % 2 == 0,
            "key": secrets["alice"],
            "user": f"user-{number % 3}",
            "headers": {"x-title": ("Claude Code", "Zed")[number % 2], "x-session-id": f"s-{number % 4}"},
        }
    for number in range(6):
        yield {"model": GLM, "text": "Translate to German: good morning", "headers": {"x-title": "Zed"}}
        yield {"model": DEEPSEEK, "text": f"What is the weather in Oslo, day {number}?", "tools": [_TOOL]}
    for _ in range(4):
        yield {"model": "acme/flaky", "text": "Are you there?"}
        evil = {"x-title": EVIL_APP, "x-session-id": EVIL_SESSION}
        yield {"model": EVIL_MODEL, "key": secrets[EVIL_KEY], "user": EVIL_USER, "headers": evil}
    yield {"model": "delta/quiet", "provider": {"zdr": True}, "text": "a secret"}
    yield {"model": "nobody/none-such-\u4f60\u597d", "text": "hello", "provider": {"only": ["bravo"]}}
    for word in auto_serving.PROMPTS.values():
        for quality in (0.3, 0.9):
            yield {"model": "auto", "text": word, "quality": quality}
    for number in range(2):
        yield {"model": MINIMAX, "text": f"queue me {number}", "key": secrets["queued"]}


_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def _use(house: House, secrets: dict[str, str]) -> tuple[str, str]:
    """Send them all, four at a time; the ids of an answer to names that are HTML, and of a cascade."""
    asked = list(_asked(secrets))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: house.ask(**one), asked))
    evil = next(a for a, one in zip(answers, asked, strict=True) if one.get("user") == EVIL_USER)
    wrong = [each.text for each in answers if each.status_code >= 500 and "fault" not in each.text]
    assert not wrong, wrong[:3]
    for percent in (98, 95, 90, 80, 70, 60, 50, 40, 30, 20):
        answer = house.ask("auto", auto_serving.PROMPTS[auto_serving.DECLINED], quality=percent / 100)
        if auto_serving.told_by(answer).get("path") == "cascade":
            return evil.headers["x-generation-id"], answer.headers["x-generation-id"]
    raise AssertionError("no quality makes a cascade")


def _settle(store: Store, requests: int) -> None:
    """Until so many requests are in the ledger, and what is drained after them too."""
    deadline = time.monotonic() + 10
    while True:
        days = store.bounds()
        sums = store.cube("model", ["day"], 0, (days[1] + 1) * 86_400_000_000) if days else []
        if sum(row[1] for row in sums) >= requests:
            return
        assert time.monotonic() < deadline, sums
        time.sleep(0.1)


# Scripts are there, and so is every part that they fetch.
SETTLED = """() => document.readyState === 'complete' && window.htmx
  && !document.querySelector('.htmx-request, .later')"""


def wide(size: tuple[int, int]) -> Any:
    """A window of this size, as Playwright is told it."""
    return {"width": size[0], "height": size[1]}


def visit(page: Page, path: str) -> float:
    """Go there and wait for all parts; seconds until the server answered with the page itself."""
    answer = page.goto(path)
    assert answer is not None and answer.status < 500, path
    page.wait_for_function(SETTLED)
    timing = answer.request.timing
    return float(timing["responseStart"] - timing["requestStart"]) / 1000


def check(watched: Watched) -> None:
    """Nothing went wrong, and nothing that was written as HTML became any."""
    watched.check()
    for page in watched.context.pages:
        assert page.locator("#injected, img[src='x'], svg[onload], main script:not([type])").count() == 0, (
            page.url
        )


def sound(watched: Watched, path: str, name: str, *, colours: bool = True) -> None:
    """Nothing is wrong with the page: in light at a desk's width, in dark at a phone's.

    Without ``colours`` it is not looked at for what can be read, which is the dearest of all: for pages of a
    template that others have shown with each of its parts.
    """
    page = watched.context.pages[0]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(wide(WIDE))
    print(f"{name}: {1000 * visit(page, path):.0f} ms")
    shoot(page, name, WIDE)
    wrong = spills(page) + faults(page, but=() if colours else OF_COLOURS)
    page.emulate_media(color_scheme="dark")
    shoot(page, f"{name}-dark", NARROW)
    wrong += spills(page) + faults(page, only=OF_LOOKS if colours else OF_WIDTH)
    assert not wrong, wrong
    check(watched)


def sound_in_chinese(watched: Watched, path: str, name: str) -> None:
    """The same in Chinese, dark, at a phone's width; at a desk's all of it has room.

    The page is the one that was looked at in English: only what follows from its words and their size is new.
    """
    page = watched.context.pages[0]
    page.set_viewport_size(wide(NARROW))
    visit(page, path)
    assert page.get_attribute("html", "lang") == "zh-Hans"
    shoot(page, f"{name}-zh-dark", NARROW)
    wrong = spills(page) + faults(page, only=(*OF_WIDTH, *OF_WORDS))
    shoot(page, f"{name}-zh-dark", WIDE)
    wrong += spills(page)
    assert not wrong, wrong
    check(watched)
