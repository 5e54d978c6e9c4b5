"""What a home folder, a config file and an environment become, and every way they are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenworks.config.auto import AutoSettings
from tokenworks.config.load import home_dir, load
from tokenworks.errors import ConfigError

ACME = """\
[providers.acme]
wire = "openai_chat"
base_url = "http://127.0.0.1:9001/v1"
api_key = "sk-upstream"
allow_private = true
[[providers.acme.models]]
id = "acme/fast"
upstream_id = "fast-1"
context_length = 131072
input_mtok = 0.10
output_mtok = 1
"""


def write(home: Path, text: str) -> Path:
    file = home / "tokenworks.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_config_of_the_readme(home: Path) -> None:
    file = write(home, ACME)
    settings = load(home, env={})
    acme = settings.providers["acme"]
    assert (settings.home, settings.source) == (home, file)
    assert (acme.wire, acme.base_url, acme.allow_private) == ("openai_chat", "http://127.0.0.1:9001/v1", True)
    (fast,) = acme.models
    assert (fast.id, fast.upstream_id, fast.context_length) == ("acme/fast", "fast-1", 131072)
    assert (fast.input_mtok, fast.output_mtok, fast.cache_read_mtok) == (0.10, 1.0, None)
    assert settings.secrets == {"acme": "sk-upstream"}


def test_nothing_at_all_is_all_defaults(home: Path) -> None:
    settings = load(home, env={})
    assert (settings.server.port, settings.source, settings.pepper, settings.engines) == (8642, None, b"", {})
    assert settings.store_url == f"sqlite:///{home}/tokenworks.db"


def test_an_empty_file_is_still_the_source(home: Path) -> None:
    assert load(home, env={}).source is None
    file = write(home, "\ufeff# only a comment, and a byte order mark\n")
    assert load(home, env={}).source == file


def test_home_comes_from_the_argument_then_the_environment_then_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    env = {"TOKENWORKS_HOME": "~/other"}
    assert home_dir(tmp_path / "named", env) == tmp_path / "named"
    assert home_dir(Path("near"), env) == tmp_path / "near"
    assert home_dir(None, env) == tmp_path / "other"
    assert home_dir(None, {"TOKENWORKS_HOME": ""}) == tmp_path / ".tokenworks"


def test_the_file_comes_from_the_argument_then_the_environment_then_home(home: Path, tmp_path: Path) -> None:
    write(home, "[server]\nport = 1\n")
    (tmp_path / "two.toml").write_text("[server]\nport = 2\n")
    (tmp_path / "three.toml").write_text("[server]\nport = 3\n")
    env = {"TOKENWORKS_CONFIG": str(tmp_path / "two.toml"), "TOKENWORKS_HOME": str(home)}
    assert load(None, tmp_path / "three.toml", env).server.port == 3
    assert load(None, None, env).server.port == 2
    assert load(None, None, {"TOKENWORKS_HOME": str(home)}).server.port == 1
    with pytest.raises(ConfigError, match=r"gone\.toml: can't be read: No such file"):
        load(home, tmp_path / "gone.toml", {})


def test_what_is_set_about_auto(home: Path, refused: Callable[..., str]) -> None:
    write(home, '[routing.auto]\nquality = 1\nmodels = ["acme/*"]\n[[route]]\nuse = "auto"\n')
    settings = load(home, env={})
    assert settings.routing.auto == AutoSettings(quality=1.0, models=("acme/*",))
    assert [rule.name for rule in settings.routes] == ["route 1"]
    for text, said in {
        "[routing]\nauto = 1": "tokenworks.toml:2: routing.auto: must be a table ([routing.auto]), not a",
        "[routing.auto]\nqualty = 1": 'tokenworks.toml:2: routing.auto: unknown key "qualty"; did you mean',
        "[routing.auto]\nquality = 2": "tokenworks.toml:2: routing.auto: quality must be from 0 to 1",
        "[routing.auto]\nshadow = 0.1": "tokenworks.toml:2: routing.auto: shadow must be from 0 to 0.02",
        "[routing.auto]\nstrong = 'a/*'": "tokenworks.toml:2: routing.auto: strong must name one model such",
        "[routing.auto]\nmodels = ['']": "tokenworks.toml:2: routing.auto: models must be 1 to 200 printable",
        "[routing.auto]\ncapture = 'yes'": "tokenworks.toml:2: routing.auto: capture must be one of",
        "[[route]]\nuse = 1": "tokenworks.toml:2: route: use must be text in quotes",
        "[[routes]]": 'unknown key "routes"; did you mean "route"?',
    }.items():
        assert said in refused(text)


NOT_TOML = {
    "[server]\nport 80\n": "tokenworks.toml:2: not valid TOML: Expected '=' after a key",
    '[server]\nhost = "a\n': "tokenworks.toml:2: not valid TOML: Illegal character",
    "[server]\n[server]\n": "tokenworks.toml:2: not valid TOML: Cannot declare",
    "[server]\n\nhost =": "tokenworks.toml:3: not valid TOML: Invalid value",
    "api_key = sk-upstream\n": "tokenworks.toml:1: not valid TOML: Invalid value",
}


@pytest.mark.parametrize("text", NOT_TOML)
def test_what_is_not_toml_is_refused_where_it_stops_being(refused: Callable[..., str], text: str) -> None:
    message = refused(text)
    assert message.startswith(NOT_TOML[text])
    assert "sk-upstream" not in message


def test_a_file_that_is_not_text(home: Path) -> None:
    (home / "tokenworks.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"tokenworks\.toml: is not UTF-8 at byte 5; save it as UTF-8"):
        load(home, env={})


def test_a_file_nested_without_end(home: Path, refused: Callable[..., str]) -> None:
    assert "nested too deeply" in refused("a = " + "[" * 20_000)


def test_a_pepper_that_others_may_read_or_that_is_cut_is_refused(home: Path) -> None:
    pepper = home / "pepper"
    pepper.write_bytes(b"x" * 32)
    pepper.chmod(0o640)
    with pytest.raises(ConfigError, match=f"others may read it; run: chmod 600 {pepper}"):
        load(home, env={})
    pepper.chmod(0o600)
    assert load(home, env={}).pepper == b"x" * 32
    os.truncate(pepper, 31)
    with pytest.raises(ConfigError, match="must be 32 bytes"):
        load(home, env={})


def shelf(home: Path, name: str, text: str) -> None:
    (home / "engines").mkdir(exist_ok=True)
    (home / "engines" / name).write_text(text)


def test_engines_come_from_the_shelf_and_the_config_file_adds_to_them(home: Path) -> None:
    shelf(home, "small.toml", 'model = "me/small"\npath = "models/small.gguf"\nslots = 2\nthreads = 1\n')
    write(home, '[engines.small]\nslots = 8\n[engines.big]\nmodel = "me/big"\npath = "/srv/big.gguf"\n')
    engines = load(home, env={}).engines
    assert set(engines) == {"small", "big"}
    assert (engines["small"].slots, engines["small"].threads) == (8, 1)
    assert engines["small"].path == str(home / "models" / "small.gguf")
    assert engines["big"].path == "/srv/big.gguf"


def test_an_engine_on_the_shelf_is_refused_with_its_own_file(home: Path, refused: Callable[..., str]) -> None:
    shelf(home, "small.toml", 'model = "me/small"\n\nkv_cache = "q8_0"\n')
    assert refused("") == 'engines/small.toml:3: unknown key "kv_cache"; did you mean "kv_cache_type"?'
    shelf(home, "small.toml", 'model = "me/small"\n')
    assert refused("") == 'engines/small.toml:1: path is missing; add path = "..."'
    shelf(home, "small.toml", 'model = "me/small"\npath = "p"\nkv_cache_type = "q2"\n')
    assert refused("") == ('engines/small.toml:3: kv_cache_type must be one of "f16", "q8_0", "q4_0"')


def test_servers_of_ones_own_are_engines_with_a_url(home: Path) -> None:
    write(
        home,
        """
[engines.big]
runtime = "openai_server"
model = "acme/big"
url = "http://10.0.0.5:8000/v1/"
api_key_env = "BIG_KEY"
[engines.two]
runtime = "openai_server"
model = "acme/big"
url = "https://h:1/gpu"
api_key = "k2"
context_length = 4096
""",
    )
    settings = load(home, env={"BIG_KEY": "k1"})
    big, two = settings.engines["big"], settings.engines["two"]
    assert (big.url, two.url) == ("http://10.0.0.5:8000", "https://h:1/gpu")
    assert (big.path, big.slots, big.context_length, two.context_length) == ("", 0, 0, 4096)
    assert settings.engine_keys == {"big": "k1", "two": "k2"}
    assert big.api_key is None and two.api_key is None, "a key stands in one place only"
    assert "k1" not in repr(settings) and "k2" not in repr(settings)
    assert load(home, env={}, require_secrets=False).engine_keys == {"two": "k2"}
    with pytest.raises(ConfigError, match=r"engines.big: environment variable BIG_KEY is not set; export it"):
        load(home, env={})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('runtime = "openai_server"', '1: engines.big: url is missing; add url = "http://..."'),
        (
            'runtime = "openai_server"\nurl = "http://h"\nslots = 4',
            "5: engines.big: slots is up to the server",
        ),
        (
            'runtime = "openai_server"\nurl = "http://h"\npath = "x"',
            "5: engines.big: path is up to the server",
        ),
        (
            'path = "x"\nurl = "http://h"',
            "4: engines.big: url is for a server that runs already; add runtime",
        ),
        (
            'runtime = "openai_server"\nurl = "http://h"\napi_key = "a"\napi_key_env = "B"',
            "6: engines.big: api_key and api_key_env are both set; keep one",
        ),
        ("", '1: engines.big: path is missing; add path = "..."'),
    ],
)
def test_what_a_server_has_no_use_for_is_refused(refused: Callable[..., str], lines: str, said: str) -> None:
    assert refused(f'[engines.big]\nmodel = "acme/big"\n{lines}\n').startswith(f"tokenworks.toml:{said}")


def test_routing_is_read_and_its_mistakes_are_refused(home: Path, refused: Callable[..., str]) -> None:
    write(home, '[routing]\npolicy = "latency"\nretry_within_s = 5\nhedge_percentile = 95\n')
    routing = load(home, env={}).routing
    assert (routing.policy, routing.retry_within_s, routing.hedge_percentile) == ("latency", 5.0, 95.0)
    assert routing.breaker_failures == 5
    assert refused('[routing]\npolicy = "best"\n') == (
        'tokenworks.toml:2: routing: policy must be one of "balanced", "price", "throughput", "latency"'
    )
    assert refused("[routing]\n\nhedge_percentile = 101\n") == (
        "tokenworks.toml:3: routing: hedge_percentile must be from 0 to 100"
    )


def test_energy_is_read_and_watts_that_can_not_be_are_refused(
    home: Path, refused: Callable[..., str]
) -> None:
    write(home, '[energy]\nregion = "FR"\nusd_per_kwh = 0.2\nidle_watts = 40\nfull_watts = 200\n')
    energy = load(home, env={}).energy
    assert (energy.region, energy.usd_per_kwh, energy.g_per_kwh) == ("FR", 0.2, None)
    assert (energy.idle_watts, energy.full_watts, energy.enabled) == (40.0, 200.0, True)
    assert refused("[energy]\nidle_watts = 40\nfull_watts = 30\n") == (
        "tokenworks.toml:3: energy: full_watts must be at least idle_watts; give both of the whole machine"
    )


def test_presets_are_kept_by_name(home: Path, refused: Callable[..., str]) -> None:
    write(home, '[presets.terse]\nmodel = "acme/fast"\n[presets."mail-2"]\ntemperature = 0\n')
    assert load(home, env={}).presets == {"terse": {"model": "acme/fast"}, "mail-2": {"temperature": 0}}
    assert refused("[presets]\n'a b' = 1\n").startswith(
        'tokenworks.toml:2: presets: "a b": a name is made of'
    )
