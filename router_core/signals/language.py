"""Which language a text is written in, as ISO 639-1, or "und" when the evidence is thin.

Routing needs it to keep a target away from languages it does not serve. Scripts decide where they can;
Latin-script languages are told apart by votes of their commonest words and letters. All votes are added at
once: a word's entry is an integer with one 8-bit field per language, so one `sum` counts every language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from router_core.signals.reading import Reading, read, window

UNKNOWN: Final = "und"
_FIELD_BITS: Final = 8
"""A language has fewer than 128 words and letters here, each worth at most 2: a field cannot overflow."""

STOP_WORDS: Final[Mapping[str, str]] = {
    "en": "the and of to is are was were what how that this with for from you your it its my me on off not do does "
    "did can could would should will please which when where who why have has an be at by or if but hello turn "
    "set play write give tell about all lights make in we they their there into good more than some any out after "
    "before thanks show help need want like just been his her our these those translate",
    "de": "der die das und ist sind war nicht ein eine einen einem einer ich du er sie es wir ihr mit von zu auf für "
    "im den dem des auch wie was wer wo warum bitte kann können oder aber wenn dass nach bei aus schalte licht "
    "mir mein meine haben hat wird werden",
    "fr": "le la les un une des et est sont je tu il elle nous vous que qui quoi dans pour sur avec pas ne au aux du "
    "de ce cette mon ma mes comment pourquoi où quel quelle bonjour merci plaît être avoir ont plus ou mais l d c qu",
    "es": "el la los las un una y es son en de del que qué cómo cuál cuándo dónde por para con no se lo mi mis su sus "
    "yo tú está están hola gracias favor más pero como porque al hay tiene ser muy",
    "it": "il lo la gli le un una di del della dei che chi è sono in per con non come perché dove quando quale cosa mi "
    "ti si da dal nel nella ciao grazie favore anche ma o questo questa più al alla ho hai ha",
    "pt": "o a os as um uma e é são de do da dos das em no na nos nas que por para com não como onde quando qual meu "
    "minha você eu está estão olá obrigado favor mais mas ou se ao isso este esta tem muito",
    "nl": "de het een en is zijn was van in op te dat die niet ik je jij hij zij wij met voor aan er ook maar om hoe "
    "wat waar waarom wie kan kunnen wil mijn naar door bij alsjeblieft hallo graag dit deze heeft worden uit",
    "pl": "i w na z do jest są nie się że to jak co czy gdzie kiedy dlaczego kto mój moja jestem proszę dziękuję cześć "
    "ale lub dla od po za przez oraz ten ta jaka jaki mi mnie o",
    "tr": "ve bir bu da de için ile ne nasıl neden nerede kim mi mı mu mü değil var yok ben sen o biz siz çok ama veya "
    "lütfen merhaba daha gibi kadar olan olarak en kaç hangi",
    "sv": "och att det är en ett som på av för med inte jag du han hon vi ni den de till från har hur vad var varför "
    "när vem kan ska vill min mitt tack hej eller men om också",
}
LETTERS: Final[Mapping[str, str]] = {
    "de": "ßäöü",
    "fr": "œèêëîïûçàùé",
    "es": "ñ¿¡áíóúé",
    "it": "ìòàèù",
    "pt": "ãõçáâêôé",
    "pl": "ąćęłńśźż",
    "tr": "ğışçöü",
    "sv": "åäö",
}
_FEATURE_LETTERS: Final = frozenset("ßñ¿¡ãõłąęśżğıœåìò")
"""Letters that hardly occur in other languages of the table: they count twice."""

_SCRIPTS: Final = (
    ("ja", "\u3040-\u30ff"),
    ("ko", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"),
    ("zh", "\u3400-\u4dbf\u4e00-\u9fff"),
    ("ru", "\u0400-\u04ff"),
    ("ar", "\u0600-\u06ff\u0750-\u077f"),
    ("hi", "\u0900-\u097f"),
    ("el", "\u0370-\u03ff"),
    ("he", "\u0590-\u05ff"),
    ("th", "\u0e00-\u0e7f"),
)
_OTHER_SCRIPT: Final = re.compile("[" + "".join(span for _, span in _SCRIPTS) + "]")
_SCRIPT: Final = re.compile("|".join(f"(?P<{code}>[{span}])" for code, span in _SCRIPTS))
_UKRAINIAN: Final = re.compile("[іїєґ]")
_PERSIAN: Final = re.compile("[پچژگ]")
_SCRIPT_SAMPLE: Final = 400


def _votes(spellings: Mapping[str, list[str]], weigh: frozenset[str]) -> dict[str, int]:
    votes: Counter[str] = Counter()
    for position, code in enumerate(STOP_WORDS):
        for spelling in dict.fromkeys(spellings.get(code, ())):
            votes[spelling] += (2 if spelling in weigh else 1) << (_FIELD_BITS * position)
    return dict(votes)


_CODES: Final = tuple(STOP_WORDS)
_WORD_VOTES: Final = _votes(
    {code: [word for word in words.split() if len(word) > 1] for code, words in STOP_WORDS.items()},
    frozenset(),
)
_STOP_WORDS: Final = frozenset(_WORD_VOTES)
_LETTER_VOTES: Final = _votes({code: list(letters) for code, letters in LETTERS.items()}, _FEATURE_LETTERS)


def detect_language(text: str) -> str:
    """ISO 639-1 of the main language, or "und" (no words of a known language, or a tie)."""
    return language_in(read(text))


def language_in(reading: Reading) -> str:
    """As `detect_language`, for a text that is already prepared."""
    votes = sum(map(_WORD_VOTES.__getitem__, reading.vocabulary & _STOP_WORDS))
    if not reading.text.isascii():
        sample = window(reading.lower)
        if not reading.western and _OTHER_SCRIPT.search(sample):
            script = _by_script(sample)
            if script is not None:
                return script
        votes += sum([_LETTER_VOTES[char] for char in set(sample) if char in _LETTER_VOTES])
    return _winner(votes) if votes else UNKNOWN


def _winner(votes: int) -> str:
    fields = votes.to_bytes(len(_CODES), "little")
    best = max(fields)
    return UNKNOWN if fields.count(best) > 1 else _CODES[fields.index(best)]


def _by_script(sample: str) -> str | None:
    """The language of the non-Latin script, if that script has most of the sample's letters."""
    letters = [char for char in sample if char.isalpha()][:_SCRIPT_SAMPLE]
    found = Counter(m.lastgroup or "" for char in letters if (m := _SCRIPT.match(char)))
    if not found or 2 * sum(found.values()) < len(letters):
        return None
    # Japanese mixes kana with more Han than kana; any real share of kana decides.
    if found["ja"] * 10 >= found["zh"] > 0 and found["ja"]:
        return "ja"
    code = max(found, key=lambda name: (found[name], name))
    if code == "ru" and _UKRAINIAN.search(sample):
        return "uk"
    return "fa" if code == "ar" and _PERSIAN.search(sample) else code
