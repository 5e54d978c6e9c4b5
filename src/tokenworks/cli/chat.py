"""``tokenworks chat``: talk to a model through the running server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, placed, server_url
from tokenworks.cli.table import usd

if TYPE_CHECKING:
    import httpx

    from tokenworks.config.settings import Settings

Message = dict[str, str]


@click.command()
@placed
@click.argument("model", required=False)
@click.option("--once", metavar="TEXT", help="Send TEXT, print the answer and end.")
@click.option(
    "--key", envvar="TOKENWORKS_KEY", help="API key [TOKENWORKS_KEY]; models that run here need none."
)
def chat(place: Place, model: str | None, once: str | None, key: str | None) -> None:
    """Chat with MODEL through the running server; Ctrl-C stops an answer, Ctrl-D ends.

    Without MODEL, the first model that runs here answers.

    \b
    Examples:
      tokenworks chat
      tokenworks chat smollm2 --once "Say hello."
    """
    import httpx

    settings = place.existing()
    url = server_url(settings.home)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = httpx.Timeout(10.0, read=None)
    with httpx.Client(base_url=url, headers=headers, timeout=timeout, trust_env=False) as client:
        talk = Talk(client, model or _default_model(client, settings))
        if once is not None:
            talk.say(once)
        else:
            _converse(talk)


def _converse(talk: Talk) -> None:
    from tokenworks.errors import TokenworksError

    click.secho(f"{talk.model}: /new starts over, Ctrl-C stops an answer, Ctrl-D ends", err=True, dim=True)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (line editing and history for input())
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            continue
        if text == "/new":
            talk.messages.clear()
        elif text:
            try:
                talk.say(text)
            except TokenworksError as error:  # one failed answer does not end the conversation
                talk.messages.pop()
                click.secho(error.message, err=True, fg="red")


@dataclass
class Talk:
    """One conversation with one model."""

    client: httpx.Client
    model: str
    messages: list[Message] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Send ``text``, print the answer as it comes to stdout and its figures to stderr.

        Ctrl-C stops the answer; what came of it stays in the conversation. Raises ``UpstreamError``
        with the server's own message where there is no answer.
        """
        import httpx

        from tokenworks.errors import UpstreamError

        self.messages.append({"role": "user", "content": text})
        request = {
            "model": self.model,
            "messages": self.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        answer = ""
        usage: dict[str, Any] = {}
        started = first = time.monotonic()
        try:
            with self.client.stream("POST", "/v1/chat/completions", json=request) as response:
                if response.status_code != 200:
                    raise UpstreamError(_error(response.read()))
                for chunk in _chunks(response):
                    usage = chunk.get("usage") or usage
                    for choice in chunk.get("choices") or ():
                        piece = (choice.get("delta") or {}).get("content") or ""
                        first = time.monotonic() if not answer else first
                        answer += piece
                        click.echo(piece, nl=False)
        except KeyboardInterrupt:
            click.secho(" (stopped)", err=True, dim=True, nl=False)
        except httpx.HTTPError as error:
            raise UpstreamError(f"{self.client.base_url}: {error}; is the server running?") from error
        click.echo()
        self.messages.append({"role": "assistant", "content": answer})
        click.secho(figures(usage, first - started, time.monotonic() - first), err=True, dim=True)


def figures(usage: dict[str, Any], wait_s: float, stream_s: float) -> str:
    """Tokens, speed and cost of one answer, on one line."""
    if not usage:
        return "no usage was reported"
    out = int(usage.get("completion_tokens") or 0)
    parts = [f"{usage.get('prompt_tokens', 0):,} tokens in", f"{out:,} out"]
    if out > 1 and stream_s > 0:
        parts.append(f"{(out - 1) / stream_s:,.1f} tokens/s")  # the first one is what was waited for
    parts.append(f"first after {wait_s:.2f} s")
    if usage.get("cost") is not None:
        parts.append(usd(float(usage["cost"])))
    return " · ".join(parts)


def _chunks(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON documents of an event stream. Raises ``UpstreamError`` where one reports an error."""
    from tokenworks.errors import UpstreamError

    for line in response.iter_lines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        chunk = json.loads(data)
        if chunk.get("error"):
            raise UpstreamError(_error(data.encode()))
        yield chunk


def _error(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {body[:200].decode(errors='replace')!r}"


def _default_model(client: httpx.Client, settings: Settings) -> str:
    """The first model that runs here, else the only one there is."""
    import httpx

    from tokenworks.errors import ConfigError, UpstreamError

    for name in sorted(settings.engines):
        return settings.engines[name].model
    try:
        response = client.get("/v1/models")
    except httpx.HTTPError as error:
        raise UpstreamError(f"{client.base_url}: {error}; is the server running?") from error
    models = [each["id"] for each in response.json().get("data", ())]
    if len(models) == 1:
        return str(models[0])
    raise ConfigError(
        "name a model: tokenworks chat MODEL (tokenworks model list shows them)"
        if models
        else "no model yet: tokenworks model add smollm2"
    )
