import pytest

from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall, When


@pytest.mark.parametrize(
    ("split_at", "pieces"),
    [
        ((1, 9), ["{", '"city": ', '"Paris"}']),
        ((), ['{"city": "Paris"}']),
        (None, ['{"city": "Pa', 'ris"}']),
    ],
)
def test_arguments_are_cut_where_the_script_says(split_at: tuple[int, ...] | None, pieces: list[str]) -> None:
    assert ToolCall("f", '{"city": "Paris"}', split_at=split_at).pieces() == pieces


def test_arguments_may_be_a_table_or_come_with_the_name() -> None:
    assert ToolCall("f", {"city": "Paris"}).json == '{"city":"Paris"}'
    assert ToolCall("f", "{}", at_start=True).pieces() == []


@pytest.mark.parametrize("split_at", [(0,), (2,), (1, 1), (-1,)])
def test_cuts_outside_the_arguments_are_refused(split_at: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="split_at must rise within the 2 characters"):
        ToolCall("f", "{}", split_at=split_at)


def test_what_contradicts_itself_is_refused() -> None:
    for make in (
        lambda: Reply(text="a", tokens=3),
        lambda: Reply(text="a", chunks=("a",)),
        lambda: Reply(tokens=0),
        lambda: Reply(chunk_delay_s=-1),
        lambda: Reply(headers={"x": "a\r\nset-cookie: b"}),
        lambda: Tokens(input_tokens=5, cache_read_tokens=6),
        lambda: Tokens(cache_write_1h_tokens=1),
        lambda: When(nth=0),
        lambda: When(every=0),
    ):
        with pytest.raises(ValueError):
            make()


def test_silent_is_what_says_nothing_itself() -> None:
    assert Reply(fault=Fault("close"), chunk_delay_s=1, chunks=3).silent
    for reply in (Reply(text=""), Reply(tokens=1), Reply(refusal="no"), Reply(chunks=("a",))):
        assert not reply.silent


def test_one_fault_or_several() -> None:
    assert Reply(fault=Fault("close")).faults == (Fault("close"),)
    assert Reply(fault=(Fault("close"), Fault("hang"))).faults == (Fault("close"), Fault("hang"))
