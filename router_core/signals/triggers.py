"""Words without which a pattern of a signal cannot match, so that ordinary text never meets the pattern.

One set intersection tells, for all signals at once, which patterns are worth running; testing for each word by
itself would cost more than everything else together. A pattern that matches without one of its words here
would be missed, so a new wording in a pattern brings its word along.
"""

from __future__ import annotations

from typing import Final


def word_set(*spellings: str) -> frozenset[str]:
    """The blank-separated words of all arguments."""
    return frozenset(word for spelling in spellings for word in spelling.split())


GUARD: Final = word_set(
    "ignore disregard forget override prompt prompts instructions jailbreak jailbroken anything mode restrictions",
    "unfiltered unrestricted filters rules limits censorship filter evil dan ethics im endoftext eot header system inst",
    "sys bypass circumvent evade guardrails moderation safety webhook http https",
)
HEALTH: Final = word_set(
    "patient patients diagnosis diagnosed diagnoses diagnose diagnostic diagnostics heart blood prescribed prescription",
    "prescribe symptom symptoms medication medications hospital hospitalized hospitalised clinical surgery chemotherapy",
    "hiv cancer diabetes diabetic insulin spo2 ecg mg",
)
SAFETY: Final = word_set(
    "brake brakes braking collision obstacle pedestrian airbag emergency alarm alert patient cardiac arrhythmia spo2",
    "seizure overheat overheats overheated overheating leak smoke shutdown intrusion heart",
)
SUMMARIZE: Final = word_set("summarize summarise summary summarizing tldr tl sum condense gist points")
CLASSIFY: Final = word_set(
    "classify categorize categorise category class label sentiment spam positive toxic phishing"
)
EXTRACT: Final = word_set("extract pull mentioned appear list find get")
EMBED: Final = word_set("embed embedding embeddings")
TASK: Final = SUMMARIZE | CLASSIFY | EXTRACT | EMBED
SECRET: Final = word_set(
    "password passwd passphrase passwort passcode pwd contraseña secret token key apikey secretkey accesskey accountkey",
    "accesstoken",
)
BIRTH: Final = word_set(
    "birth birthday birthdate born dob geboren geburtsdatum geburtstag naissance né née nacimiento nacido nacida nascita",
    "nato nata",
)
RECORD: Final = word_set("mrn medical patient chart hospital nhs")
PASSPORT: Final = word_set(
    "passport reisepass reisepassnummer passeport pasaporte passaporto paspoort paspoortnummer passportnumber"
)
SOCIAL: Final = word_set("ssn social")
CITIZEN: Final = word_set("bsn burgerservicenummer sofinummer sofi")
PLACE: Final = word_set("lat latitude")

ALL: Final = GUARD | HEALTH | SAFETY | TASK | SECRET | BIRTH | RECORD | PASSPORT | SOCIAL | CITIZEN | PLACE
