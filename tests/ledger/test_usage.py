import json

import pytest

from tokenworks.ledger.decided import Decided, encode
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.usage import report


@pytest.fixture
def filled(store, make):
    store.add_key(KeyRow("k_1", "alice", "member", "tw-abc…wxyz", 1, None, b"1" * 32))
    store.append(
        "w",
        1,
        [
            make(),
            make(provider="beta", cost_nano_usd=5_000_000_000),
            make(
                model="",
                provider="",
                outcome="bad_request",
                status=400,
                key_id="k_2",
                app="other",
                cost_nano_usd=0,
            ),
        ],
    )
    return store


def test_the_report_has_exactly_these_fields(filled) -> None:
    assert report(filled, "provider") == {
        "requests": 3,
        "input_tokens": 333,
        "output_tokens": 60,
        "cost_usd": 5.000001,
        "saved_usd": 0.0,
        "auto": {"requests": 0, "cost_usd": 0.0, "always_strong_usd": 0.0},
        "rows": [
            {
                "provider": provider,
                "requests": 1,
                "errors": errors,
                "input_tokens": 111,
                "output_tokens": 20,
                "cache_read_tokens": 10,
                "cache_write_tokens": 1,
                "reasoning_tokens": 5,
                "cost_usd": cost,
                "saved_usd": 0.0,
            }
            for provider, errors, cost in (("beta", 0, 5.0), ("acme", 0, 1e-6), ("", 1, 0.0))
        ],
    }


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("model", ["acme/fast", ""]),
        ("key", ["alice", "k_2"]),
        ("app", ["app", "other"]),
        ("day", ["2025-11-24"]),
    ],
)
def test_every_dimension_adds_up_to_the_same(filled, by: str, groups: list[str]) -> None:
    found = report(filled, by)
    assert [row[by] for row in found["rows"]] == groups
    assert sum(row["requests"] for row in found["rows"]) == found["requests"] == 3
    assert found["cost_usd"] == report(filled)["cost_usd"]
    json.dumps(found)


def test_a_keys_row_has_its_name_and_its_id(filled) -> None:
    assert [(row["key"], row["key_id"]) for row in report(filled, "key")["rows"]] == [
        ("alice", "k_1"),
        ("k_2", "k_2"),
    ]


def test_nothing_used_is_an_empty_report(store) -> None:
    assert report(store, "day") == {
        "requests": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": 0.0,
        "saved_usd": 0.0,
        "auto": {"requests": 0, "cost_usd": 0.0, "always_strong_usd": 0.0},
        "rows": [],
    }


def decided(cost: int, baseline: int) -> bytes:
    return encode(Decided("math", "cascade", "acme/strong", 1.0, cost, baseline))


def test_what_auto_saved_is_told_for_each_group_and_may_be_a_loss(store, make) -> None:
    store.append(
        "w",
        1,
        [
            make(model="acme/fast", decision=decided(1_000_000_000, 10_000_000_000)),
            make(model="acme/strong", decision=decided(12_000_000_000, 10_000_000_000)),
            make(model="acme/other"),
        ],
    )
    found = report(store)
    assert found["auto"] == {"requests": 2, "cost_usd": 13.0, "always_strong_usd": 20.0}
    assert found["saved_usd"] == 7.0
    saved = {row["model"]: row["saved_usd"] for row in found["rows"]}
    assert saved == {"acme/fast": 9.0, "acme/strong": -2.0, "acme/other": 0.0}
    assert [row["saved_usd"] for row in report(store, "key")["rows"]] == [7.0]
    assert [row["saved_usd"] for row in report(store, "app")["rows"]] == [7.0]
    assert [row["saved_usd"] for row in report(store, "day")["rows"]] == [7.0]
    assert all(row["saved_usd"] == 0.0 for row in report(store, "provider")["rows"])
