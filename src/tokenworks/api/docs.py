"""``/docs``: the API described in one page that needs nothing but this server."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--soft);padding:.75rem;border-radius:.5rem;overflow-x:auto}
section{border-top:1px solid var(--line);padding:1rem 0}
h2 code{font-size:1rem}.method{font-weight:700;margin-right:.5rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);text-align:left;
padding:.25rem .5rem .25rem 0;vertical-align:top}
"""


def page(spec: dict[str, Any]) -> str:
    """HTML for an OpenAPI document: every path with its parameters, fields and answers."""
    info = spec["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width,initial-scale=1">',
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('description', ''))} Machine-readable: "
        '<a href="/openapi.json">/openapi.json</a>.</p>',
    ]
    for path, methods in sorted(spec["paths"].items()):
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    return "".join(parts)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<section><h2><span class=method>{escape(method.upper())}</span><code>{escape(path)}</code></h2>",
        f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>",
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    rows = [
        (name, _kind(field), field.get("description", ""))
        for name, field in body.get("properties", {}).items()
    ]
    rows += [
        (each["name"], _kind(each.get("schema", {})), each.get("description", each["in"]))
        for each in operation.get("parameters", [])
    ]
    if rows:
        parts.append(_table(("field", "type", ""), rows))
    answers = [(code, "", answer.get("description", "")) for code, answer in operation["responses"].items()]
    parts.append(_table(("answer", "", ""), answers))
    parts.append("</section>")
    return "".join(parts)


def _kind(schema: dict[str, Any]) -> str:
    """The types of a schema in words."""
    given = schema.get("type", [])
    kinds = [given] if isinstance(given, str) else list(given)
    kinds += [_kind(each) for each in schema.get("anyOf", ())]
    return " or ".join(dict.fromkeys(each for each in kinds if each))


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    lines = ["<table><tr>", *(f"<th>{escape(cell)}" for cell in head)]
    for name, kind, text in rows:
        lines.append(f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(text)}")
    return "".join([*lines, "</table>"])
