"""Keys of providers at rest: unreadable without the master key, useless in another's row."""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet
from fresh_store import fresh_store

from tokenworks.catalog.sellers import active
from tokenworks.config.settings import ProviderKey, ProviderModelSettings, ProviderSettings, Settings
from tokenworks.config.vault_key import ENV, vault_keys
from tokenworks.errors import ConfigError
from tokenworks.ledger.rows import ProviderKeyRow
from tokenworks.ledger.store import Store
from tokenworks.providers import vault

ACME = ProviderSettings(
    wire="openai_chat", base_url="https://acme.example/v1", models=(ProviderModelSettings(id="acme/fast"),)
)
SECRET = "sk-live-0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, source=None, providers={"acme": ACME})


def keep(
    store: Store,
    home: Path,
    provider: str = "acme",
    name: str = "team",
    secret: str = SECRET,
    env: dict[str, str] | None = None,
    **fields: object,
) -> ProviderKeyRow:
    """A key in the vault, as the command line keeps it."""
    rows = store.provider_keys()
    number = len(rows) + 1
    key_id = f"pk_{number}"
    sealed = vault.opened(home, rows, env or {}).seal(key_id, provider, secret)
    values = {"weight": 1.0, "hint": vault.hint(secret), "created_us": number} | fields
    row = ProviderKeyRow(id=key_id, provider=provider, name=name, ciphertext=sealed, **values)  # type: ignore[arg-type]
    assert store.add_provider_key(row)
    return row


def test_a_secret_comes_back_and_is_nowhere_on_the_disk(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    keep(store, tmp_path, weight=2.5)
    assert vault.keys(store, settings, {}) == {"acme": (ProviderKey("team", SECRET, 2.5),)}
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert SECRET.encode() not in kept
    assert b"0123456789abcdef" not in kept


def test_a_stored_key_can_not_be_put_into_anothers_row(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    row = keep(store, tmp_path)
    other = keep(store, tmp_path, provider="beta")
    store.reseal_provider_keys({other.id: row.ciphertext})
    beta = msgspec.structs.replace(settings, providers={"acme": ACME, "beta": ACME})
    with pytest.raises(ConfigError, match=r"key team of beta was made for another; .* key remove pk_2"):
        vault.keys(store, beta, {})
    store.reseal_provider_keys({other.id: row.ciphertext[:-4] + b"AAA="})
    with pytest.raises(ConfigError, match="key team of beta can't be read"):
        vault.keys(store, beta, {})


def test_master_keys_rotate(store: Store, settings: Settings, tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    keep(store, tmp_path, env={ENV: old})
    keep(store, tmp_path, name="two", secret="sk-2", env={ENV: old})
    assert not (tmp_path / "vault.key").exists()
    with pytest.raises(ConfigError, match="key team of acme can't be read; restore the master key") as caught:
        vault.keys(store, settings, {ENV: new})
    assert SECRET not in str(caught.value)
    both = {ENV: f"{new},{old}"}
    before = vault.keys(store, settings, both)
    assert store.reseal_provider_keys(vault.rotated(tmp_path, store.provider_keys(), both)) == 2
    assert vault.keys(store, settings, {ENV: new}) == before
    with pytest.raises(ConfigError, match="can't be read"):
        vault.keys(store, settings, {ENV: old})


def test_a_rotation_that_can_not_read_one_key_changes_none(store: Store, tmp_path: Path) -> None:
    old, new, lost = (Fernet.generate_key().decode() for _ in range(3))
    keep(store, tmp_path, env={ENV: old})
    keep(store, tmp_path, name="two", env={ENV: lost})
    before = store.provider_keys()
    with pytest.raises(ConfigError, match="key two of acme can't be read"):
        vault.rotated(tmp_path, before, {ENV: f"{new},{old}"})
    assert store.provider_keys() == before
    assert vault.rotated(tmp_path, [], {}) == {}
    assert not (tmp_path / "vault.key").exists()


def test_the_master_key_is_made_once_and_missed_later(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    assert vault.with_vault(settings, store, {}) is settings
    assert not (tmp_path / "vault.key").exists(), "nothing to encrypt yet"
    keep(store, tmp_path)
    (master,) = vault_keys(tmp_path, {})
    keep(store, tmp_path, name="two")
    assert vault_keys(tmp_path, {}) == (master,)
    (tmp_path / "vault.key").unlink()
    for use in (lambda: vault.keys(store, settings, {}), lambda: keep(store, tmp_path, name="three")):
        with pytest.raises(ConfigError, match=r"vault\.key is gone, .* 2 keys .* restore it from a backup"):
            use()
    assert len(vault.keys(store, settings, {ENV: master})["acme"]) == 2, "a backup in the environment will do"


def test_a_key_in_the_vault_makes_a_provider_active(store: Store, settings: Settings, tmp_path: Path) -> None:
    assert [seller.provider.name for seller in active(settings)] == []
    keep(store, tmp_path)
    keep(store, tmp_path, provider="groq", secret="gsk-1")
    found = vault.with_vault(settings, store, {})
    assert {seller.provider.name for seller in active(found)} == {"acme", "groq"}
    assert found.secrets == {"acme": SECRET, "groq": "gsk-1"}
    assert found.provider_keys == {
        "acme": (ProviderKey("team", SECRET),),
        "groq": (ProviderKey("team", "gsk-1"),),
    }
    assert settings.secrets == {}, "what was given stays as it was"
    assert SECRET not in repr(found) + repr(found.provider_keys)


def test_keys_of_the_vault_stand_behind_those_of_the_configuration(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    keep(store, tmp_path)
    keep(store, tmp_path, name="more", weight=3.0)
    one = msgspec.structs.replace(settings, secrets={"acme": "sk-env"})
    found = vault.with_vault(one, store, {})
    assert found.secrets == {"acme": "sk-env"}
    assert found.provider_keys["acme"] == (
        ProviderKey("default", "sk-env"),
        ProviderKey("team", SECRET),
        ProviderKey("more", SECRET, 3.0),
    )
    named = (ProviderKey("a", "sk-a", 2.0), ProviderKey("b", "sk-b"))
    two = msgspec.structs.replace(settings, secrets={"acme": "sk-a"}, provider_keys={"acme": named})
    assert [key.name for key in vault.with_vault(two, store, {}).provider_keys["acme"]] == [
        *("a", "b", "team", "more")
    ]
    clash = msgspec.structs.replace(two, provider_keys={"acme": (ProviderKey("team", "sk-a"),)})
    with pytest.raises(ConfigError, match="a key called team is in the configuration and in the vault"):
        vault.with_vault(clash, store, {})


def test_keys_that_nobody_can_use_are_left_alone(
    store: Store, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(store, tmp_path, provider="gone", name="a")
    keep(store, tmp_path, provider="gone", name="b")
    off = keep(store, tmp_path, disabled=True)
    (tmp_path / "vault.key").unlink()  # no use, no need of a master key
    with caplog.at_level(logging.WARNING):
        assert vault.with_vault(settings, store, {}) is settings
    assert caplog.messages == ["vault: no provider is called gone any more; its keys are not used"]
    store.update_provider_key(off.id, disabled=False)
    for change in ({"enabled": False}, {"auth": "none"}):
        acme = msgspec.structs.replace(ACME, **change)
        assert vault.keys(store, msgspec.structs.replace(settings, providers={"acme": acme}), {}) == {}


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("", "…"),
        ("hunter2", "…"),
        ("0123456789", "…89"),
        ("0123456789012345678", "…78"),
        ("sk-live-0123456789abcdef", "sk-…cdef"),
    ],
)
def test_a_hint_tells_little(secret: str, shown: str) -> None:
    assert vault.hint(secret) == shown
