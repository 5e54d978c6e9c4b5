"""What can be set, with its defaults. One struct per table of ``tokenworks.toml``."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal

import msgspec

from tokenworks.config.auto import AutoSettings, RouteSettings

KvCacheType = Literal["f16", "q8_0", "q4_0"]
Fsync = Literal["never", "interval", "always"]


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[server]``: the listening side."""

    host: str = "127.0.0.1"
    port: int = 8642
    workers: int = 1
    max_body_mib: int = 32
    max_buffered_mib: int = 1024  # request bodies held by one worker, all connections together
    max_header_kib: int = 32
    header_timeout_s: float = 30.0  # from a request's first byte to the end of its headers
    body_timeout_s: float = 60.0  # without a byte of the body
    keepalive_s: float = 75.0  # idle between two requests
    write_timeout_s: float = 300.0  # a client that reads nothing of a waiting answer
    drain_s: float = 30.0  # after SIGTERM, for open answers to finish
    keyless_local: bool = True  # on loopback, requests without a key may use models of our own engines
    comment_after_s: float = 10.0  # silence of a stream that waits for its provider; then a comment is sent
    cache_mib: int = 64  # answers kept by one worker for callers who ask for the response cache; 0: none

    @property
    def on_loopback(self) -> bool:
        """Nobody but this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def keyless(self) -> bool:
        """Requests without a key may use what runs here: only thinkable where only this machine asks."""
        return self.keyless_local and self.on_loopback


class UpstreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[upstream]``: the side that calls providers."""

    connect_timeout_s: float = 10.0
    first_byte_timeout_s: float = 300.0  # from the request sent to the first byte of the answer
    idle_timeout_s: float = 120.0  # between two chunks of an answer
    idle_connection_s: float = 30.0  # an unused connection is closed after this
    max_connections: int = 2048  # per provider address and worker
    max_response_mib: int = 64  # of an answer that is not streamed


class RoutingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[routing]``: which endpoint of a model is asked, and which one next."""

    policy: Literal["balanced", "price", "throughput", "latency"] = "balanced"  # where a caller names none
    retry_within_s: float = 120.0  # since the request came; later no further endpoint is tried
    affinity_s: float = 600.0  # a session that was silent for longer is no longer kept to its endpoint
    prefix: bool = True  # prompts that begin alike go to the same one of several endpoints of equal price
    breaker_failures: int = 5  # in a row, or half of the last minute's: the endpoint rests
    breaker_rest_s: float = 15.0  # before one request may try it again; doubles up to 16 times
    hedge_percentile: float = 0.0  # of its time to first token; then a second endpoint is asked. 0: never
    auto: AutoSettings = AutoSettings()  # ``[routing.auto]``


class LedgerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[ledger]``: journal and store."""

    fsync: Fsync = "interval"  # "always" also survives power loss, at the price of a disk flush a request
    store: str = ""  # empty: SQLite under the home folder

    def __repr__(self) -> str:  # a store URL may carry a password
        return f"LedgerSettings(fsync={self.fsync!r}, store={'...' if self.store else ''!r})"


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: what happens where a limit is reached."""

    wait_s: float = 5.0  # for what others give back, before an answer is cut or a request refused


class RankingsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[rankings]``: who may see them, and how requests are looked at for them."""

    public: bool = False  # models, apps and the like need no key; keys, users and money always do
    timezone: str = "UTC"  # in which days, weeks and months begin where nobody asks for another
    samples_per_s: float = 5.0  # requests a worker looks at to tell tasks and languages; 0: none


class BatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[batches]``: work that is handed over and fetched later."""

    enabled: bool = (
        True  # a server starts a worker when there is a batch; else only ``tokenworks worker`` does
    )
    concurrency: int = 16  # requests that one worker has under way
    native: bool = False  # hand requests in to providers' own batch APIs, where that is cheaper
    keep_days: int = 30  # for which a batch that is over, and the files that it wrote, are kept


class EnergySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[energy]``: whose joules are counted, and what power costs. None: what the table of regions says."""

    enabled: bool = True  # the server looks at counters and engines every few seconds
    region: str = "WORLD"  # where this machine is: ``tokenworks energy grid``
    usd_per_kwh: float | None = None
    g_per_kwh: float | None = None  # CO2 equivalent
    pue: float = 1.0  # what the building takes over what this machine takes
    idle_watts: float | None = None  # of this machine without work and at full load, where counters
    full_watts: float | None = None  # can't be read; None: by its hardware threads
    remote_region: str = "US"  # where models of others are taken to run


class ObservabilitySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[observability]``: where spans of requests are sent, by OpenTelemetry's protocol over HTTP."""

    otlp_endpoint: str = ""  # such as http://127.0.0.1:4318; empty: nowhere
    otlp_headers: dict[str, str] = {}  # often a secret
    sample: float = 1.0  # share of requests whose caller did not say
    service_name: str = "tokenworks"

    def __repr__(self) -> str:
        return f"ObservabilitySettings(otlp_endpoint={self.otlp_endpoint!r}, sample={self.sample!r})"


class ProviderModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[providers.NAME.models]]``: one model at this provider, with its price in $ per million tokens."""

    id: str
    upstream_id: str = ""  # empty: the same as ``id``
    context_length: int = 0  # 0: what the catalogue says of this model, else 8192
    max_output_tokens: int | None = None
    input_mtok: float | None = None  # None: what the catalogue knows
    output_mtok: float | None = None
    cache_read_mtok: float | None = None
    cache_write_mtok: float | None = None
    aliases: tuple[str, ...] = ()
    quantization: str = ""  # "" unknown
    supported_parameters: tuple[str, ...] | None = None  # None: what the catalogue knows
    input_modalities: tuple[str, ...] | None = None


class ProviderKeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[providers.NAME.keys]]``: one of several keys of a provider."""

    name: str
    api_key: str | None = None
    api_key_env: str | None = None
    weight: float = 1.0  # its share of the requests

    def __repr__(self) -> str:
        return f"ProviderKeySettings(name={self.name!r}, weight={self.weight})"


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[providers.NAME]``: a custom provider, or what differs from the preset of that name."""

    wire: str | None = None
    base_url: str | None = None
    title: str | None = None
    country: str | None = None
    auth: Literal["bearer", "x-api-key", "none"] | None = None
    api_key: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    allow_private: bool = False
    accepts_any_model: bool | None = None
    enabled: bool = True
    ca_file: str | None = None  # PEM file of extra trust roots for this provider
    keys: tuple[ProviderKeySettings, ...] = ()  # instead of api_key
    more_wires: dict[str, str] | None = None  # further protocols it speaks: wire → base URL
    quirks: tuple[str, ...] | None = None  # words of the catalogue's quirks
    trains_on_prompts: bool | None = None
    zero_retention: bool | None = None
    models: tuple[ProviderModelSettings, ...] = ()

    def __repr__(self) -> str:  # keys and header values are secrets
        models = [model.id for model in self.models]
        return f"ProviderSettings(wire={self.wire!r}, enabled={self.enabled}, models={models})"


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[engines.NAME]`` or ``HOME/engines/NAME.toml``: a model we run.

    ``llama_cpp`` is started here with a file; ``openai_server`` is a server that somebody starts, at ``url``.
    """

    model: str  # Model.id, what callers ask for
    path: str = ""  # GGUF file
    sha256: str = ""
    runtime: Literal["llama_cpp", "openai_server"] = "llama_cpp"
    aliases: tuple[str, ...] = ()
    context_length: int = 8192  # tokens of one slot
    slots: int = 4  # requests in parallel
    batch_slots: int = 0  # of these, for requests of batches at most; 0: all but one
    kv_cache_type: KvCacheType = "f16"
    flash_attention: Literal["auto", "on", "off"] = "auto"  # quantised caches need it
    prompt_cache: bool = True  # what a slot still holds of a prompt's beginning is not read again
    prompt_cache_mib: int = 256  # main memory for conversations that have no slot at the moment; 0: none
    slot_similarity: float = 0.1  # least share of a prompt that makes a slot preferred; 0: the oldest slot
    cache_reuse_tokens: int = 0  # least length of pieces reused behind a place that has changed; 0: never
    speculation: Literal["off", "ngram"] = "off"  # drafts what followed the same words earlier in the text
    draft_tokens: int = 0  # of one draft; 0: 48, fewer with many slots
    threads: int = 0  # 0: every core
    start_timeout_s: float = 120.0
    url: str = ""  # of a server, without /v1
    served_as: str = ""  # what the server calls the model; empty: the same as ``model``
    kind: str = ""  # of server, as ``engines/server_kinds.toml`` has it; empty: unknown
    api_key: str | None = None
    api_key_env: str | None = None
    watch_s: float = 2.0  # between two looks at how it is and what it has to do

    def __repr__(self) -> str:  # the key stays out of logs
        where = self.url if self.runs_elsewhere else self.path
        return f"EngineSettings({self.model!r}, {where!r}, runtime={self.runtime!r})"

    @property
    def runs_elsewhere(self) -> bool:
        """Somebody else starts and stops it."""
        return self.runtime != "llama_cpp"


class ProviderKey(msgspec.Struct, frozen=True):
    """One resolved key of a provider. ``secret`` never reaches a log or an answer."""

    name: str
    secret: str
    weight: float = 1.0

    def __repr__(self) -> str:
        return f"ProviderKey(name={self.name!r}, weight={self.weight})"


class Settings(msgspec.Struct, frozen=True):
    """Everything, checked. Secrets are resolved: ``secrets[provider]`` is the key to send.

    ``provider_keys`` holds all keys of those providers whose keys have names, from the file or the vault;
    the first of them is the one in ``secrets``. ``presets`` are request bodies by name, for models called
    ``@preset/NAME``.
    """

    home: Path
    source: Path | None  # the file it was read from
    server: ServerSettings = ServerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    routing: RoutingSettings = RoutingSettings()
    ledger: LedgerSettings = LedgerSettings()
    limits: LimitSettings = LimitSettings()
    rankings: RankingsSettings = RankingsSettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    batches: BatchSettings = BatchSettings()
    energy: EnergySettings = EnergySettings()
    providers: dict[str, ProviderSettings] = {}
    engines: dict[str, EngineSettings] = {}
    secrets: dict[str, str] = {}
    engine_keys: dict[str, str] = {}  # of servers, by the engine's name
    provider_keys: dict[str, tuple[ProviderKey, ...]] = {}
    presets: dict[str, dict[str, Any]] = {}
    routes: tuple[RouteSettings, ...] = ()  # ``[[route]]``, in order
    pepper: bytes = b""  # secret of the key HMAC, from HOME/pepper (0600)

    def __repr__(self) -> str:  # secrets and pepper stay out of logs and tracebacks
        return (
            f"Settings(home={str(self.home)!r}, server={self.server!r}, upstream={self.upstream!r}, "
            f"routing={self.routing!r}, ledger={self.ledger!r}, limits={self.limits!r}, "
            f"providers={self.providers!r}, engines={self.engines!r}, "
            f"secrets of {sorted(self.secrets)})"
        )

    @property
    def store_url(self) -> str:
        """Where the ledger lives: a ``sqlite:///`` or ``postgresql://`` URL."""
        return self.ledger.store or f"sqlite:///{self.home / 'tokenworks.db'}"

    @property
    def journal_dir(self) -> Path:
        return self.home / "journal"
