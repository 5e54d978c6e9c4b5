from tokenworks.ledger.rows import KeyRow, UsageRow


def test_input_is_all_three_classes() -> None:
    row = UsageRow(uncached_input_tokens=1, cache_read_tokens=20, cache_write_tokens=300, output_tokens=4000)
    assert row.input_tokens == 321


def test_a_key_is_active_until_it_is_revoked() -> None:
    assert KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, None, b"").active
    assert not KeyRow("k_1", "a", "member", "tw-abc…wxyz", 5, 6, b"").active
