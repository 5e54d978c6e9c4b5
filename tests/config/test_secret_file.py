"""Secrets on disk: their owner's alone, whole or not there."""

import stat
from pathlib import Path

import pytest

from tokenworks.config import secret_file
from tokenworks.errors import ConfigError


def test_made_for_the_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    assert secret_file.read(file) is None
    secret_file.make(file, b"first")
    secret_file.make(file, b"second")
    assert secret_file.read(file) == b"first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o601])
def test_what_others_may_touch_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    secret_file.make(file, b"hunter2")
    file.chmod(mode)
    with pytest.raises(ConfigError, match=f"others may read it; run: chmod 600 {file}") as caught:
        secret_file.read(file)
    assert "hunter2" not in str(caught.value)


def test_a_folder_in_its_place_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        secret_file.read(tmp_path)
