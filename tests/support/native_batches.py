"""What tests of native batches share: offers of made-up providers, and a key in a real store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tokenworks.catalog.load import Catalog, load
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, Settings
from tokenworks.schema import BatchApi

WIRES = {"files": "openai_chat", "messages": "anthropic_messages"}


def catalog(folder: Path, kind: str = "files", base_url: str = "http://127.0.0.1:1", **usd: float) -> Catalog:
    """Providers that sell acme/fast at these dollars a million tokens in, twice that out.

    ``acme`` has a batch API at half of that.
    """
    wire = WIRES[kind]
    providers = {
        name: ProviderSettings(
            wire=wire,
            base_url=f"{base_url}/v1" if kind == "files" else base_url,
            auth="none",
            allow_private=True,
            models=(
                ProviderModelSettings(
                    id="acme/fast",
                    upstream_id="m",
                    context_length=100_000,
                    input_mtok=price,
                    output_mtok=2 * price,
                ),
            ),
        )
        for name, price in (usd or {"acme": 100.0}).items()
    }
    made = load(Settings(home=folder, source=None, pepper=b"p" * 32, providers=providers))
    api = BatchApi(kind, wire, 0.5, "a test", "2026-11-26")
    made.providers["acme"] = msgspec.structs.replace(made.providers["acme"], batch=api)
    return made
