"""The same orders in other languages: leave your instructions, show them. Fifteen languages, the plain wordings only.

Western European ones wait for a trigger word like the English ones. In the other scripts a few substrings decide whether
the pattern is worth a search.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.signals.injection.cue import Cue, cue, near
from router_core.signals.reading import Reading

_OVERRIDE, _LEAK = "override", "prompt_leak"

WESTERN: Final[tuple[Cue, ...]] = (
    cue(_OVERRIDE, 0.7, "ignorier vergiss vergessen missachte befolge übergeh verwirf", "anweisung anweisungen instruktionen regeln vorgaben systemprompt prompt richtlinien befehle",
        near(r"ignorier\w{0,4}|vergiss|vergessen sie|missachte\w{0,2}|befolge\w{0,2} nicht|übergeh\w{0,3}|verwirf", r"anweisung\w{0,2}|instruktion\w{0,2}|regeln|vorgaben|system-?prompt|richtlinien|befehle", 5)),
    cue(_OVERRIDE, 0.7, "ignore oublie ne fais faites", "instructions consignes règles directives ordres",
        near(r"ignore[zr]?|oublie[zr]?|ne ti(?:ens|enne|enez) (?:pas |plus |aucun )?compte|fais abstraction|faites abstraction|ne sui[st] plus", r"instructions?|consignes?|règles|directives|ordres", 5)),
    cue(_OVERRIDE, 0.7, "ignor olvid omit haz no descarta", "instrucciones reglas indicaciones órdenes directrices",
        near(r"ignor[aeá]\w{0,3}|olvid[aeá]\w{0,3}|omit[ea]|haz caso omiso|no sigas|descarta", r"instrucciones|reglas|indicaciones|órdenes|directrices", 5)),
    cue(_OVERRIDE, 0.7, "ignor dimentic non trascura scorda", "istruzioni regole direttive indicazioni",
        near(r"ignor[aio]\w{0,3}|dimentic\w{1,4}|non seguire|trascura|scorda", r"istruzioni|regole|direttive|indicazioni", 5)),
    cue(_OVERRIDE, 0.7, "ignor esque desconsider não", "instruções instrucoes regras orientações diretrizes",
        near(r"ignor[ea]\w{0,2}|esque[cç]\w{1,3}|desconsider\w{1,3}|não siga", r"instruções|instrucoes|regras|orientações|diretrizes", 5)),
    cue(_OVERRIDE, 0.7, "negeer vergeet volg sla", "instructies regels aanwijzingen opdrachten",
        near(r"negeer|vergeet|volg niet|sla over", r"instructies|regels|aanwijzingen|opdrachten", 5)),
    cue(_OVERRIDE, 0.7, "ignorera glöm bortse", "instruktioner instruktionerna regler reglerna anvisningar",
        near(r"ignorera|glöm|bortse från", r"instruktioner\w{0,2}|regler\w{0,2}|anvisningar\w{0,2}", 5)),
    cue(_OVERRIDE, 0.7, "ignoruj zignoruj zapomnij", "instrukcje instrukcji zasady polecenia wytyczne",
        near(r"(?:z?ignoruj|zapomnij)\w{0,3}", r"instrukcj\w{1,4}|zasad\w{0,3}|polece\w{1,4}|wytyczn\w{1,4}", 5)),
    cue(_LEAK, 0.6, "zeig nenn gib verrat wiederhol druck", "systemprompt prompt systemanweisung systemanweisungen anweisung anweisungen instruktionen vorgaben",
        near(r"zeig\w{0,3}|nenn\w{0,3}|gib|verrat\w{0,3}|wiederhol\w{0,3}|druck\w{0,3}", r"system-?prompt\w{0,2}|systemanweisung\w{0,2}|(?:geheim|versteckt|ursprünglich|intern)\w{1,3} (?:anweisung|instruktion|vorgabe)\w{0,2}", 5)),
    cue(_LEAK, 0.6, "affiche révèle révéler montre répète donne", "prompt invite message instructions",
        near(r"affiche[zr]?|révèle[zr]?|révéler|montre[zr]?|répète[zr]?|donne[zr]?", r"(?:prompt|invite|message) (?:du )?système|instructions (?:cachées|secrètes|initiales|système|internes)", 5)),
    cue(_LEAK, 0.6, "muestra revela dime repite imprime enseña", "prompt instrucciones",
        near(r"muestra\w{0,3}|revela\w{0,3}|dime|repite|imprime|enseña\w{0,3}", r"prompt (?:del sistema|inicial|oculto)|instrucciones (?:ocultas|secretas|iniciales|internas|del sistema)", 5)),
    cue(_LEAK, 0.6, "mostra rivela ripeti stampa dimmi", "prompt istruzioni",
        near(r"mostra\w{0,3}|rivela\w{0,3}|ripeti|stampa|dimmi", r"prompt di sistema|istruzioni (?:nascoste|segrete|iniziali|di sistema|interne)", 5)),
    cue(_LEAK, 0.6, "mostr revel repita imprima diga", "prompt instruções",
        near(r"mostr[ea]\w{0,3}|revel[ea]\w{0,3}|repita|imprima|diga", r"prompt d[oe] sistema|instruções (?:ocultas|secretas|iniciais|d[oe] sistema|internas)", 5)),
    cue(_LEAK, 0.6, "toon laat geef herhaal onthul", "systeemprompt systeeminstructies instructies",
        near(r"toon|laat|geef|herhaal|onthul", r"systeemprompt|systeeminstructies|(?:verborgen|geheime) instructies", 5)),
)  # fmt: skip
NEEDS: Final = frozenset(word for one in WESTERN for word in one.needs)

_ELSEWHERE: Final[tuple[tuple[bytes, tuple[str, ...], str, float, str], ...]] = (
    (b"h", ("指令", "指示", "规则", "規則", "提示", "说明", "說明", "要求", "设定", "設定", "命令"), _OVERRIDE, 0.7,
     r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|不要遵守)[^\n。]{0,16}?(?:指令|指示|说明|說明|規則|规则|提示|要求|设定|設定|命令)"),
    (b"h", ("提示", "指令"), _LEAK, 0.6, r"(?:显示|顯示|告诉|告訴|输出|輸出|重复|泄露|打印|公开)[^\n。]{0,12}?(?:系统提示|系統提示|提示词|提示詞|系统指令|隐藏指令|初始指令)"),
    (b"h", ("指示", "命令", "ルール", "プロンプト", "規則", "設定"), _OVERRIDE, 0.7, r"(?:指示|命令|ルール|プロンプト|規則|設定)[^\n。]{0,10}?(?:無視|忘れ|従わな)"),
    (b"k", ("システムプロンプト", "隠された指示", "初期指示"), _LEAK, 0.6, r"(?:システムプロンプト|隠された指示|初期指示)[^\n。]{0,10}?(?:見せ|表示|教え|出力|公開)"),
    (b"o", ("지시", "명령", "규칙", "지침", "프롬프트"), _OVERRIDE, 0.7, r"(?:지시|명령|규칙|지침|프롬프트)[^\n.]{0,10}?(?:무시|잊)"),
    (b"o", ("프롬프트", "지시"), _LEAK, 0.6, r"(?:시스템 ?프롬프트|숨겨진 지시)[^\n.]{0,10}?(?:보여|출력|알려|공개)"),
    (b"g", ("инструкци", "правил", "указани", "команд"), _OVERRIDE, 0.7,
     near(r"(?:проигнорируй|игнорируй|забудь|отбрось|не следуй|не обращай внимания на)(?:те)?", r"инструкци\w{1,3}|правил\w{0,2}|указани\w{1,3}|команд\w{0,2}", 5)),
    (b"g", ("системн", "скрыт"), _LEAK, 0.6, near(r"покажи|выведи|раскрой|повтори|назови", r"системн\w{1,3} (?:промпт\w{0,2}|инструкци\w{1,2}|сообщени\w)|скрыт\w{1,3} инструкци\w{1,2}", 5)),
    (b"l", ("instrukcj", "zasad", "polece", "wytyczn"), _OVERRIDE, 0.7, near(r"(?:z?ignoruj|zapomnij|pomiń)\w{0,3}", r"instrukcj\w{1,4}|zasad\w{0,3}|polece\w{1,4}|wytyczn\w{1,4}", 5)),
    (b"l", ("talimat", "kural", "yönerge"), _OVERRIDE, 0.7, r"(?:talimat|kural|yönerge)\w{0,12}\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,3}?(?:yok say|unut|görmezden gel|dikkate alma)"),
    (b"g", ("التعليمات", "الأوامر", "القواعد", "الإرشادات"), _OVERRIDE, 0.7, r"(?:تجاهل|انس|انسَ|لا تتبع)[^\n.]{0,40}?(?:التعليمات|الأوامر|القواعد|الإرشادات)"),
    (b"i", ("निर्देश", "नियम", "आदेश"), _OVERRIDE, 0.7, r"(?:निर्देश|नियम|आदेश)[^\n।]{0,30}?(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल)"),
)  # fmt: skip
ELSEWHERE: Final = tuple(
    (script, needles, name, weight, re.compile(pattern))
    for script, needles, name, weight, pattern in _ELSEWHERE
)
"""The script's byte in `Reading.octets`, substrings of which one must be there, name, weight, pattern."""


def elsewhere(reading: Reading) -> dict[str, float]:
    """What is found in a text outside the Western European alphabets."""
    found: dict[str, float] = {}
    lower, octets = reading.lower, reading.octets
    for script, needles, name, weight, pattern in ELSEWHERE:
        if script in octets and any(needle in lower for needle in needles) and pattern.search(lower):
            found[name] = weight
    return found
