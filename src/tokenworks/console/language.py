"""Which language and theme a browser wants: what was chosen, else what it asks for."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tokenworks.console.form import MAX_OPEN, same_origin, urlencoded
from tokenworks.console.strings import DEFAULT, LANGUAGES
from tokenworks.console.way import inside, see, wants_secure

LANGUAGE_COOKIE = "tokenworks_language"
THEME_COOKIE = "tokenworks_theme"
THEMES = ("auto", "light", "dark")
KEPT_S = 365 * 86_400

router = APIRouter()


def language_of(request: Request) -> str:
    """One of ``LANGUAGES``."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else accepted(request.headers.get("accept-language", ""))


def accepted(header: str) -> str:
    """The language that an Accept-Language header likes best of those there are."""
    best, best_weight = DEFAULT, 0.0
    for part in header.split(",")[:50]:
        tag, _, more = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(more.partition("q=")[2] or 1)
        except ValueError:
            continue
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def theme_of(request: Request) -> str:
    """One of ``THEMES``."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "auto"


@router.post("/looks")
async def looks(request: Request) -> Response:
    """Keep the language or the theme that was chosen, signed in or not, and go back."""
    same_origin(request)
    form = await urlencoded(request, MAX_OPEN)
    answer = see(inside(form.text("next")))
    for name, cookie, known in (("language", LANGUAGE_COOKIE, LANGUAGES), ("theme", THEME_COOKIE, THEMES)):
        if form.text(name) in known:
            answer.set_cookie(
                cookie,
                form.text(name),
                max_age=KEPT_S,
                path="/console",
                secure=wants_secure(request),
                httponly=True,
                samesite="lax",
            )
    return answer
