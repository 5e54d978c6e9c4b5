"""``tokenworks worker``: work at batches, on this machine or any other that reaches the store."""

from __future__ import annotations

import click

from tokenworks.cli.home import Place, placed


@click.command()
@placed
@click.option("--store", help="Store of the gateway, as in postgresql://USER@HOST/DATABASE [as configured].")
@click.option("--url", help="A gateway on that store [the one that runs here].")
@click.option("--concurrency", type=click.IntRange(1, 1024), help="Requests under way at a time [16].")
@click.option("--name", help="A name that no other worker has [host and process].")
def worker(
    place: Place, store: str | None, url: str | None, concurrency: int | None, name: str | None
) -> None:
    """Work at batches until Ctrl-C or SIGTERM; what is left is done by other workers.

    A server starts a worker of its own when there is a batch; this adds machines. The home folder needs the
    gateway's pepper file: with it requests are signed. Models are asked through the gateway only.

    \b
    Examples:
      tokenworks worker
      tokenworks worker --store postgresql://works@db/works --url https://works.example.com
    """
    import logging
    import os
    import socket
    import time
    from pathlib import Path

    import msgspec

    from tokenworks.app.batch_worker import NICE, run
    from tokenworks.cli.home import server_url
    from tokenworks.errors import ConfigError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = place.settings()
    if not settings.pepper:
        where = settings.home / "pepper"
        raise ConfigError(f"{where} is missing; copy that of the gateway (or run: tokenworks init)")
    change = msgspec.structs.replace
    if store is not None:
        settings = change(settings, ledger=change(settings.ledger, store=store))
    if settings.store_url.startswith("sqlite:") and not Path(settings.store_url[10:]).exists():
        raise ConfigError(f"{settings.store_url} is no store yet; name the gateway's with --store")
    if concurrency is not None:
        settings = change(settings, batches=change(settings.batches, concurrency=concurrency))
    gateway = url or server_url(settings.home)
    called = name or f"{socket.gethostname()}-{os.getpid()}-{time.time_ns() // 1_000_000}"
    os.nice(NICE)
    click.echo(f"Working at batches as {called}, by {gateway}; Ctrl-C ends it.")
    run(settings, called, gateway)
