"""Where the vault's master keys come from, and which of them encrypts."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tokenworks.config.vault_key import ENV, make_vault_key, vault_keys
from tokenworks.errors import ConfigError

ONE, TWO, THREE = ("A" * 42 + "A=", "B" * 42 + "A=", "-_" * 21 + "A=")


def write(home: Path, text: str) -> Path:
    file = home / "vault.key"
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_none_before_the_first_is_made(home: Path) -> None:
    assert vault_keys(home, {}) == ()
    assert vault_keys(home, {ENV: " "}) == ()


def test_a_made_key_is_a_fernet_key_and_stays(home: Path) -> None:
    make_vault_key(home)
    (key,) = vault_keys(home, {})
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"
    make_vault_key(home)
    assert vault_keys(home, {}) == (key,)
    assert stat.S_IMODE((home / "vault.key").stat().st_mode) == 0o600


def test_the_environment_comes_before_the_file(home: Path) -> None:
    assert vault_keys(home, {ENV: f"{ONE},{TWO}"}) == (ONE, TWO)
    write(home, f"{THREE}\n{TWO}\n")
    assert vault_keys(home, {}) == (THREE, TWO)
    assert vault_keys(home, {ENV: f" {ONE} , {TWO} "}) == (ONE, TWO, THREE)


@pytest.mark.parametrize("key", ["hunter2", ONE[:-1], ONE + "=", "é" * 44, "A" * 44, "A" * 41 + "!A="])
def test_what_is_no_key_is_refused_and_not_shown(home: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=f"environment variable {ENV}: key 2 is no master key") as caught:
        vault_keys(home, {ENV: f"{ONE},{key}"})
    assert key not in str(caught.value)
    assert ONE not in str(caught.value)
    file = write(home, key)
    with pytest.raises(ConfigError, match=f"{file}: key 1 is no master key"):
        vault_keys(home, {ENV: ONE})


def test_a_file_that_others_may_read_or_that_was_emptied_is_refused(home: Path) -> None:
    file = write(home, ONE)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        vault_keys(home, {ENV: TWO})
    write(home, "\n")
    with pytest.raises(ConfigError, match="is empty; restore it from a backup"):
        vault_keys(home, {})
