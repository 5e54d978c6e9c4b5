"""Usage in columns."""

from tokenworks.plans.economics.history import DAY_US, History, Models, Subscriber


def test_models_are_numbered_as_they_come() -> None:
    models = Models()
    assert [models.place(name) for name in ("b", "a", "b", "c")] == [0, 1, 0, 2]
    assert models.names == ["b", "a", "c"]


def test_a_history_knows_its_size() -> None:
    busy, idle = Subscriber("busy"), Subscriber("idle")
    busy.requests.add(DAY_US, 0, 1, 2, 3, 4)
    busy.requests.add(2 * DAY_US, 0, 1, 2, 3, 4, 5)
    history = History(DAY_US, 4 * DAY_US, [busy, idle], ["m"], "by hand")
    assert (len(history), history.days, history.span_us) == (2, 3.0, 3 * DAY_US)
    assert list(busy.requests.cost_nano_usd) == [-1, 5]
