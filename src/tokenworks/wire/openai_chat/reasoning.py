"""How much to think, in the top level of a chat request: providers differ most here."""

from __future__ import annotations

import msgspec

from tokenworks.wire.conversation import Maker, Reasoning
from tokenworks.wire.effort import DEFAULT_OUTPUT, LOWEST, budget_of, effort_of, known, thinks
from tokenworks.wire.parameters import said, switch
from tokenworks.wire.peek import Fields, raw, text

FIELDS = ("reasoning", "reasoning_effort", "include_reasoning")


class Wish(msgspec.Struct, omit_defaults=True, gc=False):
    """The ``reasoning`` object of aggregators."""

    enabled: bool | None = None
    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    summary: str | None = None


_decode = msgspec.json.Decoder(Wish | None).decode
_SWITCHES = ("enable_thinking_flag", "preserve_thinking_flag", "thinking_by_default")
_FEWER = {"minimal": "low", "xhigh": "high", "max": "high"}


def read_reasoning(fields: Fields) -> Reasoning | None:
    """What ``reasoning``, ``reasoning_effort`` and ``include_reasoning`` say. Raises BadRequest."""
    wish = said(fields, "reasoning", _decode) or Wish()
    effort = wish.effort or text(fields, "reasoning_effort") or ""
    exclude = wish.exclude
    if exclude is None:
        exclude = switch(fields, "include_reasoning") is False
    reasoning = Reasoning(wish.enabled, known(effort), wish.max_tokens, exclude, wish.summary or "")
    return reasoning if reasoning != Reasoning() else None


def reasoning_fields(reasoning: Reasoning, maker: Maker) -> Fields:
    """Top-level fields that say ``reasoning`` to ``maker``, which differ by its quirks."""
    quirks = maker.quirks
    if "reasoning_object" in quirks:
        wish = Wish(
            reasoning.enabled,
            reasoning.effort or None,
            reasoning.max_tokens,
            reasoning.exclude or None,
            reasoning.summary or None,
        )
        return {"reasoning": raw(wish)} if wish != Wish() else {}
    if "inline_think_tags" in quirks:
        return {"reasoning_split": raw(True)}
    on = thinks(reasoning)
    if on is None or "no_reasoning_control" in quirks:
        return {}
    always = "thinking_always_on" in quirks
    if not on and always and not quirks.isdisjoint(_SWITCHES):
        return {}
    most = maker.max_output_tokens or DEFAULT_OUTPUT
    if "enable_thinking_flag" in quirks:
        budget = budget_of(reasoning, most) if on else None
        flag = {"enable_thinking": raw(on)}
        return flag if budget is None else {**flag, "thinking_budget": raw(budget)}
    effort = effort_of(reasoning, most)
    if "preserve_thinking_flag" in quirks:
        return {"thinking": raw({"type": "enabled" if on else "disabled", "clear_thinking": False})}
    if "thinking_by_default" in quirks:
        thinking = {"thinking": raw({"type": "enabled" if on else "disabled"})}
        return {**thinking, "reasoning_effort": raw(effort)} if on and effort else thinking
    if "echo_thought_signatures" in quirks:
        effort = _FEWER.get(effort, effort)
    if not on and always:
        effort = LOWEST
    return {"reasoning_effort": raw(effort or "medium")}
