"""Run by LiteLLM's own Python: its documented budget of a process (``litellm.max_budget``) under a burst.

Arguments: base URL, requests, budget in dollars, dollars per output token, most output tokens, number of
scripts. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import random
import sys
from collections import Counter

import litellm  # type: ignore[import-not-found]


async def main(base_url: str, requests: int, budget: float, price: float, most: int, kinds: int) -> None:
    litellm.max_budget = budget
    litellm.suppress_debug_info = True
    litellm.register_model(
        {
            "openai/fast-1": {
                "input_cost_per_token": 0.0,
                "output_cost_per_token": price,
                "litellm_provider": "openai",
                "mode": "chat",
            }
        }
    )
    outcomes: Counter[str] = Counter()
    spent = 0.0

    async def one() -> None:
        nonlocal spent
        text = f"<{random.randrange(kinds)}>"
        try:
            answer = await litellm.acompletion(
                model="openai/fast-1",
                api_base=base_url,
                api_key="sk-upstream",
                messages=[{"role": "user", "content": text}],
                max_tokens=most,
                num_retries=0,
            )
            outcomes["served"] += 1
            spent += answer.usage.completion_tokens * price
        except litellm.BudgetExceededError:
            outcomes["refused"] += 1
        except Exception as error:
            outcomes[type(error).__name__] += 1

    await asyncio.gather(*(one() for _ in range(requests)))
    print(
        json.dumps(
            {"outcomes": outcomes, "spent_usd": spent, "version": importlib.metadata.version("litellm")}
        )
    )


given = sys.argv[1:]
asyncio.run(main(given[0], int(given[1]), float(given[2]), float(given[3]), int(given[4]), int(given[5])))
