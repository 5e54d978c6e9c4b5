"""The most that a request can come to is a bound, and what is affordable keeps within it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.gateway.estimate import (
    COMPLETION_TOKENS,
    LEAST_OUTPUT,
    MOST_PICTURE_TOKENS,
    Estimate,
    affordable,
    cost,
    most_cost,
)
from tokenworks.gateway.way import WAYS, Way
from tokenworks.schema import Endpoint, Price, PriceTier, Usage

CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT, EMBEDDINGS = (
    WAYS[f"/v1/{path}"]
    for path in (
        "chat/completions",
        "completions",
        "responses",
        "messages",
        "messages/count_tokens",
        "embeddings",
    )
)
SAID = [{"role": "user", "content": "hi"}]
CONTEXT = 100_000


def endpoint(context: int = CONTEXT, most: int | None = None, **price: Any) -> Endpoint:
    made = Price("p", **({"input_mtok": 1.0, "output_mtok": 2.0} | price))
    return Endpoint("acme/fast", "acme", "fast-1", made, context, most)


def estimated(way: Way, body: dict[str, Any] | bytes, *endpoints: Endpoint, strict: bool = True) -> Estimate:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = way.read(data)
    made = Estimate(way, asked, asked.input_bytes // 4)
    if strict:
        made.strictly(way, endpoints or (endpoint(),))
    return made


def sent(made: Estimate) -> dict[str, Any]:
    """The fields as a provider gets them."""
    return {name: json.loads(bytes(value)) for name, value in made.asked.fields.items()}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "acme/fast", "messages": SAID, **more}


# --- the bound ------------------------------------------------------------------------------------

mtok = st.floats(0, 200, allow_nan=False).map(lambda value: round(value, 4))
maybe = st.none() | mtok
tier = st.builds(
    PriceTier,
    above_input_tokens=st.integers(0, 3000),
    input_mtok=mtok,
    output_mtok=mtok,
    cache_read_mtok=maybe,
    cache_write_mtok=maybe,
)
price = st.builds(
    Price,
    id=st.just("p"),
    input_mtok=mtok,
    output_mtok=mtok,
    cache_read_mtok=maybe,
    cache_write_mtok=maybe,
    request_usd=st.floats(0, 1, allow_nan=False),
    tiers=st.lists(tier, max_size=3).map(
        lambda tiers: tuple(sorted(tiers, key=lambda each: each.above_input_tokens))
    ),
)


@given(price, st.integers(0, 5000), st.integers(0, 5000), st.data())
def test_no_use_of_so_many_tokens_costs_more(
    price: Price, input_tokens: int, output_tokens: int, data: st.DataObject
) -> None:
    most = most_cost([price], input_tokens, output_tokens)
    inp, out = data.draw(st.integers(0, input_tokens)), data.draw(st.integers(0, output_tokens))
    read = data.draw(st.integers(0, inp))
    write = data.draw(st.integers(0, inp - read))
    assert price.cost_nano_usd(Usage(inp - read - write, read, write, out)) <= most
    assert cost(price, input_tokens, output_tokens) <= most


@given(st.lists(price, min_size=1, max_size=3), st.integers(0, 5000), st.integers(-(10**6), 10**10))
def test_what_is_affordable_is_and_a_little_more_is_not(
    prices: list[Price], input_tokens: int, nano: int
) -> None:
    tokens = affordable(prices, input_tokens, nano)
    if tokens < 0:
        assert most_cost(prices, input_tokens, 0) > nano
        return
    assert most_cost(prices, input_tokens, tokens) <= nano
    if tokens < 10**9:
        a_nano = max(1, *(1000 // max(each.pico_usd[3], 1) + 1 for each in prices))  # lost by rounding
        assert most_cost(prices, input_tokens, tokens + 1 + a_nano) > nano


@settings(max_examples=200)
@given(
    words=st.lists(st.text(max_size=20), min_size=1, max_size=5),
    said=st.none() | st.integers(0, 10**7),
    n=st.none() | st.integers(1, 8),
    price=price,
    data=st.data(),
)
def test_the_strict_bound_of_random_requests(
    words: list[str], said: int | None, n: int | None, price: Price, data: st.DataObject
) -> None:
    body = chat(messages=[{"role": "user", "content": word} for word in words])
    body |= (
        {} if said is None else {data.draw(st.sampled_from(["max_tokens", "max_completion_tokens"])): said}
    )
    body |= {} if n is None else {"n": n}
    raw = json.dumps(body, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    one = Endpoint("acme/fast", "acme", "fast-1", price, 8192, data.draw(st.sampled_from([None, 4096])))
    try:
        made = estimated(CHAT, raw, one)
    except BadRequest:  # lone surrogates
        return
    fields = sent(made)
    limit = min(fields[name] for name in ("max_tokens", "max_completion_tokens") if name in fields)
    tokens = sum(len(word.encode("utf-8", "surrogatepass")) + 4 for word in words)  # a token is a byte
    inp, out = data.draw(st.integers(0, tokens)), data.draw(st.integers(0, limit * (n or 1)))
    read = data.draw(st.integers(0, inp))
    usage = Usage(inp - read, read, 0, out)
    assert price.cost_nano_usd(usage) <= most_cost([price], made.most_input, made.most_output)
    assert limit <= 8192


def test_every_endpoint_that_may_serve_it_counts() -> None:
    cheap, dear = endpoint(input_mtok=0.1, output_mtok=0.1), endpoint(input_mtok=10.0, output_mtok=50.0)
    assert most_cost([cheap.price, dear.price], 10, 10) == most_cost([dear.price], 10, 10) == 600_000
    tokens = affordable([cheap.price, dear.price], 10, 600_000)
    assert tokens == 10


def test_what_a_template_adds_is_within_the_bound() -> None:
    """Some models' own system prompts have more tokens than a short request has bytes."""
    made = estimated(CHAT, {"model": "m", "messages": [{"role": "user", "content": "?"}]})
    assert made.most_input >= 85
    tool = {"type": "function", "function": {"name": "a"}}
    assert estimated(CHAT, chat(tools=[tool])).most_input >= 1500


@pytest.mark.parametrize(
    ("field", "more"),
    [
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"x": "y" * 900}}},
        ),
        ("tools", [{"type": "function", "function": {"name": "a", "description": "y" * 900}}]),
        ("functions", [{"name": "a", "description": "y" * 900}]),
    ],
)
def test_everything_in_the_request_is_counted(field: str, more: Any) -> None:
    assert estimated(CHAT, chat(**{field: more})).most_input > 900


PICTURE = b'[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.b/c.png"}}]}]'
FILES = (
    b'[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]',
    b'[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://a.b/c.mp4"}}]}]',
)


@pytest.mark.parametrize(
    ("messages", "least"),
    [
        (PICTURE, MOST_PICTURE_TOKENS),
        (PICTURE.replace(b"image_url", b"image\\u005furl"), MOST_PICTURE_TOKENS),
        (PICTURE.replace(b"image_url", b"\\u0069mage_url"), MOST_PICTURE_TOKENS),
        *((each, CONTEXT) for each in FILES),
        (FILES[1].replace(b"video_url", b"\\u0076ideo_url"), CONTEXT),
    ],
)
def test_pictures_and_files_are_bounded_however_they_are_spelled(messages: bytes, least: int) -> None:
    made = estimated(CHAT, b'{"model":"acme/fast","messages":%b}' % messages)
    assert made.most_input >= least


def test_files_on_the_other_wires() -> None:
    file = {"type": "input_file", "file_url": "https://a.b/c.pdf"}
    items = [{"role": "user", "content": [file]}]
    assert estimated(RESPONSES, {"model": "m", "input": items}).most_input >= CONTEXT
    document = {"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}}
    messages = [{"role": "user", "content": [document]}]
    assert estimated(MESSAGES, {"model": "m", "messages": messages, "max_tokens": 9}).most_input >= CONTEXT


def test_reasoning_that_is_put_back_is_bounded_by_the_context() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
    messages = [*SAID, {"role": "assistant", "tool_calls": [call]}]
    replays = Endpoint("m", "p", "m", endpoint().price, CONTEXT, quirks=("echo_reasoning_content",))
    assert estimated(CHAT, chat(messages=messages), replays).most_input >= CONTEXT
    assert estimated(CHAT, chat(messages=messages)).most_input < 5000
    assert estimated(CHAT, chat(), replays).most_input < 5000


@pytest.mark.parametrize(
    ("way", "field", "value"),
    [
        (RESPONSES, "conversation", "conv_1"),
        (RESPONSES, "prompt", {"id": "pmpt_1"}),
        (RESPONSES, "tools", [{"type": "web_search"}]),
        (MESSAGES, "tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        (MESSAGES, "mcp_servers", [{"type": "url", "url": "https://a.b", "name": "a"}]),
        (CHAT, "web_search_options", {}),
    ],
)
def test_what_only_the_provider_can_see_is_refused_where_the_limit_is_strict(
    way: Way, field: str, value: Any
) -> None:
    body = {"model": "m", "input": "hi", "messages": SAID, "max_tokens": 9, field: value}
    with pytest.raises(BadRequest, match=field):
        estimated(way, body)
    assert estimated(way, body, strict=False).input >= 0
    estimated(way, {**body, field: None})


# --- the caller's limit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "body", "field"),
    [
        (CHAT, chat(), "max_tokens"),
        (CHAT, chat(max_tokens=7), "max_tokens"),
        (CHAT, chat(max_completion_tokens=7), "max_completion_tokens"),
        (RESPONSES, {"model": "m", "input": "hi"}, "max_output_tokens"),
        (RESPONSES, {"model": "m", "input": "hi", "max_output_tokens": 7}, "max_output_tokens"),
        (MESSAGES, {"model": "m", "messages": SAID, "max_tokens": 7}, "max_tokens"),
        (MESSAGES, {"model": "m", "messages": SAID}, "max_tokens"),
        (COMPLETIONS, {"model": "m", "prompt": "hi", "max_tokens": 7}, "max_tokens"),
    ],
)
def test_the_limit_lands_in_the_field_that_the_caller_used(
    way: Way, body: dict[str, Any], field: str
) -> None:
    made = estimated(way, body)
    names = {"max_tokens", "max_completion_tokens", "max_output_tokens"}
    assert names & sent(made).keys() == {field}
    assert sent(made)[field] == (7 if field in body else made.said)
    made.limit(5)
    assert sent(made)[field] == 5 == made.said


def test_of_two_limits_the_lower_one_goes_into_both() -> None:
    made = estimated(CHAT, chat(max_tokens=50, max_completion_tokens=20))
    assert sent(made)["max_tokens"] == sent(made)["max_completion_tokens"] == 20


def test_without_a_limit_there_is_one_that_every_endpoint_takes() -> None:
    made = estimated(CHAT, chat(), endpoint(most=64_000), endpoint(most=8_000))
    assert sent(made)["max_tokens"] == made.most_output == 8_000
    long = chat(messages=[{"role": "user", "content": "word " * 10_000}])
    made = estimated(CHAT, long)
    assert 10_000 < sent(made)["max_tokens"] < CONTEXT - made.input  # both fit into the context
    made = estimated(COMPLETIONS, {"model": "m", "prompt": "hi"})
    assert sent(made)["max_tokens"] == COMPLETION_TOKENS


def test_a_limit_is_brought_down_to_what_an_endpoint_can_give() -> None:
    made = estimated(CHAT, chat(max_tokens=10**15), endpoint(most=8_000), endpoint(most=4_000))
    assert sent(made)["max_tokens"] == 8_000


@pytest.mark.parametrize("value", ["many", -5, 5.0, 1e9, True, [5], {"a": 1}])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_limit_that_is_no_number_is_refused(field: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=field):
        estimated(CHAT, chat(**{field: value}))


@pytest.mark.parametrize(
    "field", ["Max_Tokens", "MAX_COMPLETION_TOKENS", "N", "max_to\u212aens", "be\u017ft_of"]
)
def test_large_letters_hide_no_limit(field: str) -> None:
    """JSON decoders of some languages find ``max_tokens`` in ``MAX_TOKENS``, the last of both."""
    with pytest.raises(BadRequest, match="small letters"):
        estimated(CHAT, chat(max_tokens=5, **{field: 100_000}))


@pytest.mark.parametrize("value", [0, -1, 1025, 2.0, "2", 10**9, True, 10**30])
@pytest.mark.parametrize("field", ["n", "best_of"])
def test_a_number_of_copies_that_is_none_is_refused(field: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=f"'{field}'"):
        estimated(CHAT, chat(**{field: value}), strict=False)


def test_copies_count_each() -> None:
    made = estimated(CHAT, chat(n=3, best_of=None, max_tokens=100))
    assert made.most_output == 300 and made.expected(10**6) == 300 and made.expected(20) == 60
    assert estimated(CHAT, chat(n=2, best_of=5, max_tokens=100)).most_output == 500


def test_a_key_that_stands_twice_counts_and_is_sent_once() -> None:
    made = estimated(CHAT, b'{"model":"m","max_tokens":5,"messages":[],"max\\u005ftokens":90}')
    assert made.most_output == 90 == sent(made)["max_tokens"]


def test_what_providers_refuse_as_too_low_is_reserved_as_they_are_asked() -> None:
    assert estimated(CHAT, chat(max_tokens=1)).most_output == LEAST_OUTPUT


def test_a_prediction_is_charged_as_output() -> None:
    given = {"type": "content", "content": "x" * 5000}
    assert estimated(CHAT, chat(max_tokens=100, prediction=given)).most_output >= 5100


@pytest.mark.parametrize(
    ("thinking", "least"),
    [
        (b'{"type":"enabled","budget_tokens":2048}', 2048 + LEAST_OUTPUT),
        (b'{"budget_tokens" :\t1024 , "type":"enabled"}', 1024 + LEAST_OUTPUT),
        (b'{"type":"enabled","budget_tokens":99999999999}', 999_999_999 + LEAST_OUTPUT),
        (b'{"type":"enabled","budget_tokens":"many"}', LEAST_OUTPUT),
        (b'{"type":"disabled"}', LEAST_OUTPUT),
        (b"null", LEAST_OUTPUT),
    ],
)
def test_an_answer_is_not_cut_below_its_budget_for_thinking(thinking: bytes, least: int) -> None:
    body = b'{"model":"m","messages":[],"max_tokens":4096,"thinking":%b}' % thinking
    assert estimated(MESSAGES, body).least_output() == least


def test_an_answer_shorter_than_the_least_is_not_cut_at_all() -> None:
    assert estimated(CHAT, chat(max_tokens=3)).least_output() == 3
    assert estimated(CHAT, chat(), strict=False).least_output() == LEAST_OUTPUT


# --- expected -------------------------------------------------------------------------------------


def test_what_is_expected() -> None:
    made = estimated(CHAT, chat(), strict=False)
    assert made.expected(512) == 512 and made.said is None
    assert estimated(CHAT, chat(max_tokens=10), strict=False).expected(512) == 10
    assert estimated(CHAT, chat(max_tokens="many"), strict=False).said is None
    assert estimated(EMBEDDINGS, {"model": "m", "input": ["a", "b"]}).expected(512) == 0


def test_counting_costs_nothing_and_embeddings_have_no_output() -> None:
    made = estimated(COUNT, {"model": "m", "messages": SAID})
    assert not made.costs and made.most_output == 0 and made.names == ()
    made = estimated(EMBEDDINGS, {"model": "m", "input": [[1, 22, 333], [4]]})
    assert made.costs and made.most_output == 0 and made.most_input >= 4


def test_estimates_are_no_bounds_but_right_for_plain_prices() -> None:
    one = endpoint(request_usd=0.001).price
    assert cost(one, 100, 10) == 100 * 1000 + 10 * 2000 + 1_000_000
