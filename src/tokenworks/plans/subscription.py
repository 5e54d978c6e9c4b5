"""One subscriber's plan as requests meet it: what they weigh, what is left, what happens then.

plan ── used up, or not for this client or model ──▶ overflow ── pay_as_you_go ──▶ wallet ── empty ──▶ 402
                                                      ├─ stop ──▶ 429 until a window has room
                                                      ├─ cheaper_model ──▶ served, uncounted
                                                      └─ queue ──▶ kept until a window has room
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.config.glob import lets_in, matches
from tokenworks.plans.account import Account, Kind
from tokenworks.plans.leases import Leases
from tokenworks.plans.spec import NANO_CREDIT, ModelClass, PlanSpec
from tokenworks.plans.window import parse
from tokenworks.schema import Price

# Where a request stands with its subscriber's plan; what its record and its answer say.
# ELSEWHERE: the plan is not for this client.
PLAN, ELSEWHERE, CHEAPER, WALLET = "plan", "elsewhere", "cheaper_model", "wallet"
MAX_MODELS = 10_000  # whose class is remembered


class Subscription:
    """A key's plan, or its team's."""

    def __init__(
        self, spec: PlanSpec, subscriber: str, leases: Leases, wallet: Sequence[Account] = ()
    ) -> None:
        """``subscriber`` is whose windows these are: "key:ID" or "team:ID"."""
        self.spec = spec
        self.wallet = tuple(wallet)
        accounts = []
        for each in spec.windows:
            limit_id = f"plan:{spec.name}:{each.window}"
            window = parse(each.window, spec.timezone)
            cap = round(each.credits * NANO_CREDIT)
            account = Account(
                limit_id, subscriber, "plan", spec.name, "credits", int(Kind.CREDITS), cap, window
            )
            accounts.append(leases.keep(account))
        self.windows = tuple(accounts)
        if spec.concurrency is not None:
            account = Account(
                f"plan:{spec.name}:concurrent",
                subscriber,
                "plan",
                spec.name,
                "concurrent",
                int(Kind.CONCURRENT),
                spec.concurrency,
                parse("lifetime"),
            )
            accounts.append(leases.keep(account))
        self.meters = tuple(accounts)
        self._weights: dict[str, Price | None] = {}

    def weight(self, model: str) -> Price | None:
        """What tokens of ``model`` weigh, as a price in credits; None where the plan does not include it."""
        if model not in self._weights:
            if len(self._weights) >= MAX_MODELS:
                self._weights.clear()
            found = next((each for each in self.spec.classes if matches(each.models, model)), None)
            self._weights[model] = weight(found) if found is not None else None
        return self._weights[model]

    def serves(self, client: str, app: str) -> bool:
        """Whether the plan is meant for this client."""
        return lets_in(self.spec.clients, client, app)


def weight(model_class: ModelClass) -> Price:
    """The class as a price whose dollars are credits."""
    return Price(
        id=f"class:{model_class.name}",
        input_mtok=model_class.input_mtok,
        output_mtok=model_class.output_mtok,
        cache_read_mtok=model_class.cache_read_mtok,
        cache_write_mtok=model_class.cache_write_mtok,
        request_usd=model_class.request,
    )
