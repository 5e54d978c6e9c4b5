"""The page of the API needs nothing from outside and lists everything."""

from __future__ import annotations

import re

from tokenworks.api.docs import page
from tokenworks.api.hot_paths import PATHS

SPEC = {
    "info": {"title": "T <script>", "version": "1", "description": "d"},
    "paths": {
        **PATHS,
        "/v1/models": {"get": {"summary": "List", "responses": {"200": {"description": "ok"}}}},
    },
}


def test_every_path_and_field_stands_in_the_page() -> None:
    html = page(SPEC)
    for path in SPEC["paths"]:
        assert f"<code>{path}</code>" in html
    assert "<code>messages</code>" in html and "<code>429</code>" in html


def test_fields_are_told_with_their_types() -> None:
    html = page(SPEC)
    assert "<code>temperature</code><td>number or null" in html
    assert "<code>input</code><td>string or array" in html


def test_nothing_is_fetched_and_nothing_is_injected() -> None:
    html = page(SPEC)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html)
    assert "<script" not in html
    assert "T &lt;script&gt;" in html
