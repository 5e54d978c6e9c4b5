"""``python -m tokenworks.providers.scripted [SCRIPT.toml] --port P``: plays a script until interrupted."""

from __future__ import annotations

import asyncio
import signal
import ssl
from pathlib import Path

import click
import uvloop

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted.provider import ScriptedProvider


@click.command()
@click.argument("script", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=0, show_default=True, help="0: any free one; the first line says which.")
@click.option(
    "--cert", type=click.Path(path_type=Path), help="PEM file with certificate (and key): serve TLS."
)
@click.option("--key", type=click.Path(path_type=Path), help="PEM file with the key, if --cert has none.")
def main(script: Path | None, host: str, port: int, cert: Path | None, key: Path | None) -> None:
    """Plays SCRIPT on loopback; without one, echoes."""
    try:
        context = None
        if cert is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
        provider = ScriptedProvider(script, host=host, port=port, ssl=context)
        uvloop.run(_serve(provider))
    except (ConfigError, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _serve(provider: ScriptedProvider) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with provider:
        click.echo(f"scripted provider on {provider.base_url}")
        await stopped.wait()


if __name__ == "__main__":
    main()
