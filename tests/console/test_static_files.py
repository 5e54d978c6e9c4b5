"""Files of others are those that their makers published; all are served in a way that browsers may keep."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenworks.console import static_files

STATIC = Path(static_files.__file__).parent / "static"
# of dist/ in the npm packages htmx.org 2.0.11 and chart.js 4.6.1
PUBLISHED = {
    "htmx.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    "chart.umd.min.js": "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2",
}


def test_vendored_files_are_as_published_with_their_licences() -> None:
    for name, digest in PUBLISHED.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
    assert "Zero-Clause BSD" in (STATIC / "htmx.LICENSE").read_text()
    assert "The MIT License" in (STATIC / "chart.LICENSE.md").read_text()


async def test_a_file_is_kept_for_good_under_its_version(opened: Callable[..., Any]) -> None:
    browser = opened()
    for name in ("console.css", "console.js", "htmx.min.js", "chart.umd.min.js", "logo.svg", "htmx.LICENSE"):
        answer = await browser.get(browser.site.shelf.url(name))
        assert answer.status_code == 200
        assert answer.content == (STATIC / name).read_bytes()
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    answer = await browser.get("/console/static/console.css?v=old")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"


async def test_a_file_is_packed_or_not_sent_again(opened: Callable[..., Any]) -> None:
    browser = opened()
    url = browser.site.shelf.url("chart.umd.min.js")
    plain = await browser.get(url, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = await browser.get(url, headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
    assert len(gzip.compress(plain.content)) < len(plain.content) / 2
    again = await browser.get(url, headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_only_files_of_the_shelf_are_served(opened: Callable[..., Any]) -> None:
    browser = opened()
    for name in ("../app.py", "..%2Fapp.py", "none.css", "%2e%2e/%2e%2e/pepper"):
        assert (await browser.get(f"/console/static/{name}")).status_code == 404, name


def test_styles_and_scripts_name_no_other_server() -> None:
    for name in ("console.css", "console.js", "logo.svg"):
        text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("htmx", ""), name
        assert "@import" not in text and "url(" not in text and "eval(" not in text, name
