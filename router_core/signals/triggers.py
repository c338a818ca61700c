"""Words without which a pattern of a signal cannot match, so that ordinary text never meets the pattern.

One set intersection tells, for all signals at once, which patterns are worth running; testing for each word by
itself would cost more than everything else together. A pattern that matches without one of its words here
would be missed, so a new wording in a pattern brings its word along.
"""

from __future__ import annotations

from typing import Final


def _words(*spellings: str) -> frozenset[str]:
    return frozenset(word for spelling in spellings for word in spelling.split())


GUARD: Final = _words(
    "ignore disregard forget override prompt prompts instructions jailbreak jailbroken anything mode restrictions",
    "unfiltered unrestricted filters rules limits censorship filter evil dan ethics im endoftext eot header system inst",
    "sys bypass circumvent evade guardrails moderation safety webhook http https",
)
HEALTH: Final = _words(
    "patient patients diagnosis diagnosed diagnoses diagnose diagnostic diagnostics heart blood prescribed prescription",
    "prescribe symptom symptoms medication medications hospital hospitalized hospitalised clinical surgery chemotherapy",
    "hiv cancer diabetes diabetic insulin spo2 ecg mg",
)
SAFETY: Final = _words(
    "brake brakes braking collision obstacle pedestrian airbag emergency alarm alert patient cardiac arrhythmia spo2",
    "seizure overheat overheats overheated overheating leak smoke shutdown intrusion heart",
)
TASK: Final = _words(
    "summarize summarise summary summarizing tldr tl sum condense gist points classify categorize categorise category",
    "class label sentiment spam positive toxic phishing extract pull mentioned appear list find get embed embedding",
    "embeddings",
)
SECRET: Final = _words(
    "password passwd passphrase passwort passcode pwd contraseña secret token key apikey secretkey accesskey accountkey",
    "accesstoken",
)
BIRTH: Final = _words(
    "birth birthday birthdate born dob d geboren geburtsdatum geburtstag naissance né née nacimiento nacido nacida nascita",
    "nato nata",
)
RECORD: Final = _words("mrn medical patient chart hospital nhs")
PASSPORT: Final = _words(
    "passport reisepass reisepassnummer passeport pasaporte passaporto paspoort paspoortnummer passportnumber"
)
SOCIAL: Final = _words("ssn social")
CITIZEN: Final = _words("bsn burgerservicenummer sofinummer sofi")
PLACE: Final = _words("lat latitude")

ALL: Final = GUARD | HEALTH | SAFETY | TASK | SECRET | BIRTH | RECORD | PASSPORT | SOCIAL | CITIZEN | PLACE
