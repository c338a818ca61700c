"""Whether a text speaks of someone's health, a hint that medical privacy rules may apply.

A hint, not a diagnosis of content: it raises the suggested privacy level only together with something that
identifies a person. All of the text is read.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.signals import triggers
from router_core.signals.reading import Reading, read

_TERMS: Final = re.compile(
    r"\b(?:(?<!\bbe )patients?(?=\W{1,4}+(?:id|name|no|number|with|was|is|has|had|presents?|presented|record|reports?|reported|s\b|in\b|on\b"
    r"|complain|age|[0-9]))|(?:the|a|an|our|my|this|female|male|old|icu) patients?\b|patient:"
    r"|diagnos(?:is|ed|es|e|tics?)\b|heart rate|blood (?:pressure|sugar|sample|test)|prescri(?:bed|ption|be)|symptoms?\b"
    r"|medications?\b|hospitali[sz]ed|hospital\b|clinical (?:notes?|trial|findings?)|surgery\b|chemotherapy|hiv\b"
    r"|cancer\b|diabet(?:es|ic)|insulin\b|spo2|ecg\b|[0-9] ?mg (?:daily|twice|of|per|every|once|bid|tid))"
)
_TECHNICAL: Final = re.compile(
    r"\bdiagnos\w{1,8}+ (?:the |a |an |this |my )?(?:bug|error|network|server|code|issue|problem|crash)"
)


def health_terms(text: str) -> bool:
    """True if the text has wording of medical records or of a person's health. English."""
    return health_in(read(text))


def health_in(reading: Reading) -> bool:
    """As `health_terms`, for a text that is already prepared."""
    if reading.hits.isdisjoint(triggers.HEALTH):
        return False
    lower = reading.lower
    return any(not _TECHNICAL.match(lower, match.start()) for match in _TERMS.finditer(lower))
