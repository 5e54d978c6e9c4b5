from tokenworks.plans.fair_use.threads import MAX_OPEN, Thread, Threads

S = 1_000_000


def thread(number: int, end_s: int, tokens: int, finish: str = "stop") -> Thread:
    return Thread(number, end_s * S, tokens, 90, finish)


def test_a_named_session_is_its_name() -> None:
    threads = Threads()
    threads.begin("a", thread(0, 10, 5000))
    assert threads.find("b", 20 * S, 5100) is None
    found = threads.find("a", 5 * S, 3)  # whatever its size, even before the answer
    assert found is not None and found.number == 0


def test_without_a_name_a_request_goes_on_with_the_nearest_context_below_its_own() -> None:
    threads = Threads()
    for number, tokens in enumerate((1000, 4000, 4300, 90_000)):
        threads.begin("", thread(number, 10, tokens))
    for tokens, number in ((4200, 1), (4500, 2), (1100, 0), (95_000, 3)):
        found = threads.find("", 20 * S, tokens)
        assert found is not None and found.number == number, tokens
    assert threads.find("", 20 * S, 900) is None  # smaller than all
    assert threads.find("", 20 * S, 40_000) is None  # far from all
    assert threads.find("", 9 * S, 4200) is None  # no answer was complete


def test_one_that_waits_for_a_tool_comes_before_a_nearer_one_that_does_not() -> None:
    threads = Threads()
    threads.begin("", thread(0, 10, 5000, "tool_calls"))
    threads.begin("", thread(1, 10, 5200))
    found = threads.find("", 12 * S, 5400)
    assert found is not None and found.number == 0
    found = threads.find("", 90 * S, 5400)  # no tool takes that long
    assert found is not None and found.number == 1


def test_few_are_remembered_and_none_for_long() -> None:
    threads = Threads()
    for number in range(3 * MAX_OPEN):
        threads.begin("", thread(number, 10, 1000 * number))
    assert threads.find("", 20 * S, 1000 * MAX_OPEN + 100) is None
    assert threads.find("", 20 * S, 1000 * (3 * MAX_OPEN - 1) + 100) is not None
    threads.begin("", thread(99, 8 * 3600, 100))
    assert threads.find("", 9 * 3600 * S, 1000 * (3 * MAX_OPEN - 2) + 100) is None
