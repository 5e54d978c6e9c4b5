"""What the running server offers to an agent, asked over HTTP, and which of it to take."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tokenworks.cli.agents.agent import Model

if TYPE_CHECKING:
    import httpx

AUTO = "auto"  # the name under which a server chooses for itself
TIMEOUT_S = 5.0
MIN_CONTEXT = 32_768  # tokens; an agent's instructions and tools take a large part of it at once
NEAR = 0.4  # least likeness of a name that is offered instead


class Offer:
    """The models of the server at ``url``; ``local`` are the ids of those that its own engines run.

    A context manager: it holds a connection.
    """

    def __init__(self, url: str, key: str = "", local: Collection[str] = ()) -> None:
        import httpx

        self.url = url
        self._local = {name.lower() for name in local}
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Offer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def models(self) -> list[Model]:
        """Those that answer in text, in the server's order.

        Raises ``UpstreamError`` where the server does not answer, ``ConfigError`` where it has none.
        """
        from tokenworks.errors import ConfigError

        rows = self._asked("/v1/models").get("data")
        if not isinstance(rows, list):
            raise self._strange()
        found = [self._model(row) for row in rows if _writes(row)]
        if not found:
            raise ConfigError("no model yet: tokenworks model add smollm2, or give a provider's key")
        return found

    def named(self, name: str, models: list[Model]) -> Model:
        """The model that ``name`` means: an id, or any other name that the server takes for one.

        Raises ``ConfigError`` with the likest ids where it takes it for none.
        """
        from tokenworks.errors import ConfigError

        listed = next((each for each in models if each.id == name), None)
        if listed is not None:
            return listed
        row = self._asked(f"/v1/models/{quote(name)}", missing_ok=True)
        if not row:
            raise ConfigError(
                f"no model '{name}' on this server; nearest: {', '.join(nearest(name, models))}"
            )
        model = self._model(row)
        if name.lower().startswith(f"{model.id.lower()}:"):  # a variant: the same model, served otherwise
            return dataclasses.replace(model, id=name)
        return model

    def _asked(self, path: str, *, missing_ok: bool = False) -> dict[str, Any]:
        """The JSON object at ``path``; empty for a 404 that may be. Raises ``UpstreamError``."""
        import httpx

        from tokenworks.errors import UpstreamError

        try:
            response = self._client.get(path)
        except httpx.HTTPError as error:
            raise UpstreamError(f"{self.url}: {error}; is the server running?") from error
        if missing_ok and response.status_code == 404:
            return {}
        if response.status_code != 200:
            raise UpstreamError(f"{self.url}{path} answered {response.status_code}: {_complaint(response)}")
        try:
            document = response.json()
        except ValueError:
            raise self._strange() from None
        if not isinstance(document, dict):
            raise self._strange()
        return document

    def _model(self, row: dict[str, Any]) -> Model:
        try:
            parameters = row.get("supported_parameters")
            return Model(
                id=row["id"],
                name=row.get("name") or row["id"],
                context_length=row.get("context_length"),
                max_output_tokens=(row.get("top_provider") or {}).get("max_completion_tokens"),
                tools="tools" in parameters if parameters else None,
                runs_here=row["id"].lower() in self._local,
            )
        except (KeyError, TypeError, AttributeError):
            raise self._strange() from None

    def _strange(self) -> Exception:
        from tokenworks.errors import UpstreamError

        return UpstreamError(f"{self.url}/v1/models answered something else than models; is it Tokenworks?")


def choose(models: list[Model]) -> Model:
    """Which of ``models`` (not empty) to use where nobody said.

    Of those that fit an agent, else of all: the server's own choice, else a provider's model, else
    one that runs here. Where all run here, one of these is named, since it may need no key.
    """
    named = [each for each in models if each.id != AUTO]
    if all(each.runs_here for each in named):
        models = named or models
    return min(models, key=lambda each: (not fits(each), each.id != AUTO, each.runs_here))


def fits(model: Model) -> bool:
    """Can an agent work with it, as far as the server tells?"""
    roomy = model.context_length is None or model.context_length >= MIN_CONTEXT
    return roomy and model.tools is not False


def nearest(name: str, models: list[Model], n: int = 3) -> list[str]:
    """Up to ``n`` ids, the likest first; some even if none is like ``name``."""
    bare = {each.id.rpartition("/")[2].lower(): each.id for each in reversed(models)}
    near = difflib.get_close_matches(name.lower().rpartition("/")[2], bare, n=n, cutoff=NEAR)
    return list(dict.fromkeys([*(bare[each] for each in near), *(each.id for each in models)]))[:n]


def _writes(row: Any) -> bool:
    """Does it answer in text? One that does not say is taken to."""
    architecture = row.get("architecture") if isinstance(row, dict) else None
    outputs = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    return not outputs or "text" in outputs


def _complaint(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return repr(response.text[:200])
