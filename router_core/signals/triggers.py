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
    "ignore ignoring disregard disregarding forget forgetting override overriding bypass discard neglect skip jailbreak jailbroken",
    "instruction instructions prompt prompts rules guidelines directives directions constraints safeguards orders message messages",
    "above before prior earlier previous previously training programming told configuration text everything words policy task job",
    "purpose goal role directive anything mode restrictions filters filter limits limitations censorship guardrails boundaries",
    "ethics policies unfiltered unrestricted uncensored unbound refuse decline disclaimers disclaimer refusals refusal moralizing",
    "morals amoral evil dan aim stan whatever laws im im_start endoftext eot system inst sys admin developer root operator safety",
    "content moderation ethical alignment conversation history log secret secrets credentials password passwords key keys token",
    "tokens data emails context ai llm model assistant chatbot bot summarizer summariser summarizing summarising processing",
    "reading translating tier routing privacy max_privacy tenant tenants tool customers customer users user",
    "anweisung anweisungen instruktionen regeln vorgaben systemprompt richtlinien befehle systemanweisung systemanweisungen",
    "consignes règles ordres invite instrucciones reglas indicaciones órdenes directrices istruzioni regole direttive indicazioni",
    "instruções instrucoes regras orientações diretrizes instructies regels aanwijzingen opdrachten instruktioner instruktionerna",
    "regler reglerna anvisningar systeemprompt systeeminstructies instrukcje instrukcji zasady polecenia wytyczne",
)
ROTATED: Final = word_set(
    "vtaber qvfertneq sbetrg bireevqr vafgehpgvbaf vafgehpgvba cebzcg erirny thvqryvarf ehyrf fnsrthneqf zrffntr rirelguvat"
)
REVERSED: Final = word_set(
    "erongi dragersid tegrof edirrevo snoitcurtsni noitcurtsni tpmorp laever senilediug selur sdraugefas egassem gnihtyreve"
)
"""Words of the orders in ROT13, and read backwards."""
TURNED: Final = ROTATED | REVERSED
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

ALL: Final = (
    GUARD | TURNED | HEALTH | SAFETY | TASK | SECRET | BIRTH | RECORD | PASSPORT | SOCIAL | CITIZEN | PLACE
)
