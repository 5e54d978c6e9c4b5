"""Does the answer decline to answer?"""

from __future__ import annotations

import re

from tokenworks.routing.checks.finding import Answer, Expected, Finding

HEAD = 320  # characters: a refusal says so at once
SHORT = 600  # characters above which an answer helps as well, so that declining is a doubt only
DECLINES = re.compile(
    r"""
    \b(?:i['’]?m|i\s+am)\s+(?:really\s+|very\s+|so\s+)?sorry,?\s+(?:but\s+)?(?:i|as|that|this)\b
    | \bi\s+(?:can(?:no|['’])?t|won['’]?t|will\s+not|am\s+(?:unable|not\s+able)|['’]m\s+(?:unable|not\s+able))
      \s+(?:to\s+)?(?:help|assist|answer|provide|comply|do\s+that
        |fulfil+|create|generate|support|discuss|engage|share)
    | \bi['’]m\s+(?:unable|not\s+able)\s+to\s+(?:help|assist|answer|provide|comply|create|generate|discuss)
    | \bas\s+an\s+ai(?:\s+language)?\s+(?:model|assistant),?\s+i\s+(?:can|do\s+not|don['’]?t|am|must)
    | \b(?:against|violates?)\s+(?:my|our)\s+(?:guidelines|policy|policies|programming)\b
    | \bi\s+(?:must|have\s+to)\s+(?:respectfully\s+)?decline\b
    | (?:抱歉|对不起|很遗憾|對不起|非常抱歉)[，,、]?\s*(?:但)?我?(?:不能|无法|無法|没有办法|不可以|没法)
    | 我(?:不能|无法|無法|没有办法)(?:帮助|提供|回答|协助|满足|完成|协助|生成|幫助|回答您)
    | 作为(?:一个)?(?:人工智能|AI|语言模型|大语言模型)[^。]{0,20}(?:不能|无法)
    | \bes\s+tut\s+mir\s+leid,?\s+(?:aber\s+)?(?:ich|das|dabei)\b
    | \b(?:ich\s+kann|dabei\s+kann\s+ich)\s+(?:ihnen\s+|dir\s+)?(?:dabei\s+|das\s+|leider\s+)?nicht\b
    | \b(?:je\s+suis\s+)?désolée?,?\s+(?:mais\s+)?je\s+ne\s+(?:peux|suis)\b
    | \blo\s+siento,?\s+(?:pero\s+)?no\s+puedo\b
    | 申し訳(?:ありません|ございません)[^。]{0,30}(?:できません|できかね)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal for a short refusal, a doubt where a long answer begins like one."""
    text = answer.text.strip()
    match = DECLINES.search(text[:HEAD])
    if match is None:
        return Finding("refusal", True)
    if DECLINES.search(expected.prompt):  # the words were given to it: to translate, to quote, to sort
        return None
    said = " ".join(match.group().split())
    return Finding("refusal", False, len(text) < SHORT, f"it declines: “{said}”")
