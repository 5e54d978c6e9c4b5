import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.rows import ProviderKeyRow


def row(number: int, **fields) -> ProviderKeyRow:
    values = {
        "id": f"pk_{number}",
        "provider": "acme",
        "name": f"key-{number}",
        "weight": 1.5,
        "ciphertext": bytes([number]) * 8,
        "hint": "sk-…abcd",
        "created_us": number,
    }
    return ProviderKeyRow(**(values | fields))


def test_keys_come_back_by_provider_and_age(store) -> None:
    for each in (row(3), row(1), row(2, provider="aaa")):
        assert store.add_provider_key(each)
    assert store.provider_keys() == [row(2, provider="aaa"), row(1), row(3)]


def test_a_name_is_taken_once_for_each_provider(store) -> None:
    assert store.add_provider_key(row(1, name="team"))
    assert not store.add_provider_key(row(2, name="team", ciphertext=b"other"))
    assert store.add_provider_key(row(3, name="team", provider="beta"))
    assert store.provider_keys() == [row(1, name="team"), row(3, name="team", provider="beta")]
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: provider_keys\.id"):
        store.add_provider_key(row(1, name="another"))
    with pytest.raises(StoreError, match="CHECK"):
        store.add_provider_key(row(4, weight=0.0))


def test_what_is_given_changes_and_nothing_else(store) -> None:
    store.add_provider_key(row(1))
    assert store.update_provider_key("pk_1", disabled=True) == row(1, disabled=True)
    assert store.update_provider_key("pk_1", weight=3.0) == row(1, disabled=True, weight=3.0)
    assert store.update_provider_key("pk_1", disabled=False) == row(1, weight=3.0)
    assert store.update_provider_key("pk_2", disabled=True) is None
    assert store.remove_provider_key("pk_1")
    assert not store.remove_provider_key("pk_1")
    assert store.provider_keys() == []


def test_ciphertexts_are_replaced_together(store) -> None:
    store.add_provider_key(row(1))
    store.add_provider_key(row(2))
    assert store.reseal_provider_keys({"pk_1": b"new", "pk_gone": b"x"}) == 1
    assert [each.ciphertext for each in store.provider_keys()] == [b"new", row(2).ciphertext]
    assert store.reseal_provider_keys({}) == 0
    with pytest.raises(StoreError):
        store.reseal_provider_keys({"pk_1": b"newer", "pk_2": None})
    assert store.provider_keys()[0].ciphertext == b"new"
