"""Languages by name and code, and how long their texts are."""

from __future__ import annotations

import re

from tokenworks.batches.recipes.sizes import BYTES
from tokenworks.errors import BadRequest

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "uk": "Ukrainian",
    "pl": "Polish", "cs": "Czech", "sk": "Slovak", "hu": "Hungarian", "ro": "Romanian", "bg": "Bulgarian",
    "sr": "Serbian", "hr": "Croatian", "sl": "Slovenian", "el": "Greek", "tr": "Turkish", "ar": "Arabic",
    "he": "Hebrew", "fa": "Persian", "ur": "Urdu", "hi": "Hindi", "bn": "Bengali", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "vi": "Vietnamese", "id": "Indonesian", "ms": "Malay", "sv": "Swedish",
    "da": "Danish", "no": "Norwegian", "fi": "Finnish", "et": "Estonian", "lv": "Latvian",
    "lt": "Lithuanian", "ca": "Catalan", "eo": "Esperanto", "la": "Latin", "is": "Icelandic",
    "ga": "Irish", "cy": "Welsh", "sw": "Swahili", "ka": "Georgian", "hy": "Armenian", "kk": "Kazakh",
    "zh-Hans": "Chinese (simplified)", "zh-Hant": "Chinese (traditional)",
    "pt-BR": "Portuguese (Brazil)",
}  # fmt: skip
_OTHERS = {
    "chinese simplified": "zh-Hans", "simplified chinese": "zh-Hans", "zh-cn": "zh-Hans",
    "chinese traditional": "zh-Hant", "traditional chinese": "zh-Hant", "zh-tw": "zh-Hant",
    "zh-hk": "zh-Hant", "mandarin": "zh", "中文": "zh", "简体中文": "zh-Hans", "繁體中文": "zh-Hant",
    "brazilian portuguese": "pt-BR",
    "farsi": "fa", "deutsch": "de", "français": "fr", "español": "es", "italiano": "it", "english": "en",
    "日本語": "ja", "한국어": "ko", "русский": "ru", "castilian": "es", "nb": "no",
}  # fmt: skip
_CODES = (
    {name.lower(): code for code, name in NAMES.items()} | {code.lower(): code for code in NAMES} | _OTHERS
)
_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
# Characters for what takes 100 in English, about: of published translations. Not in it: 105.
_LENGTH = {
    "en": 100, "zh": 32, "ja": 45, "ko": 52, "th": 95, "ar": 85, "he": 80, "fa": 95, "ur": 95, "de": 115,
    "fr": 115, "es": 110, "it": 112, "pt": 108, "ru": 108, "nl": 112, "pl": 108, "hu": 110, "fi": 108,
    "el": 118, "ro": 112, "vi": 108, "hi": 100, "bn": 98, "ta": 118, "tr": 102, "la": 90,
}  # fmt: skip
# Bytes of UTF-8 for a character, of scripts that take more than one.
_BYTES = {
    **dict.fromkeys(("ru", "uk", "bg", "sr", "kk", "el", "ar", "he", "fa", "ur", "hy"), 1.85),
    **dict.fromkeys(("hi", "bn", "ta", "te", "th", "ka"), 2.8),
}
_SCRIPTS = {
    "han": "zh", "han kana": "ja", "hangul": "ko", "cyrillic": "ru uk bg sr kk", "arabic": "ar fa ur",
    "hebrew": "he", "greek": "el", "thai": "th", "devanagari": "hi",
}  # fmt: skip
_UNTOLD = frozenset(("bn", "ta", "te", "ka", "hy"))
_TOKEN_EACH = frozenset(("zh", "ja", "ko"))
FROM_THE_RIGHT = frozenset(("ar", "he", "fa", "ur"))
NO_SPACES = frozenset(("zh", "ja", "th"))  # written without spaces between words


def code(named: str) -> str:
    """The code of a language named in words or by its code; "und" of one that we don't know by name.

    Raises ``BadRequest`` for nothing and for what is no name at all.
    """
    said = " ".join(named.replace("_", "-").replace("(", " ").replace(")", " ").split())
    known = _CODES.get(said.lower())
    if known:
        return known
    if _TAG.fullmatch(said) and (base(said) in NAMES):
        return said
    if not 2 <= len(said) <= 60 or not re.fullmatch(r"[^\W\d_][\w' -]*", said):
        raise BadRequest(f"{named!r} is no language: name one, such as German or zh")
    return "und"


def name(code_: str, named: str = "") -> str:
    """In English, as a prompt names it."""
    return NAMES.get(code_) or NAMES.get(base(code_)) or named or code_


def base(code_: str) -> str:
    """Without script and region."""
    return code_.partition("-")[0].lower()


def expected(characters: float, source: str, target: str) -> float:
    """About how many characters so many of ``source`` become in ``target``."""
    return characters * _LENGTH.get(base(target), 105) / _LENGTH.get(base(source), 105)


def scripts(code_: str) -> frozenset[str]:
    """The scripts of a language, as ``routing.checks.language`` names them; empty: unknown."""
    short = base(code_)
    for names, languages in _SCRIPTS.items():
        if short in languages.split():
            return frozenset(names.split())
    return frozenset(("latin",)) if short in NAMES and short not in _UNTOLD else frozenset()


def tokens(characters: float, target: str) -> float:
    """About how many tokens so many characters of ``target`` are, counted as ``sizes.tokens_of`` does."""
    if base(target) in _TOKEN_EACH:
        return characters
    return characters * _BYTES.get(base(target), 1.05) / BYTES
