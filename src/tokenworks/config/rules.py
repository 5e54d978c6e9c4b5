"""What a setting's value must be, beyond its type. Complaints end in what to write instead."""

from __future__ import annotations

import ipaddress
import math
import re
import zoneinfo
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from tokenworks.config.auto import AutoSettings
from tokenworks.config.glob import bad_glob, is_glob
from tokenworks.config.settings import (
    BatchSettings,
    EnergySettings,
    EngineSettings,
    LedgerSettings,
    LimitSettings,
    ObservabilitySettings,
    ProviderKeySettings,
    ProviderModelSettings,
    ProviderSettings,
    RankingsSettings,
    RoutingSettings,
    ServerSettings,
    UpstreamSettings,
)

WIRES = ("openai_chat", "openai_responses", "anthropic_messages")  # spoken to a provider
QUANTIZATIONS = ("int4", "int8", "fp4", "fp6", "fp8", "fp16", "bf16", "fp32")
MODALITIES = ("text", "image", "file", "audio", "video")
LOCAL = "local"  # the provider of our own engines
WEIGHTS = (0.001, 1000)  # of one of several keys

_DAY_S = 86_400.0
_USD_MTOK = (0, 1_000_000)
_TOKENS = (1, 100_000_000)
_RANGES: Mapping[type, Mapping[str, tuple[float, float]]] = {  # least, most; times in seconds
    ServerSettings: {
        "port": (0, 65535),  # 0: any free one
        "workers": (1, 256),
        "max_body_mib": (1, 4096),
        "max_buffered_mib": (1, 1_048_576),
        "max_header_kib": (1, 1024),
        "header_timeout_s": (0.1, _DAY_S),
        "body_timeout_s": (0.1, _DAY_S),
        "keepalive_s": (0.1, _DAY_S),
        "write_timeout_s": (0.1, _DAY_S),
        "drain_s": (0, _DAY_S),
        "comment_after_s": (0.1, _DAY_S),
        "cache_mib": (0, 65_536),
    },
    LimitSettings: {"wait_s": (0, 600)},
    RankingsSettings: {"samples_per_s": (0, 1000)},
    ObservabilitySettings: {"sample": (0, 1)},
    BatchSettings: {"concurrency": (1, 1024), "keep_days": (1, 3650)},
    EnergySettings: {
        "usd_per_kwh": (0, 5),
        "g_per_kwh": (0, 3000),
        "pue": (1, 5),
        "idle_watts": (0, 100_000),
        "full_watts": (0.1, 100_000),
    },
    UpstreamSettings: {
        "connect_timeout_s": (0.1, _DAY_S),
        "first_byte_timeout_s": (0.1, _DAY_S),
        "idle_timeout_s": (0.1, _DAY_S),
        "idle_connection_s": (0.1, _DAY_S),
        "max_connections": (1, 1_000_000),
        "max_response_mib": (1, 4096),
    },
    RoutingSettings: {
        "retry_within_s": (0, _DAY_S),
        "affinity_s": (0, _DAY_S),
        "breaker_failures": (1, 1000),
        "breaker_rest_s": (0.1, 3600),
        "hedge_percentile": (0, 100),
    },
    AutoSettings: {
        "quality": (0, 1),
        "max_cost_usd": (0, 1_000_000),
        "explore": (0, 0.5),
        "shadow": (0, 0.02),
        "capture_days": (1, 3650),
    },
    ProviderKeySettings: {"weight": WEIGHTS},
    ProviderModelSettings: {
        "context_length": (0, _TOKENS[1]),
        "max_output_tokens": _TOKENS,
        "input_mtok": _USD_MTOK,
        "output_mtok": _USD_MTOK,
        "cache_read_mtok": _USD_MTOK,
        "cache_write_mtok": _USD_MTOK,
    },
    EngineSettings: {
        "context_length": _TOKENS,
        "slots": (1, 1024),
        "batch_slots": (0, 1024),
        "prompt_cache_mib": (0, 1_048_576),
        "slot_similarity": (0, 1),
        "cache_reuse_tokens": (0, 1_000_000),
        "draft_tokens": (0, 127),
        "threads": (0, 1024),
        "start_timeout_s": (0.1, _DAY_S),
        "watch_s": (0.2, 3600),
    },
}

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def problem(cls: type, key: str, value: object) -> str | None:
    """What is wrong with ``value`` for the field ``key`` of ``cls``, None if nothing is.

    The complaint continues a sentence that begins with the key, and never shows the value.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _out_of_range(value, *_RANGES[cls][key])
    rule = _RULES[cls].get(key) if cls in _RULES else None
    return rule(value) if rule else None


def bad_name(name: str) -> str | None:
    """What is wrong with the name of a provider or engine, None if nothing is."""
    if _NAME.fullmatch(name):
        return None
    return "a name is made of a-z, 0-9, '.', '_' and '-', begins with a letter or digit, and has 64 at most"


def bad_key_name(name: str) -> str | None:
    """What is wrong with the name of a provider's key, None if nothing is."""
    if _KEY_NAME.fullmatch(name):
        return None
    return "must be 1 to 64 letters, digits, '.', '_' and '-', and begin with a letter or digit"


def bad_secret(secret: str) -> str | None:
    """What makes ``secret`` impossible to send in a header, None if nothing does."""
    if _VISIBLE.fullmatch(secret):
        return None
    return "must be printable ASCII without spaces or line breaks; copy the key again"


def _out_of_range(value: float, least: float, most: float) -> str | None:
    if math.isfinite(value) and least <= value <= most:
        return None
    return f"must be from {least:g} to {most:.0f}" if most >= 1 else f"must be from {least:g} to {most:g}"


def _host(value: object) -> str | None:
    text = str(value)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # four numbers are an address that failed above, never a name
        if _HOST_NAME.fullmatch(text) and not text.replace(".", "").isdigit():
            return None
        return 'must be a bare address or host name such as "127.0.0.1" or "0.0.0.0"; its port goes into port'
    return None


def _timezone(value: object) -> str | None:
    try:
        zoneinfo.ZoneInfo(str(value))
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return 'must be a time zone such as "UTC", "Europe/Paris" or "Asia/Shanghai"'
    return None


def _base_url(value: object) -> str | None:
    fix = 'must be a URL such as "https://api.example.com/v1"'
    try:
        url = urlsplit(str(value))
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # brackets or a port that can't be
        return fix
    if not usable or not _VISIBLE.fullmatch(str(value)):
        return fix
    if url.username is not None or url.password is not None:
        return "must not carry a user name or password; use api_key or headers"
    if url.query or url.fragment:
        return "must not carry a query or fragment; it is the part before /chat/completions"
    return None


def _otlp_endpoint(value: object) -> str | None:
    complaint = _base_url(value) if value else None
    if complaint is None:
        return None
    if "user name" in complaint:
        return "must not carry a user name or password; use otlp_headers"
    if "query" in complaint:
        return "must not carry a query or fragment"
    return 'must be a URL such as "http://127.0.0.1:4318"'


def _server_url(value: object) -> str | None:
    complaint = _base_url(value) if value else None
    if complaint is None:
        return None
    if "user name" in complaint:
        return "must not carry a user name or password; use api_key_env"
    if "query" in complaint:
        return "must not carry a query or fragment; it is the part before /v1"
    return 'must be a URL such as "http://10.0.0.5:8000"'


def _wire(value: object) -> str | None:
    return None if value in WIRES else "must be one of " + ", ".join(f'"{wire}"' for wire in WIRES)


def _more_wires(value: object) -> str | None:
    assert isinstance(value, dict)
    for wire, base_url in value.items():
        if wire not in WIRES:
            return "names an unknown wire; known: " + ", ".join(WIRES)
        if complaint := _base_url(base_url):
            return f"{wire} {complaint}"
    return None


def _words(value: object) -> str | None:
    assert isinstance(value, tuple)
    if not all(_WORD.fullmatch(word) for word in value):
        return 'must be words of a-z, 0-9 and "_"'
    return "names one twice; keep one of them" if len(set(value)) < len(value) else None


def _quantization(value: object) -> str | None:
    if not value or value in QUANTIZATIONS:
        return None
    return "must be one of " + ", ".join(f'"{each}"' for each in QUANTIZATIONS)


def _modalities(value: object) -> str | None:
    assert isinstance(value, tuple)
    if value and set(value) <= set(MODALITIES):
        return None
    return "must list some of " + ", ".join(f'"{each}"' for each in MODALITIES)


def _identifier(value: object) -> str | None:
    text = str(value)
    if text and len(text) <= 256 and text.isprintable() and not any(char.isspace() for char in text):
        return None
    return "must be 1 to 256 printable characters without spaces"


def _optional_identifier(value: object) -> str | None:
    return _identifier(value) if value else None


def _identifiers(value: object) -> str | None:
    assert isinstance(value, tuple)
    return next((complaint for each in value if (complaint := _identifier(each))), None)


def _globs(value: object) -> str | None:
    assert isinstance(value, tuple)
    return next((complaint for each in value if (complaint := bad_glob(each))), None)


def _one_model(value: object) -> str | None:
    return 'must name one model such as "author/slug"' if is_glob(str(value)) else _optional_identifier(value)


def _headers(value: object) -> str | None:
    assert isinstance(value, dict)
    for name, content in value.items():
        if not _HEADER_NAME.fullmatch(name):
            return "has a header name that HTTP does not allow; use letters, digits and '-'"
        if not content.isascii() or not content.isprintable():
            return f"{name} must be printable ASCII without line breaks"
    return None


def _env_name(value: object) -> str | None:
    if _ENV_NAME.fullmatch(str(value)):
        return None
    return 'must name an environment variable such as "ACME_API_KEY"; a key itself goes into api_key'


def _country(value: object) -> str | None:
    return None if re.fullmatch("[A-Z]{2}", str(value)) else 'must be two capital letters such as "FR"'


def _sha256(value: object) -> str | None:
    return None if not value or re.fullmatch("[0-9a-f]{64}", str(value)) else "must be 64 digits 0-9 a-f"


def _region(value: object) -> str | None:
    text = str(value)
    if text and len(text) <= 64 and text.isprintable():
        return None
    return 'must name a region such as "US-TX"; tokenworks energy grid lists them'


def _store(value: object) -> str | None:
    if not value or str(value).startswith(("sqlite:///", "postgresql://")):
        return None
    return 'must begin with "sqlite:///" or "postgresql://", or be left out for SQLite under the home folder'


def _file(value: object) -> str | None:
    return None if value and "\0" not in str(value) else "must name a file"


_RULES: Mapping[type, Mapping[str, Callable[[object], str | None]]] = {
    ServerSettings: {"host": _host},
    LedgerSettings: {"store": _store},
    RankingsSettings: {"timezone": _timezone},
    ObservabilitySettings: {
        "otlp_endpoint": _otlp_endpoint,
        "otlp_headers": _headers,
        "service_name": _identifier,
    },
    EnergySettings: {"region": _region, "remote_region": _region},
    AutoSettings: {"models": _globs, "exclude": _globs, "strong": _one_model},
    ProviderSettings: {
        "wire": _wire,
        "base_url": _base_url,
        "country": _country,
        "api_key": lambda value: bad_secret(str(value)),
        "api_key_env": _env_name,
        "headers": _headers,
        "ca_file": _file,
        "more_wires": _more_wires,
        "quirks": _words,
    },
    ProviderKeySettings: {
        "name": lambda value: bad_key_name(str(value)),
        "api_key": lambda value: bad_secret(str(value)),
        "api_key_env": _env_name,
    },
    ProviderModelSettings: {
        "id": _identifier,
        "upstream_id": _optional_identifier,
        "aliases": _identifiers,
        "quantization": _quantization,
        "supported_parameters": _words,
        "input_modalities": _modalities,
    },
    EngineSettings: {
        "model": _identifier,
        "path": lambda value: _file(value) if value else None,
        "sha256": _sha256,
        "aliases": _identifiers,
        "url": _server_url,
        "served_as": _optional_identifier,
        "api_key": lambda value: bad_secret(str(value)),
        "api_key_env": _env_name,
    },
}
