"""Endpoints in the order of their price, and prices that move with time."""

from datetime import UTC, date, datetime, time

from tokenworks.catalog.market import Market
from tokenworks.catalog.offers import Sold
from tokenworks.catalog.presets import models, presets
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.schedule import PriceRow, Schedule
from tokenworks.catalog.sellers import Seller
from tokenworks.schema import Endpoint, Model, Price, Provider

NIGHT = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
PEAK = datetime(2026, 11, 23, 1, tzinfo=UTC)
MODELS = {"a/m": Model(id="a/m", name="m", author="a", country="", context_length=4096)}


def price(name: str, amount: float) -> Price:
    return Price(id=name, input_mtok=amount, output_mtok=amount)


def sold(provider: str, schedule: Schedule, model: str = "a/m") -> Sold:
    return Sold(model, provider, "m", schedule, 4096, None)


def seller(name: str, *, accepts_any_model: bool = False) -> Seller:
    provider = Provider(
        name=name,
        title=name,
        wire="openai_chat",
        base_url="https://x.example",
        accepts_any_model=accepts_any_model,
    )
    return Seller(provider, presets().get(name))


def local(amount: float = 0.0) -> Endpoint:
    return Endpoint("a/m", "local", "m", price("local/embedded", amount), 4096, engine="m")


TIMED = Schedule((PriceRow(price("low", 1)), PriceRow(price("high", 3), daily=(time(1), time(4)))))


def order(market: Market) -> list[str]:
    return [endpoint.provider for endpoint in market.endpoints()["a/m"]]


def test_cheapest_first_unknown_last_own_engine_and_direct_sellers_first_among_equals() -> None:
    market = Market(
        [seller("direct"), seller("broker", accepts_any_model=True), seller("dear"), seller("mystery")],
        [
            sold("mystery", Schedule.fixed(UNKNOWN_PRICE)),
            sold("dear", Schedule.fixed(price("d", 5))),
            sold("broker", Schedule.fixed(price("b", 0))),
            sold("direct", Schedule.fixed(price("c", 0))),
        ],
        [local()],
        MODELS,
        NIGHT,
    )
    assert order(market) == ["local", "direct", "broker", "dear", "mystery"]


def test_moving_in_time_changes_price_and_order_and_spares_the_others() -> None:
    sellers = [seller("hourly"), seller("steady")]
    goods = [sold("hourly", TIMED), sold("steady", Schedule.fixed(price("s", 2)))]
    market = Market(sellers, goods, [], MODELS, NIGHT)
    steady = market.endpoints()["a/m"][1]
    assert order(market) == ["hourly", "steady"]
    assert market.next_change() == PEAK
    assert market.move_to(PEAK)
    assert order(market) == ["steady", "hourly"]
    assert market.endpoints()["a/m"][0] is steady
    assert market.endpoints()["a/m"][1].price.id == "high"
    assert not market.move_to(PEAK)
    assert market.next_change() == datetime(2026, 11, 23, 4, tzinfo=UTC)


def test_all_that_is_sold_stands_in_the_endpoint() -> None:
    goods = Sold(
        "a/m",
        "p",
        "m",
        TIMED,
        4096,
        512,
        quantization="fp8",
        supported_parameters=("tools",),
        input_modalities=("text", "image"),
        quirks=("pin_session",),
        wires=("openai_chat",),
    )
    market = Market([seller("p")], [goods], [], MODELS, NIGHT)
    for at, name in ((NIGHT, "low"), (PEAK, "high")):
        market.move_to(at)
        assert market.endpoints()["a/m"] == (
            Endpoint(
                "a/m",
                "p",
                "m",
                price(name, 1 if name == "low" else 3),
                4096,
                512,
                quantization="fp8",
                supported_parameters=("tools",),
                input_modalities=("text", "image"),
                quirks=("pin_session",),
                wires=("openai_chat",),
            ),
        )


def test_the_next_change_is_the_earliest_of_all() -> None:
    dated = Schedule((PriceRow(price("x", 1)), PriceRow(price("y", 2), start=date(2026, 11, 24))))
    market = Market([seller("p")], [sold("p", dated), sold("p", TIMED, "a/n")], [], MODELS, PEAK)
    assert market.next_change() == datetime(2026, 11, 23, 4, tzinfo=UTC)
    assert (
        Market([seller("p")], [sold("p", Schedule.fixed(price("z", 1)))], [], {}, PEAK).next_change() is None
    )


def test_a_model_passed_on_to_a_priced_provider_has_its_price_and_context() -> None:
    market = Market([seller("openrouter", accepts_any_model=True)], [], [], MODELS, NIGHT)
    endpoint = market.pass_on("openrouter", "qwen/qwen-plus")
    assert endpoint.price.id.startswith("genai-prices/")
    assert endpoint.context_length == 1_000_000
    assert (endpoint.model, endpoint.upstream_id) == ("qwen/qwen-plus", "qwen/qwen-plus")
    assert market.next_change() == datetime(2026, 11, 24, tzinfo=UTC)


def test_what_is_passed_on_has_the_abilities_of_the_model_if_it_is_known() -> None:
    market = Market([seller("openrouter", accepts_any_model=True)], [], [], models(), NIGHT)
    endpoint = market.pass_on("openrouter", "Google/Gemini-3.8-flash")
    assert endpoint.model == "google/gemini-3.8-flash"
    assert endpoint.input_modalities == models()["google/gemini-3.8-flash"].input_modalities
    assert {"tools", "seed"} <= set(endpoint.supported_parameters or ())
    assert "temperature" not in (endpoint.supported_parameters or ())
    unknown = market.pass_on("openrouter", "nobody/knows")
    assert (unknown.supported_parameters, unknown.input_modalities) == (None, ("text",))


def test_a_free_variant_costs_nothing_and_is_its_own_model() -> None:
    market = Market([seller("openrouter", accepts_any_model=True)], [], [], models(), NIGHT)
    free = market.pass_on("openrouter", "deepseek/deepseek-v4-pro:free")
    paid = market.pass_on("openrouter", "deepseek/deepseek-v4-pro")
    assert (free.model, free.upstream_id) == ("deepseek/deepseek-v4-pro:free",) * 2
    assert (free.price.id, free.price.input_mtok) == ("openrouter/free-variant", 0)
    assert paid.price.input_mtok > 0
    assert (free.context_length, free.supported_parameters) == (
        models()["deepseek/deepseek-v4-pro"].context_length,
        paid.supported_parameters,
    )
    own = Market([seller("ollama", accepts_any_model=True)], [], [], models(), NIGHT)
    assert own.pass_on("ollama", "llama3:free").price.id == "ollama/own-server"


def test_what_is_passed_on_has_its_provider_s_quirks() -> None:
    provider = Provider(
        name="acme",
        title="",
        wire="openai_chat",
        base_url="https://x.example",
        accepts_any_model=True,
        quirks=("reasoning_object",),
    )
    market = Market([Seller(provider, None)], [], [], MODELS, NIGHT)
    assert market.pass_on("acme", "whatever").quirks == ("reasoning_object",)


def test_a_model_passed_on_unknown() -> None:
    market = Market([seller("acme", accepts_any_model=True)], [], [], MODELS, NIGHT)
    endpoint = market.pass_on("acme", "whatever")
    assert (endpoint.model, endpoint.upstream_id) == ("acme/whatever", "whatever")
    assert endpoint.price.id == "unknown"
    assert endpoint.price.input_mtok == endpoint.price.output_mtok == 0
    known = market.pass_on("acme", "A/M")
    assert (known.model, known.upstream_id, known.context_length) == ("a/m", "A/M", 4096)


def test_a_model_passed_on_to_one_s_own_server_costs_nothing() -> None:
    market = Market([seller("vllm", accepts_any_model=True)], [], [], {}, NIGHT)
    assert market.pass_on("vllm", "mine").price.id == "vllm/own-server"
    assert market.next_change() is None
