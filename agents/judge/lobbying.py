"""Takes out of an answer the sentences that speak to whoever grades it.

A judge never sees them, so a judge that would obey them has nothing to obey. An ordinary text keeps every word. Sentences are
looked at as they would be read: whatever letters, widths and invisible signs they are written with.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

CRITERIA: Final = ("correct", "complete", "relevant", "clear", "harmless")
"""What a rubric grades; an answer that writes such grades down is speaking to its judge."""

_MARKED: Final = re.compile(r"[*_`~]|\\u|\b\w(?:[ .\-]\w\b){3,}|[A-Za-z][013457$@][A-Za-z]")
_MARKUP: Final = re.compile(r"[*`~]|(?<!\w)_|_(?!\w)")
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_LATIN: Final = re.compile(r"[A-Za-z]")
_MIXED: Final = re.compile(r"\b(?=\w*[A-Za-z])\w*[\u0370-\u04ff]\w*\b")
_ALIKE: Final = str.maketrans(
    "асеорхуіјѕԁԛԝһӏαεικνορτυχАВЕКМНОРСТХІЅ", "aceopxyijsdqwhlaeiknoptuxABEKMHOPCTXIS"
)
_SPACED: Final = re.compile(r"\b\w(?:[ .\-_]\w\b){3,}")
_LEET: Final = re.compile(r"\b(?=\w*[A-Za-z]\w*[A-Za-z])[A-Za-z013457$@]+\b")
_DIGITS: Final = str.maketrans("013457$@", "oieastsa")

_REMOVED: Final = "[removed: speaks to the judge]"
_SENTENCE: Final = re.compile(r"(?:[^.!?\n。！？؟।]|[.!?](?=[^\s.!?]))*(?:[.!?。！？؟।]+|\n|$)")
_WHO: Final = re.compile(
    r"\b(?:judge|judges|grader|graders|evaluator|evaluators|assessor|reviewer|rater|scorer|grading|grade|graded|scoring"
    r"|score|scores|scored|rating|rate|rated|rubric|evaluate|evaluation|marks?|referee|arbiter|verdict)\b",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    r"\b(?:10|ten|100|full|highest|maximum|max|perfect|top|best|excellent|ignore|disregard|override|must|should"
    r"|please|give|assign|award|return|output|respond|instruction|instructions|system|you are|correct|complete|relevant"
    r"|clear|harmless|criteria|prefer|choose|pick|winner|superior)\b|[{}\"]",
    re.IGNORECASE,
)
_FORGED: Final = re.compile(
    r"(?:" + "|".join((*CRITERIA, "score", "mark")) + r")[\\\"']*\s*[:=>]\s*[\\\"']*\d"
    r"|(?:winner|better|preferred)[\\\"']*\s*[:=>]\s*[\\\"']*(?:first|second|tie|a|b|1|2)\b",
    re.IGNORECASE,
)
_WHICH: Final = r"(?:first|second|other|this|my|answer|response|candidate|option|assistant)"
_PREFERS: Final = re.compile(
    rf"\b(?:choose|pick|prefer|select|vote for|declare)\b[^.!?\n]{{0,40}}\b{_WHICH} (?:answer|response|candidate|option|one|[ab12])\b"
    rf"|\b{_WHICH} (?:answer|response|candidate|option|one|[ab12])\b[^.!?\n]{{0,40}}"
    r"\b(?:is better|is superior|is the better|wins|is the winner|is worse|is inferior|must win|should win)\b",
    re.IGNORECASE,
)


# Who grades, and what is asked of it, in other languages: stems, because words bend.
_GRADING: Final = (
    r"(?:\b(?:bewert|benot|gutachter|prüfer|note|évalu|évaluateur|noter|juge|correcteur|calific|evalú|evalua|juez|puntua|puntú"
    r"|avalia|avalie|juiz|pontua|nota\b|valut|giudic|punteggio|voto\b|beoorde|cijfer|ocen|oceń|sędzi|puan|değerlendir|hakem"
    r"|chấm điểm|оцен|судь|балл)\w*"
    r"|评分|打分|分数|评委|裁判|評価|採点|点数|審査|평가|채점|점수|심사|التقييم|قيّم|درجة|मूल्यांकन|अंक|स्कोर)"
)
_HIGHEST: Final = (
    r"(?:\b(?:zehn|dix|diez|dez|dieci|tien|dziesięć|on\b|mười|десять|höchst|best|voll|maxim|máxim|massim|parfait|perfect"
    r"|perfek|excelen|eccellen|najwyż|maksym|tam\b|en yüksek|tối đa|высш|максим|отлич|meilleur|mejor|melhor|miglior|hoogste)\w*"
    r"|10|最高|满分|滿分|満点|만점|최고|القصوى|عالية|كاملة|१०|सर्वोच्च|पूर्ण)"
)
_ELSEWHERE: Final = re.compile(
    rf"{_GRADING}.{{0,80}}?{_HIGHEST}|{_HIGHEST}.{{0,80}}?{_GRADING}", re.IGNORECASE | re.DOTALL
)
_ELSEWHERE_PREFERS: Final = re.compile(
    r"\b(?:antwort|réponse|respuesta|resposta|risposta|antwoord|odpowiedź|cevap|yanıt|ответ)\b.{0,40}"
    r"\b(?:besser|gewinn|meilleure|gagn|mejor|gana|melhor|ganha|migliore|vince|beter|wint|lepsz|wygrywa|daha iyi|лучше|побежда)"
    r"|(?:答案|回答|回复|応答|답변|대답).{0,12}(?:更好|获胜|優れ|良い|勝|더 낫|더 좋|이긴)|(?:选择|選ん|選べ|选).{0,12}(?:答案|回答|回复)",
    re.IGNORECASE | re.DOTALL,
)


def without_lobbying(text: str) -> tuple[str, int]:
    """The text without sentences that ask for a grade or a preference or write one down, and how many there were."""
    sentences = [match[0] for match in _SENTENCE.finditer(text)]
    read = [as_read(sentence) for sentence in sentences]
    speaks = [_speaks_to_the_judge(sentence) for sentence in read]
    for place in range(1, len(read)):
        # A grade may be written over the end of a line.
        split = not speaks[place - 1] and not speaks[place] and read[place].strip() != ""
        if split and _FORGED.search(read[place - 1] + read[place]) is not None:
            speaks[place - 1] = speaks[place] = True
    kept = [f" {_REMOVED} " if one else sentence for sentence, one in zip(sentences, speaks, strict=True)]
    return "".join(kept), sum(speaks)


def as_read(sentence: str) -> str:
    """The sentence in plain letters: without what nobody sees, with look-alikes and spaced-out words as what they look like."""
    if sentence.isascii() and not _MARKED.search(sentence):
        return sentence
    plain = unicodedata.normalize("NFKC", sentence).replace("\u00ad", "")
    plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), plain)
    plain = _MARKUP.sub("", plain)
    if _LATIN.search(plain):
        plain = _MIXED.sub(lambda match: match[0].translate(_ALIKE), plain)
    plain = _SPACED.sub(lambda match: re.sub(r"[\s.\-_]", "", match[0]), plain)
    return _LEET.sub(lambda match: match[0].translate(_DIGITS), plain)


def _speaks_to_the_judge(sentence: str) -> bool:
    asks = _WHO.search(sentence) is not None and _ASKS.search(sentence) is not None
    found = (_FORGED, _PREFERS, _ELSEWHERE, _ELSEWHERE_PREFERS)
    return asks or any(pattern.search(sentence) is not None for pattern in found)
