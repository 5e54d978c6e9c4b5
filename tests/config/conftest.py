"""A home folder, and a config file in it that must be refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tokenworks.config.load import load
from tokenworks.errors import ConfigError

PRESETS = {"bigco": ("BIGCO_API_KEY", "BIGCO_TOKEN"), "localrun": ()}

Refused = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def refused(home: Path) -> Refused:
    """``refused(text, **env)``: the one line with which ``text`` is refused, without its folder."""

    def refuse(text: str, **env: str) -> str:
        (home / "tokenworks.toml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load(home, env=env, preset_env=PRESETS)
        message = str(caught.value)
        assert "\n" not in message
        return message.removeprefix(f"{home}/")

    return refuse
