"""Which language people speak in a text: for counting, where a short question should be told as well.

Scripts tell most languages apart, letters of their own and the commonest words those that share a script. It
says more often what it is than ``checks.language`` does, which condemns answers and so must be sure. Where
two languages are about as likely it says nothing.
"""

from __future__ import annotations

import bisect
import heapq
import re
from collections import Counter, defaultdict

from tokenworks.routing.checks.language import CODE

KEEP = 800  # characters that are looked at
FEWEST = 8  # halves of a letter of a script, before it says anything; an ideograph is worth five
SURE = 0.5  # share of a script among the letters
LEAST = 1.0  # words' worth that must speak for a language
MARGIN = 1.3  # how many times as much as for any other

# Commonest words, and those that questions and orders begin with. No single letters: x is no word.
_WORDS = {
    "en": "the of and to in is that it for was with as on are this be by have not you from or which an my "
    "what how why when where who can could would should do does did please write make give tell "
    "explain me create if at your we they he she his her there their will all but so its help need "
    "want list find summarize translate code using into about has were been than then only some any "
    "between i'm i'd it's don't hello hi thanks following each answer question text fix add use get "
    "let's more per over true false one two equal given statement",
    "de": "der die und das ist nicht ein eine mit den von zu auf für dem sich auch wird es als sie wir "
    "ich du was wie warum wann wo wer kann können bitte schreibe schreib erkläre gib mir mich mein "
    "meine einen einem einer im am zum zur bei nach aus oder aber wenn dass hat haben sind war über "
    "um kannst welche kein mach deine deinen deiner ihre ihren erstelle übersetze zusammen hallo "
    "danke diese dieser dieses folgenden noch nur diesen diesem deren",
    "fr": "le la les et des est un une que pour dans qui sur pas avec plus du ce par sont au il nous je "
    "tu vous comment pourquoi quand où quel quelle quels peux pouvez moi mon ma mes de qu'est s'il "
    "écris écrivez explique donne fais faire traduis résume cette ces ou mais bonjour merci j'ai "
    "aux être ont ne se en",
    "es": "el la los de que en un una es por con para las del se no su al lo como más qué cómo cuál "
    "cuándo dónde quién puedes escribe explica dame haz hacer mi me te pero si está son ser hola "
    "gracias favor traduce resume este esta estos cuánto ha le sobre hay entre ayúdame necesito "
    "quiero",
    "it": "il di che è la per un una non con del della sono si le dei nel anche più gli questo lo come "
    "perché quando dove chi cosa cos'è puoi scrivi spiega dammi fai fare mio mia mi ti ma se alla "
    "al da in ciao grazie favore traduci riassumi questa quali quale ho vorrei",
    "pt": "de que do da em um para é com não uma os no se na por mais as dos ao como qual quais quando "
    "onde quem você pode escreva explique me meu minha ou mas isso este esta olá obrigado obrigada "
    "favor traduza resuma faça quero preciso são foi está entre sobre crie nos das pela pelo",
    "nl": "de het een en van is dat op te in niet zijn voor met die aan er ook als bij ik je jij wat hoe "
    "waarom wanneer waar wie kan kun kunt alsjeblieft schrijf leg geef mij me mijn naar uit om of "
    "maar deze dit wel geen hallo bedankt vertaal vat samen over heeft was worden wordt nog maak",
    "pl": "nie na się jest to że do jak ale po co tak za od dla są czy jaki jaka jakie kiedy gdzie kto "
    "dlaczego możesz proszę napisz wyjaśnij daj mi mój moja mnie ten ta przez lub który która które "
    "cześć dziękuję przetłumacz podsumuj zrób jestem było być",
    "tr": "ve bir bu için ile de da olarak olan çok daha gibi ama ne kadar var nasıl neden niçin nerede "
    "kim hangi mı mi mu misin mısın lütfen yaz açıkla bana ben sen benim merhaba teşekkürler çevir "
    "özetle en her şey değil mısınız",
    "vi": "và của là có không được một cho trong với các này những người đã để tôi bạn hãy như thế nào "
    "tại sao gì khi ở đâu ai viết giải thích về cách làm xin chào cảm ơn dịch tóm tắt từ ra",
    "id": "dan yang di untuk dengan ini itu dari tidak adalah pada dalam akan ke saya anda apa bagaimana "
    "mengapa kenapa kapan mana siapa bisa tolong tulis tuliskan jelaskan buat buatkan berikan atau "
    "juga sebuah oleh sudah ada lebih halo terima kasih terjemahkan ringkas cara kita kami dapat",
    "sv": "och att det som en på är av för med den till inte har ett om var jag du hur vad varför när vem "
    "kan skriv förklara ge mig min mitt mina de så eller men från hej tack översätt sammanfatta "
    "vill ska kunna vilka vilken denna detta gör",
    "da": "og at det som en på er af for med den til ikke har et om jeg du hvordan hvad hvorfor hvornår "
    "hvor hvem kan skriv forklar giv mig min mit mine de så eller men fra hej tak oversæt vil skal "
    "hvilke denne dette lav være blev",
    "no": "og at det som en på er av for med den til ikke har et om jeg du hvordan hva hvorfor når hvor "
    "hvem kan skriv forklar gi meg min mitt mine de så eller men fra hei takk oversett vil skal "
    "hvilke denne dette lag være ble",
    "fi": "ja on ei se että hän oli mutta kun niin tai myös ole minä sinä mitä miten miksi milloin missä "
    "kuka voitko voisitko kirjoita selitä anna minulle minun tämä tämän ovat kuin joka hei kiitos "
    "käännä tiivistä mikä kuinka",
    "cs": "je se na že to do ale jako by si pro jsem jsou jak co proč kdy kde kdo můžeš můžete prosím "
    "napiš vysvětli dej mi můj moje tento tato toto nebo který která které ahoj děkuji přelož shrň "
    "jaký jaká jaké není být mezi",
    "hu": "az és hogy nem is egy meg ez van de mint csak már volt mi mit hogyan miért mikor hol ki kérlek "
    "írj írja magyarázd adj nekem ezt vagy szia köszönöm fordítsd foglald össze milyen melyik tudsz",
    "ro": "și în de la cu nu că un pe este din pentru sunt mai ce cum când unde cine poți te rog scrie "
    "explică dă mi meu mea sau dar care să fi acest această salut mulțumesc tradu rezumă între",
}
_LETTERS = {
    "ñ¿¡": "es", "ß": "de", "äöü": "de sv fi tr hu", "ãõ": "pt", "œç": "fr", "åøæ": "da no", "å": "sv",
    "ąęśźżćńł": "pl", "ğış": "tr", "ěřůťď": "cs", "őű": "hu", "ășțţ": "ro", "đơư": "vi",
    "êâîôû": "fr", "ìòù": "it", "ĳ": "nl",
}  # fmt: skip
_OWN: dict[str, tuple[str, ...]] = {}
for _signs, _languages in _LETTERS.items():
    for _sign in _signs:
        _OWN[_sign] = (*_OWN.get(_sign, ()), *_languages.split())
_TONES = re.compile("[ạ-ỹ]")  # letters with two marks: Vietnamese alone has them
_OWN_IS_WORTH = 0.6  # words, each of a language's own letters that occurs

_SPOKEN_BY: dict[str, list[str]] = {}
for _language, _words in _WORDS.items():
    for _word in _words.split():
        _SPOKEN_BY.setdefault(_word, []).append(_language)
# A word of many languages tells little.
_TOLD = {word: tuple((each, 1 / len(found)) for each in found) for word, found in _SPOKEN_BY.items()}

_SCRIPTS = (  # first and last sign, and whose they are; in order
    ("A", "Z", "latin"), ("a", "z", "latin"), ("\u00c0", "\u024f", "latin"), ("\u0370", "\u03ff", "greek"),
    ("\u0400", "\u04ff", "cyrillic"), ("\u0530", "\u058f", "armenian"), ("\u0590", "\u05ff", "hebrew"),
    ("\u0600", "\u06ff", "arabic"), ("\u0900", "\u097f", "devanagari"), ("\u0980", "\u09ff", "bengali"),
    ("\u0b80", "\u0bff", "tamil"), ("\u0c00", "\u0c7f", "telugu"), ("\u0e00", "\u0e7f", "thai"),
    ("\u10a0", "\u10ff", "georgian"), ("\u1100", "\u11ff", "hangul"), ("\u1e00", "\u1eff", "latin"),
    ("\u3040", "\u30ff", "kana"), ("\u3400", "\u9fff", "han"), ("\uac00", "\ud7af", "hangul"),
    ("\uf900", "\ufaff", "han"),
)  # fmt: skip
_FIRST = [first for first, _, _ in _SCRIPTS]
_ALONE = {
    "hangul": "ko", "hebrew": "he", "greek": "el", "thai": "th", "bengali": "bn", "tamil": "ta",
    "telugu": "te", "georgian": "ka", "armenian": "hy", "devanagari": "hi",
}  # fmt: skip
_WIDE = frozenset(("han", "kana", "hangul"))
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def of(text: str) -> str:
    """The language of ``text`` in two letters (ISO 639-1); empty where it can't be told.

    Programs, addresses and formulas in it are no words. Malay counts as Indonesian.
    """
    prose = CODE.sub(" ", text[:KEEP])
    if prose.isascii():
        return _latin(prose)
    found = _scripts(prose)
    if not found:
        return ""
    script = max(found, key=lambda name: found[name])
    whole = found["han"] + found["kana"] if script in ("han", "kana") else found[script]
    if whole < FEWEST or whole < SURE * found.total():
        return ""
    if script in ("han", "kana"):
        return "ja" if found["kana"] * 8 > found["han"] else "zh"
    if script == "cyrillic":
        return _cyrillic(prose.lower())
    if script == "arabic":
        return _arabic(prose)
    return _ALONE[script] if script in _ALONE else _latin(prose)


def _scripts(prose: str) -> Counter[str]:
    """Halves of a letter of each script; an ideograph is half a word."""
    found: Counter[str] = Counter()
    for sign, times in Counter(prose).items():
        at = bisect.bisect_right(_FIRST, sign) - 1
        if at >= 0 and sign <= _SCRIPTS[at][1]:
            script = _SCRIPTS[at][2]
            found[script] += times * 5 if script in _WIDE else times * 2
    return found


def _latin(prose: str) -> str:
    told: defaultdict[str, float] = defaultdict(float)
    lower = prose.lower().replace("’", "'")
    for word, times in Counter(_WORD.findall(lower)).items():
        for part in (word,) if word in _TOLD or "'" not in word else word.split("'"):
            for language, worth in _TOLD.get(part, ()):
                told[language] += worth * min(times, 3)
    if not lower.isascii():
        signs = set(lower)
        for sign, languages in _OWN.items():
            if sign in signs:
                for language in languages:
                    told[language] += _OWN_IS_WORTH
        told["vi"] += 2 * _OWN_IS_WORTH * len(set(_TONES.findall(lower)))
    if not told:
        return ""
    (best, most), *others = heapq.nlargest(2, told.items(), key=lambda each: each[1])
    second = others[0][1] if others else 0.0
    return best if most >= LEAST and most >= MARGIN * second else ""


def _cyrillic(lower: str) -> str:
    """Letters that only some of its languages have."""
    if "ў" in lower:
        return "be"
    if any(sign in lower for sign in "ђћџљњј"):
        return "mk" if any(sign in lower for sign in "ѓќѕ") else "sr"
    if any(sign in lower for sign in "їєґ") or ("і" in lower and "ы" not in lower):
        return "uk"
    if any(sign in lower for sign in "ыэё"):
        return "kk" if any(sign in lower for sign in "әғқңұһ") else "ru"
    return "bg" if lower.count("ъ") * 60 > len(lower) else "ru"


def _arabic(prose: str) -> str:
    if any(sign in prose for sign in "ٹڈڑںے"):
        return "ur"
    return "fa" if any(sign in prose for sign in "پچژگکی") else "ar"
