"""Which values a setting may have, beyond its type."""

import math
import typing

import msgspec
import pytest

from tokenworks.config import rules
from tokenworks.config.auto import AutoSettings
from tokenworks.config.settings import (
    BatchSettings,
    EnergySettings,
    EngineSettings,
    LedgerSettings,
    ObservabilitySettings,
    ProviderKeySettings,
    ProviderModelSettings,
    ProviderSettings,
    RankingsSettings,
    RoutingSettings,
    ServerSettings,
    UpstreamSettings,
)

TABLES: tuple[type[msgspec.Struct], ...] = (
    ServerSettings,
    UpstreamSettings,
    RoutingSettings,
    AutoSettings,
    LedgerSettings,
    RankingsSettings,
    ObservabilitySettings,
    EnergySettings,
    ProviderSettings,
    ProviderKeySettings,
    ProviderModelSettings,
    EngineSettings,
)


def test_every_number_has_a_range_and_every_default_is_allowed() -> None:
    for table in TABLES:
        for field in msgspec.structs.fields(table):
            kinds = {field.type, *typing.get_args(field.type)}
            if kinds & {int, float}:
                assert rules.problem(table, field.name, -1), f"{table.__name__}.{field.name}"
                assert rules.problem(table, field.name, math.inf), f"{table.__name__}.{field.name}"
            if field.default not in (msgspec.NODEFAULT, None):
                assert rules.problem(table, field.name, field.default) is None


HOSTS = ["127.0.0.1", "0.0.0.0", "::1", "::", "localhost", "gw-1.example.org"]
NOT_HOSTS = ["", "http://x", "[::1]", "127.0.0.1:80", "1.2.3", "256.1.1.1", "a b", "-x"]
ALLOWED = [
    (ServerSettings, "port", 0),
    (ServerSettings, "port", 65535),
    *(
        (ServerSettings, "host", host)
        for host in ("127.0.0.1", "0.0.0.0", "::1", "::", "localhost", "gw-1.example.org")
    ),
    (ServerSettings, "drain_s", 0.0),
    (RankingsSettings, "timezone", "Asia/Kolkata"),
    (RankingsSettings, "samples_per_s", 0.0),
    (BatchSettings, "concurrency", 1024),
    (ObservabilitySettings, "otlp_endpoint", ""),
    (ObservabilitySettings, "otlp_endpoint", "http://127.0.0.1:4318"),
    (ObservabilitySettings, "otlp_headers", {"x-team": "a b"}),
    (ProviderModelSettings, "input_mtok", 0.0),
    (ProviderModelSettings, "id", "author/slug:free@2026"),
    (ProviderSettings, "base_url", "https://api.example.com:8443/openai/v1/"),
    (ProviderSettings, "base_url", "http://[::1]:8000/v1"),
    (ProviderSettings, "headers", {"x-team": "a b"}),
    (ProviderSettings, "more_wires", {}),
    (ProviderSettings, "more_wires", {"anthropic_messages": "https://api.example.com/anthropic"}),
    (ProviderSettings, "quirks", ("usage_final_chunk", "word2")),
    (ProviderKeySettings, "name", "Team-A.2_x"),
    (ProviderKeySettings, "weight", 0.001),
    (ProviderModelSettings, "quantization", "bf16"),
    (ProviderModelSettings, "supported_parameters", ()),
    (ProviderModelSettings, "input_modalities", ("image",)),
    (EngineSettings, "sha256", "0" * 64),
    (LedgerSettings, "store", "postgresql://u@h/db"),
]
REFUSED = [
    (ServerSettings, "port", 65536, "from 0 to 65535"),
    (ServerSettings, "workers", 0, "from 1 to 256"),
    *(
        (ServerSettings, "host", host, "bare address")
        for host in ("", "http://x", "[::1]", "1.2.3", "256.1.1.1", "a b")
    ),
    (UpstreamSettings, "idle_timeout_s", 0.0, "from 0.1 to 86400"),
    (UpstreamSettings, "idle_timeout_s", math.nan, "from 0.1 to 86400"),
    (ProviderModelSettings, "cache_read_mtok", -0.01, "from 0 to 1000000"),
    (ProviderModelSettings, "id", "", "1 to 256 printable"),
    (ProviderModelSettings, "aliases", ("good", "not good"), "without spaces"),
    (ProviderSettings, "wire", "soap", 'one of "openai_chat"'),
    *(
        (ProviderSettings, "base_url", url, "must be a URL")
        for url in (
            "api.example.com/v1",
            "ftp://api.example.com",
            "http://",
            "https://api.example.com:99999",
            "https://api.exa mple.com",
            "https://[::1/v1",
            "https://api.example.com/v1\n",
        )
    ),
    (ProviderSettings, "base_url", "https://u:hunter2@api.example.com", "user name or password"),
    (ProviderSettings, "base_url", "https://api.example.com/v1?key=1", "query or fragment"),
    (ProviderSettings, "base_url", "https://api.example.com/v1#x", "query or fragment"),
    (ProviderSettings, "api_key", "sk-1\n", "without spaces or line breaks"),
    (ProviderSettings, "api_key", "", "without spaces or line breaks"),
    (ProviderSettings, "api_key_env", "sk-proj-123", "a key itself goes into api_key"),
    (ProviderSettings, "headers", {"x a": "b"}, "header name"),
    (ProviderSettings, "headers", {"x-a": "b\r\nc: d"}, "without line breaks"),
    (ProviderSettings, "country", "France", "two capital letters"),
    (ProviderSettings, "more_wires", {"soap": "https://hunter2.example"}, "known: openai_chat"),
    (ProviderSettings, "more_wires", {"openai_responses": "hunter2"}, "openai_responses must be a URL"),
    (ProviderSettings, "quirks", ("Not-A-Word",), "words of a-z"),
    (ProviderSettings, "quirks", ("twice", "twice"), "names one twice"),
    *((ProviderKeySettings, "name", name, "letters, digits") for name in ("", "-a", "a b", "a" * 65, "é")),
    (ProviderKeySettings, "weight", 0.0, "from 0.001 to 1000"),
    (ProviderKeySettings, "api_key", "hunter2 x", "without spaces"),
    (ProviderKeySettings, "api_key_env", "sk-1", "a key itself goes into api_key"),
    (ProviderModelSettings, "quantization", "q4_0", '"int4"'),
    (ProviderModelSettings, "supported_parameters", ("top-p",), "words of a-z"),
    (ProviderModelSettings, "input_modalities", ("smell",), '"text"'),
    (EngineSettings, "sha256", "abc", "64 digits"),
    (EngineSettings, "path", "a\0b", "name a file"),
    (EngineSettings, "url", "10.0.0.5:8000", 'such as "http://10.0.0.5:8000"'),
    (EngineSettings, "url", "http://u:hunter2@h", "use api_key_env"),
    (EngineSettings, "url", "http://h/v1?key=hunter2", "it is the part before /v1"),
    (EngineSettings, "served_as", "a b", "1 to 256 printable"),
    (EngineSettings, "api_key", "hunter2 x", "copy the key again"),
    (EngineSettings, "api_key_env", "hunter-2", "must name an environment variable"),
    (EngineSettings, "watch_s", 0.1, "from 0.2 to 3600"),
    (RankingsSettings, "timezone", "Mars/hunter2", "must be a time zone"),
    (RankingsSettings, "timezone", "../etc/passwd", "must be a time zone"),
    (RankingsSettings, "samples_per_s", -1.0, "from 0 to 1000"),
    (BatchSettings, "concurrency", 0, "from 1 to 1024"),
    (BatchSettings, "keep_days", 0, "from 1 to 3650"),
    (EnergySettings, "pue", 0.9, "from 1 to 5"),
    (EnergySettings, "usd_per_kwh", -0.1, "from 0 to 5"),
    (EnergySettings, "region", "", "must name a region"),
    (ObservabilitySettings, "sample", 1.5, "from 0 to 1"),
    (ObservabilitySettings, "otlp_endpoint", "hunter2:4318", "must be a URL"),
    (ObservabilitySettings, "otlp_endpoint", "http://u:hunter2@h", "use otlp_headers"),
    (ObservabilitySettings, "otlp_endpoint", "http://h/?key=hunter2", "must not carry a query"),
    (ObservabilitySettings, "otlp_headers", {"x": "hunter2\n"}, "without line breaks"),
    (ObservabilitySettings, "service_name", "", "1 to 256 printable"),
    (LedgerSettings, "store", "mysql://u:hunter2@h/db", "sqlite:///"),
]


@pytest.mark.parametrize(("table", "key", "value"), ALLOWED)
def test_allowed(table: type, key: str, value: object) -> None:
    assert rules.problem(table, key, value) is None


@pytest.mark.parametrize(("table", "key", "value", "said"), REFUSED)
def test_refused(table: type, key: str, value: object, said: str) -> None:
    complaint = rules.problem(table, key, value)
    assert complaint is not None
    assert said in complaint
    assert "hunter2" not in complaint


@pytest.mark.parametrize("name", ["acme", "z.ai", "0x", "a_b-c"])
def test_names(name: str) -> None:
    assert rules.bad_name(name) is None


@pytest.mark.parametrize("name", ["", "Acme", "a/b", "../x", "a b", "-a", "a" * 65, "a\n"])
def test_names_that_could_not_be_a_file_or_a_label(name: str) -> None:
    assert rules.bad_name(name) is not None
