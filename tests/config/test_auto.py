"""What can be set about ``auto`` survives the way to a worker and into the rules of a key."""

import msgspec
import pytest

from tokenworks.config.auto import AutoSettings, KeyRouting, RouteSettings, RouteUse, RouteWhen


def test_defaults_choose_and_check_but_keep_and_repeat_nothing() -> None:
    auto = AutoSettings()
    assert (auto.enabled, auto.cascade, auto.quality, auto.max_cost_usd) == (True, True, 0.95, None)
    assert (auto.shadow, auto.capture) == (0.0, "off")


def test_a_rule_is_the_same_after_the_way_to_a_worker() -> None:
    when = RouteWhen(
        task=("code",), session=True, min_input_tokens=0, tools=False, not_=RouteWhen(session=("a", "b"))
    )
    rule = RouteSettings("r", when, RouteUse(("acme/*",), quality=0.5, cascade=False))
    assert msgspec.json.decode(msgspec.json.encode(rule), type=RouteSettings) == rule


def test_a_keys_defaults_are_kept_as_what_was_said_only() -> None:
    kept = msgspec.to_builtins(KeyRouting(quality=0.0, cascade=False, allowed=("acme/*",)))
    assert kept == {"quality": 0.0, "cascade": False, "allowed": ("acme/*",)}
    assert msgspec.convert(kept, KeyRouting) == KeyRouting(quality=0.0, cascade=False, allowed=("acme/*",))
    assert msgspec.json.encode(KeyRouting()) == b"{}"
    with pytest.raises(msgspec.ValidationError, match="qualty"):
        msgspec.convert({"qualty": 1}, KeyRouting)
