"""What becomes of a request that its subscriber's plan has no room for; see ``plans.subscription``."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.errors import Forbidden, RateLimited
from tokenworks.gateway.admission import UsedUp
from tokenworks.gateway.guard import turn_to
from tokenworks.plans.allowance import Allowance
from tokenworks.plans.subscription import CHEAPER, WALLET, Subscription
from tokenworks.plans.window import NEVER_US
from tokenworks.schema import Endpoint
from tokenworks.wire.pairing import Asked

QUEUE = "queue"  # it does not go on now: see ``gateway.queue``


def overflow(
    allowance: Allowance, asked: Asked, used_up: UsedUp, now_us: int, *, queues: bool = False
) -> str:
    """The state in which the request goes on. Turns it to the cheaper model where the plan says so.

    ``queues``: somebody here can keep it. Raises Forbidden for what the plan does not include, RateLimited
    while it is used up.
    """
    subscription = allowance.subscription
    assert subscription is not None
    spec, account = subscription.spec, used_up.account
    if spec.used_up == "pay_as_you_go":
        return WALLET
    if account is None:
        raise Forbidden(
            f"plan {spec.name} does not include {asked.model!r} for this client; it includes "
            f"{', '.join(glob for each in spec.classes for glob in each.models) or 'no models'}"
        )
    if spec.used_up == "cheaper_model":
        turn_to(asked, spec.cheaper_model)
        return CHEAPER
    if spec.used_up == "queue" and queues and account.frees_us(now_us) < NEVER_US:
        return QUEUE
    if account.unit == "concurrent":
        raise RateLimited(
            f"plan {spec.name} allows {account.cap} requests at a time; wait for one to end", retry_after_s=1
        )
    after_s = max((account.frees_us(now_us) - now_us) / 1e6, 1.0)
    raise RateLimited(
        f"plan {spec.name} is used up for this window ({account.window.text})", retry_after_s=after_s
    )


def included(subscription: Subscription, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """Those of ``endpoints`` whose models the plan includes; all, where it does not include the first.

    A request that names an included model first must not fall back to one that is not.
    """
    if subscription.weight(endpoints[0].model) is None:
        return endpoints
    return [each for each in endpoints if subscription.weight(each.model) is not None]
