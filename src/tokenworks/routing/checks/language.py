"""Is the answer in the language it was asked in, or asked to be in?

Scripts tell most languages apart, the commonest words those that share Latin letters.
"""

from __future__ import annotations

import re
from collections import Counter

from tokenworks.routing.checks.finding import Answer, Expected, Finding

HEAD = 3000  # characters that are looked at
FEWEST = 12  # letters of a script, before it says anything
SURE = 0.6  # share of a script among the letters
MARGIN = 2.0  # how many times as many common words as of any other language
HITS = 4  # common words, before they say anything
NAMES = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
    "dutch": "nl", "chinese": "zh", "mandarin": "zh", "japanese": "ja", "korean": "ko", "russian": "ru",
    "arabic": "ar", "hindi": "hi", "greek": "el", "hebrew": "he", "thai": "th", "turkish": "tr",
    "polish": "pl", "swedish": "sv", "英文": "en", "英语": "en", "英語": "en", "中文": "zh", "汉语": "zh",
    "日语": "ja", "日文": "ja",
    "日本語": "ja", "韩语": "ko", "法语": "fr", "德语": "de", "俄语": "ru", "西班牙语": "es",
    "deutsch": "de", "englisch": "en", "französisch": "fr", "spanisch": "es",
}  # fmt: skip
_NAMED = "|".join(sorted(NAMES, key=len, reverse=True))
TARGET = re.compile(
    rf"\b(?:in|into|to|auf|ins)\s+(?:fluent\s+|simplified\s+|traditional\s+|the\s+)?({_NAMED})\b"
    rf"|(?:成|为|為|用|到)\s*({_NAMED})|({_NAMED})で",
    re.IGNORECASE,
)
WORDS = {
    "en": "the of and to in is that it for was with as on are this be by have not you from or which",
    "de": "der die und das ist nicht ein eine mit den von zu auf für dem sich auch wird es als sie wir",
    "fr": "le la les et des est un une que pour dans qui sur pas avec plus du ce par sont au il nous",
    "es": "el la los de y que en un una es por con para las del se no su al lo como más",
    "it": "il di che è la per un una non con del della sono si le dei nel anche più gli questo",
    "pt": "o de que e do da em um para é com não uma os no se na por mais as dos ao",
    "nl": "de het een en van is dat op te in niet zijn voor met die aan er ook als bij",
    "tr": "ve bir bu için ile de da olarak olan çok daha gibi ama ne kadar var",
    "pl": "i w nie na się z jest to że do jak ale po co tak za od o",
    "sv": "och att det som en på är av för med den till inte har ett om var jag",
}
COMMON = {language: frozenset(words.split()) for language, words in WORDS.items()}
SCRIPTS = {
    "han": "[\u3400-\u9fff\uf900-\ufaff]", "kana": "[\u3040-\u30ff]",
    "hangul": "[\uac00-\ud7af\u1100-\u11ff]",
    "cyrillic": "[\u0400-\u04ff]", "arabic": "[\u0600-\u06ff]", "hebrew": "[\u0590-\u05ff]",
    "greek": "[\u0370-\u03ff]", "thai": "[\u0e00-\u0e7f]", "devanagari": "[\u0900-\u097f]",
    "latin": "[A-Za-z\u00c0-\u024f]",
}  # fmt: skip
COUNTED = {name: re.compile(signs) for name, signs in SCRIPTS.items()}
OF_SCRIPT = {
    "cyrillic": ("ru",), "arabic": ("ar",), "hebrew": ("he",), "greek": ("el",), "thai": ("th",),
    "devanagari": ("hi",), "hangul": ("ko",), "kana": ("ja",), "han": ("zh",),
}  # fmt: skip
SCRIPT_OF = {language: name for name, languages in OF_SCRIPT.items() for language in languages}
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\$[^$\n]*\$", re.DOTALL)
WORD = re.compile(r"[^\W\d_]+")


def check(answer: Answer, expected: Expected) -> Finding | None:
    """Fatal where another language was asked for in so many words, else a doubt; None where unsure."""
    asked = expected.language or target(expected.prompt)
    wanted = asked or spoken(expected.prompt)
    if not wanted:
        return None
    if not asked and expected.task == "translation":
        return None  # the prompt's own language is the one to leave
    found = spoken(answer.text)
    if not found:
        return None
    if same(found, wanted):
        return Finding("language", True)
    return Finding("language", False, bool(asked), f"it is {found}, {wanted} was expected")


def target(prompt: str) -> str:
    """The one language that ``prompt`` names as the answer's ("translate … into German"); else empty."""
    ends = prompt[:600] + "\n" + prompt[-600:] if len(prompt) > 1200 else prompt
    named = {NAMES[next(filter(None, m.groups())).lower()] for m in TARGET.finditer(ends)}
    return named.pop() if len(named) == 1 else ""


def same(found: str, wanted: str) -> bool:
    """Do both share the language, as far as it can be told? A script that many use decides by itself."""
    wanted = wanted[:2].lower()
    if found == wanted:
        return True
    known = wanted in COMMON or wanted in SCRIPT_OF
    return not known and found not in OF_SCRIPT  # of a language we can't tell, nothing is wrong


def spoken(text: str) -> str:
    """The language of ``text`` as two letters; empty where it can't be told."""
    prose = CODE.sub(" ", text[:HEAD])
    counts = {name: len(signs.findall(prose)) for name, signs in COUNTED.items()}
    # Letters of an alphabet make words of about five; an ideograph is half a word.
    weights = {n: c * (2.5 if n in ("han", "kana", "hangul") else 1.0) for n, c in counts.items()}
    total = sum(weights.values())
    script = max(weights, key=lambda name: weights[name])
    if counts["kana"] and counts["kana"] + counts["han"] >= FEWEST / 2 and script in ("han", "kana"):
        return "ja" if counts["kana"] * 8 > counts["han"] else "zh"
    least = FEWEST / 3 if script in ("han", "kana", "hangul") else FEWEST
    if counts[script] < least or weights[script] < SURE * total:
        return ""
    if script != "latin":
        return OF_SCRIPT[script][0]
    words = Counter(w.lower() for w in WORD.findall(prose))
    hits = {language: sum(words[w] for w in common) for language, common in COMMON.items()}
    best, second = sorted(hits, key=lambda name: -hits[name])[:2]
    return best if hits[best] >= HITS and hits[best] >= MARGIN * hits[second] else ""
