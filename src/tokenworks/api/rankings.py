"""``/v1/rankings``: who uses how much of what, as tables, charts and files."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import WithJsonSchema

from tokenworks.api.access import caller
from tokenworks.api.answer import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    STRING,
    Schema,
    answers,
    errors,
    holding,
    maybe,
    send,
)
from tokenworks.config.settings import Settings
from tokenworks.errors import BadRequest, ConfigError, Forbidden, Unauthorized
from tokenworks.plans.keys import Key
from tokenworks.rankings import exporting
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import EPOCH, LATEST
from tokenworks.rankings.question import Question, answer, picture
from tokenworks.rankings.table import MONEY, Table, as_json, without_money
from tokenworks.rankings.views import VIEWS, view_of
from tokenworks.rankings.views.view import FILTERS, PERSONAL, View

router = APIRouter(tags=["rankings"])

MAX_NAME = 256
MAX_LABEL = 40
_BEARER = HTTPBearer(scheme_name="bearer", auto_error=False)
_API_KEY = APIKeyHeader(name="x-api-key", scheme_name="apiKey", auto_error=False)

COLUMN = holding(name=STRING, kind=STRING)
TABLE = holding(
    view=STRING,
    unit=STRING,
    period=STRING,
    since=STRING,
    until=STRING,
    timezone=STRING,
    complete=BOOLEAN,
    source=STRING,
    columns={"type": "array", "items": COLUMN},
    rows={"type": "array", "items": holding(rank=maybe(INTEGER))},
    total=OBJECT,
    note=STRING,
)
SERIES = holding(name=STRING, values={"type": "array", "items": INTEGER})
CHART = holding(
    view=STRING,
    unit=STRING,
    timezone=STRING,
    source=STRING,
    complete=BOOLEAN,
    labels={"type": "array", "items": STRING},
    series={"type": "array", "items": SERIES},
    note=STRING,
)
VIEW = holding(
    view=STRING,
    title=STRING,
    audience=STRING,
    filters={"type": "array", "items": STRING},
    chart=BOOLEAN,
    outside=BOOLEAN,
    columns={"type": "array", "items": COLUMN},
)
SOURCE = holding(source=STRING, first=STRING, last=STRING, rows=INTEGER)
FILES: dict[str, Schema] = {
    "text/csv": {"schema": STRING},
    exporting.MEDIA_TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
}


async def viewer(
    request: Request, _bearer: object = Security(_BEARER), _key: object = Security(_API_KEY)
) -> Key | None:
    """The key that came with the request; None where none did and rankings are public.

    Raises Unauthorized for a key that is not valid, public or not.
    """
    settings: Settings = request.app.state.settings
    headers = request.headers
    if settings.rankings.public and not (headers.get("authorization") or headers.get("x-api-key")):
        return None
    return await caller(request)


Viewer = Annotated[Key | None, Depends(viewer)]
_NAME_OF_VIEW = WithJsonSchema({"type": "string", "enum": list(VIEWS)})
ViewName = Annotated[str, Path(max_length=MAX_NAME, description="which view"), _NAME_OF_VIEW]
Unit = Annotated[Literal["day", "week", "month"], Query(description="of what length")]
At = Annotated[
    str,
    Query(max_length=MAX_LABEL, description="2026-02-20, 2026-W08, 2026-02 or latest: the newest with data"),
]
Zone = Annotated[
    str | None,
    Query(max_length=100, description="IANA name of the time zone in which it begins and ends"),
]
Private = Annotated[
    Literal["include", "exclude"] | None,
    Query(description="private traffic; included for admin keys alone, and by default"),
]
Format = Annotated[Literal["json", "csv", "parquet"], Query(description="what to answer with")]
Name = Annotated[str, Query(max_length=MAX_NAME)]


@router.get(
    "/rankings",
    summary="Which rankings there are",
    responses=answers(
        "Views, and outside sources that were imported",
        holding(data={"type": "array", "items": VIEW}, sources={"type": "array", "items": SOURCE}),
        *(400, 401, 503),
    ),
)
def list_views(request: Request, who: Viewer) -> Response:
    """What each view shows, what it can be narrowed by, and who may see it."""
    sources = books_of(request).store.outside_sources()
    return send(
        {
            "data": [_described(view, _is_admin(who)) for view in VIEWS.values()],
            "sources": [
                {
                    "source": each.source,
                    "first": _date(each.first_day),
                    "last": _date(each.last_day),
                    "rows": each.rows,
                }
                for each in sources
            ],
        }
    )


@router.get(
    "/rankings/{view}",
    summary="One ranking",
    responses={
        **errors(400, 401, 403, 503),
        "200": {
            "description": "Rows by rank, all others last; shares and changes are fractions",
            "content": {
                "application/json": {"schema": TABLE},
                **FILES,
            },
        },
    },
)
def read_ranking(
    request: Request,
    who: Viewer,
    view: ViewName,
    unit: Unit = "week",
    at: At = LATEST,
    timezone: Zone = None,
    top: Annotated[int, Query(ge=1, le=1000, description="rows; all others are one")] = 20,
    private: Private = None,
    format: Format = "json",
    model: Name = "",
    author: Name = "",
    country: Annotated[str, Query(max_length=MAX_NAME, description="ISO 3166-1 alpha-2, or unknown")] = "",
    weights: Annotated[str, Query(max_length=MAX_NAME, description="open, closed or unknown")] = "",
    provider: Name = "",
    app: Name = "",
    key: Annotated[str, Query(max_length=MAX_NAME, description="name or id; for admin keys")] = "",
    team: Annotated[str, Query(max_length=MAX_NAME, description="for admin keys")] = "",
    user: Annotated[str, Query(max_length=MAX_NAME, description="for admin keys")] = "",
    source: Annotated[str, Query(max_length=MAX_NAME, description="an outside source, not our traffic")] = "",
    against: Annotated[str, Query(max_length=MAX_NAME, description="an outside source beside our own")] = "",
) -> Response:
    """Of a day, an ISO week or a month, with the change against the one before.

    Money is shown to admin keys alone. A period that still runs is compared with the same part of the one
    before.
    """
    asked = _question(request, who, view, unit, at, timezone, top, private, source, against)
    table = answer(books_of(request), asked)
    if not _is_admin(who):
        table = without_money(table)
    if format == "json":
        return send(as_json(table))
    return _file(table, format)


@router.get(
    "/rankings/{view}/chart",
    summary="Market shares over time",
    responses=answers("Tokens of each group in each week, oldest first", CHART, 400, 401, 403, 503),
)
def read_chart(
    request: Request,
    who: Viewer,
    view: Annotated[
        str,
        Path(max_length=MAX_NAME, description="which view"),
        WithJsonSchema({"type": "string", "enum": [name for name, each in VIEWS.items() if each.charted]}),
    ],
    unit: Unit = "week",
    at: At = LATEST,
    weeks: Annotated[int | None, Query(ge=1, le=104, description="how far back [52; by day 13]")] = None,
    top: Annotated[int, Query(ge=1, le=50, description="groups; all others are one")] = 9,
    private: Private = None,
    model: Name = "",
    author: Name = "",
    country: Name = "",
    weights: Name = "",
    provider: Name = "",
    app: Name = "",
    key: Annotated[str, Query(max_length=MAX_NAME, description="name or id; for admin keys")] = "",
    team: Annotated[str, Query(max_length=MAX_NAME, description="for admin keys")] = "",
    source: Annotated[str, Query(max_length=MAX_NAME, description="an outside source, not our traffic")] = "",
) -> Response:
    """Stacked: the largest first, all others last. Days, weeks and months are of UTC."""
    asked = _question(request, who, view, unit, at, "UTC", top, private, source, "")
    return send(picture(books_of(request), asked, weeks))


def books_of(request: Request) -> Books:
    """What views read, the same for the console; made with the first request."""
    state = request.app.state
    found: Books | None = getattr(state, "ranking_books", None)
    if found is None:
        found = state.ranking_books = Books(state.store, home=state.settings.home)
    return found


def _question(
    request: Request,
    who: Key | None,
    view: str,
    unit: str,
    at: str,
    timezone: str | None,
    top: int,
    private: str | None,
    source: str,
    against: str,
) -> Question:
    """What is asked, once it is known that this key may ask it. Raises Unauthorized or Forbidden.

    What it is narrowed to is taken from the query by name; routes name each for the description's sake.
    """
    settings: Settings = request.app.state.settings
    where = {name: value for name in FILTERS if (value := request.query_params.get(name))}
    _may_see(view_of(view), who, where)
    admin = _is_admin(who)
    if private == "include" and not admin:
        raise Forbidden("private traffic is shown to admin keys alone; leave private=include out")
    left = None if admin and private != "exclude" else False
    return Question(view, unit, at, timezone or settings.rankings.timezone, top, left, source, against, where)


def _may_see(view: View, who: Key | None, where: dict[str, str]) -> None:
    personal = view.audience == "admin" or any(name in PERSONAL for name in where)
    if not personal or _is_admin(who):
        return
    told = f"the {view.name} view" if view.audience == "admin" else "what a key, team or user did"
    if who is None:
        raise Unauthorized(f"{told} needs an admin key; send 'Authorization: Bearer KEY'")
    raise Forbidden(f"{told} needs an admin key (tokenworks key create NAME --admin)")


def _is_admin(who: Key | None) -> bool:
    return who is not None and who.role == "admin"


def _described(view: View, admin: bool) -> dict[str, Any]:
    shown = [each for each in view.columns if admin or each.kind not in MONEY]
    return {
        "view": view.name,
        "title": view.title,
        "audience": view.audience,
        "filters": list(view.filters),
        "chart": view.charted,
        "outside": view.outside,
        "columns": [{"name": each.name, "kind": each.kind} for each in shown],
    }


def _file(table: Table, format: str) -> Response:
    """The table as a file to keep."""
    try:
        content = exporting.export(table, format)
    except ConfigError as error:  # a package is missing here, which is not the caller's to mend
        raise BadRequest(error.message) from None
    headers = {
        "content-type": exporting.MEDIA_TYPES[format],
        "content-disposition": f'attachment; filename="{table.view}-{table.period}.{format}"',
    }
    return Response(content, 200, headers)


def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()
