"""One page: template, strings, language, theme and the headers that keep it safe."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from tokenworks import __version__
from tokenworks.console.formats import moment
from tokenworks.console.language import THEMES, language_of, theme_of
from tokenworks.console.site import site_of
from tokenworks.console.strings import LANGUAGES
from tokenworks.console.way import here

NAV = (  # path under /console/, string
    ("", "shell.nav_home"),
    ("rankings", "shell.nav_rankings"),
    ("activity", "shell.nav_activity"),
    ("models", "shell.nav_models"),
    ("keys", "shell.nav_keys"),
    ("routing", "shell.nav_routing"),
    ("batches", "shell.nav_batches"),
    ("energy", "shell.nav_energy"),
)
PART_OF = {"plans": "keys"}  # pages that stand under another one in the head
PUBLIC = ("rankings",)  # what those may see who are not signed in, where rankings are public


def page(request: Request, template: str, *, title: str, status: int = 200, **context: Any) -> HTMLResponse:
    """The page made of ``template``, which extends ``base.html``; ``title`` is the name of a string.

    ``context`` is what the template reads besides what every page has (``docs/console.md``). May be called
    from any thread.
    """
    site = site_of(request)
    language = language_of(request)
    t = site.strings.translator(language)
    zone, public = site.settings.rankings.timezone, site.settings.rankings.public
    state = request.scope.get("state", {})
    key, session = state.get("key"), state.get("session")
    at = request.url.path.removeprefix("/console").strip("/").partition("/")[0]
    notice = request.query_params.get("notice", "")
    if ".notice_" not in notice or not site.strings.has(notice):  # anybody can write an address
        notice = ""
    shared: dict[str, Any] = {
        "t": t,
        "title": t(title),
        "language": language,
        "languages": LANGUAGES,
        "theme": theme_of(request),
        "themes": THEMES,
        "key": key,
        "who": key,  # the same for the head, for a page may be about another key
        "csrf": session.csrf if session is not None else "",
        "nav": [(path, name) for path, name in NAV if key is not None or (public and path in PUBLIC)],
        "at": PART_OF.get(at, at),
        "here": here(request),
        "url": lambda **changes: url(request, **changes),
        "asset": site.shelf.url,
        "when": lambda time_us, short=False: moment(time_us, zone, short=short),
        "zone": zone,
        "now_us": site.now_us(),
        "notice": notice,
        "version": __version__,
    }
    html = site.templates.get_template(template).render({**shared, **context})
    return HTMLResponse(html, status, {"content-language": language, "vary": "cookie, accept-language"})


def url(request: Request, **changes: object) -> str:
    """This page's address with other parameters; None takes one away, and any change leads to page one."""
    query = {name: value for name, value in request.query_params.items() if name != "notice"}
    if "page" not in changes:
        query.pop("page", None)
    for name, value in changes.items():
        if value is None or value == "":
            query.pop(name, None)
        else:
            query[name] = str(value)
    path = request.url.path
    return f"{path}?{urlencode(query)}" if query else path
