"""``tokenworks engine add``: a server of one's own becomes an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, no_server, placed
from tokenworks.cli.table import plain, print_json

if TYPE_CHECKING:
    from tokenworks.engines.server_shelf import AddedServer


@click.command()
@placed
@click.argument("name")
@click.option("--url", required=True, help="Address of the server, without /v1.")
@click.option("--model", help="What callers ask for [as the catalogue or the server calls it].")
@click.option("--served-as", help="What the server calls the model, where it has several.")
@click.option("--key-env", help="Environment variable with the server's API key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def add(place: Place, name: str, url: str, as_json: bool, **options: Any) -> None:
    """Add an inference server that you run, here or elsewhere, as engine NAME.

    It is asked at once what it is and what it serves. Requests to it cost nothing and stay yours, as those
    to models on this machine do.

    \b
    Examples:
      tokenworks engine add big --url http://10.0.0.5:8000
      tokenworks engine add big2 --url https://gpu2.lan:8000 --model acme/coder-32b --key-env GPU_KEY
    """
    from tokenworks.engines.server_shelf import add_server

    added = add_server(place.folder, name, url, **options)
    if as_json:
        print_json(_document(added))
    else:
        _show(added)
    with no_server(place.folder) as idle:
        if not idle:
            _tell("a server runs on this home; restart it to use the engine")


def _document(added: AddedServer) -> dict[str, Any]:
    engine, probed = added.settings, added.probed
    return {
        "engine": added.name,
        "model": engine.model,
        "url": engine.url,
        "served_as": engine.served_as,
        "kind": engine.kind or None,
        "version": probed.version or None,
        "context_length": engine.context_length or None,
        "metrics": probed.page is not None,
        "models": [each.id for each in probed.models],
        "replaced": added.replaced,
    }


def _show(added: AddedServer) -> None:
    from tokenworks.engines.exposition import kinds, title

    engine, probed = added.settings, added.probed
    kind = f"{title(engine.kind)} {plain(probed.version)}".strip() or "of a kind that is not known"
    context = f", {engine.context_length:,} tokens of context" if engine.context_length else ""
    lines = {
        "engine": f"{added.name} ({'replaced' if added.replaced else 'added'})",
        "model": engine.model,
        "server": f"{engine.url}, {kind}",
        "serves": f"{plain(engine.served_as)}{context}",
        "metrics": "yes: load, cache and speed are known" if probed.page is not None else "none",
    }
    for label, value in lines.items():
        click.echo(f"{label:9}{value}")
    if probed.page is None:
        known = kinds().get(engine.kind)
        hint = f"; {known.turn_on}" if known else ""
        _tell(f"without /metrics nothing is known of the server's load and cache{hint}")


def _tell(line: str) -> None:
    click.secho(line, err=True, dim=True)
