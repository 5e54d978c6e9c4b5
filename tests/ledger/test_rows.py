import msgspec

from tokenworks.ledger.rows import ActivityRow, KeyRow, UsageRow


def test_input_is_all_three_classes() -> None:
    row = UsageRow(uncached_input_tokens=1, cache_read_tokens=20, cache_write_tokens=300, output_tokens=4000)
    assert row.input_tokens == 321
    assert ActivityRow("2026-01-01", "m", "p", 1, 1, 20, 300, 4000, 0, 0).input_tokens == 321


def test_a_key_is_active_until_it_is_revoked() -> None:
    assert KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, None, b"").active
    assert not KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, 6, b"").active


def test_a_disabled_key_is_not_active_and_its_end_is_a_moment() -> None:
    key = KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, None, b"", expires_us=10)
    assert key.active
    assert [key.expired(now) for now in (9, 10, 11)] == [False, True, True]
    assert not KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, None, b"").expired(2**62)
    assert not KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, None, b"", disabled=True).active


def test_a_keys_hash_names_it_whatever_its_secret() -> None:
    key = KeyRow("abc", "a", "member", "tw-abc…wxyz", 5, None, b"one")
    assert key.hash == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of abc
    assert msgspec.structs.replace(key, digest=b"another").hash == key.hash
