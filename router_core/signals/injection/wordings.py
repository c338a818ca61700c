"""English wordings of an injection or a jailbreak, each with a weight; independent ones add up.

A wording in quotation marks or in a code block counts half: who writes about attacks quotes them. That lets a quoted
attack through where nothing else speaks against it, which is the price of not refusing everybody who asks about security.
"""

from __future__ import annotations

from typing import Final

from router_core.signals.injection.cue import Cue, cue, near

_NOUNS: Final = (
    "instructions instruction prompt prompts rules guidelines directives directions constraints safeguards orders message messages"
    " above before prior earlier previous previously training programming told configuration text everything words policy"
)
_ORDERS: Final = (
    r"instructions?\b|prompts?\b|rules\b|guidelines\b|directives\b|directions\b|constraints\b|safeguards\b|orders\b|system message"
    r"|everything (?:above|before|prior|you (?:were|have been) told)|(?:above|previous|prior|earlier) (?:text|messages?|context|conversation)"
    r"|(?:what|all) (?:you were|came|you have been) (?:told )?(?:before|earlier|previously)|what you were told|your (?:training|programming)"
)
_MODES: Final = r"(?:the )?(?:developer|dan|god|debug|admin|root|sudo|unrestricted|jailbreak|maintenance|opposite|evil|chaos) mode"
_BOUNDS: Final = (
    r"(?:any |all |your |its |the )?(?:moral |ethical |safety |content |usual )?"
    r"(?:restrictions|filters|rules|limits|limitations|censorship|guardrails|guidelines|constraints|boundaries|safeguards|ethics|policies)\b"
)

CUES: Final[tuple[Cue, ...]] = (
    cue(
        "override",
        0.7,
        "ignore ignoring disregard forget override overriding bypass discard drop neglect skip pay do don stop throw set no",
        _NOUNS,
        near(
            r"ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass|discard|drop|neglect|skip|pay no attention to"
            r"|do not (?:follow|obey)|don['\u2019]t (?:follow|obey)|stop (?:following|obeying)|throw away|set aside|no longer (?:follow|obey)",
            _ORDERS,
            5,
        ),
    ),
    cue(
        "new_orders",
        0.6,
        "here these follow obey execute your the new updated revised above previous earlier prior",
        "instruction instructions orders rules task prompt job purpose goal role directive directives message messages text",
        r"\b(?:(?:here (?:are|is)|these are|follow|obey|execute) (?:your |the |my |these |only )?(?:new|updated|real|actual|true|following new) (?:instructions?|orders|rules|task|system prompt)"
        r"|(?:your|the) (?:new|real|actual|true|only) (?:instructions?|orders|task|job|purpose|goal|role) (?:is|are)\b"
        r"|(?:new|updated|revised) (?:system )?(?:instructions?|prompt|directive)s?\s?:"
        r"|(?:the )?(?:above|previous|earlier|prior) (?:instructions?|rules|text|prompt|message)s? (?:are|is|were|was) (?:void|cancel\w{0,4}|obsolete|revoked|a test|fake|no longer|null|invalid|superseded|outdated))",
    ),
    cue(
        "prompt_leak",
        0.6,
        "reveal print show repeat output tell leak display give dump recite disclose share quote copy paste write summarize summarise translate encode what",
        "prompt instructions message rules guidelines configuration text words everything",
        near(
            r"reveal|print|show|repeat|output|tell|leak|display|give|dump|recite|disclose|share|quote|copy|paste|write out|summari[sz]e|translate|encode|what (?:is|are|was|were)",
            r"system (?:prompt|message|instructions?)|(?:hidden|initial|original|secret|internal|confidential|first|developer) (?:prompt|instructions?|message|rules|guidelines|configuration)"
            r"|your (?:instructions|prompt|rules|guidelines)\b|(?:instructions|text|words|everything|prompt) (?:above|before this|you were given|you received|given to you)",
            5,
        ),
    ),
    cue(
        "jailbreak",
        0.6,
        "do enable enter activate in into engage switch start unlock now without with have has free no not ignores lacks jailbreak jailbroken you never cannot can must may won don skip omit",
        "anything mode restrictions filters rules limits limitations censorship guardrails guidelines constraints boundaries safeguards ethics policies"
        " jailbreak jailbroken unfiltered unrestricted uncensored unbound refuse decline disclaimers disclaimer refusals refusal moralizing",
        r"\b(?:do anything now|(?:enable|enter|activate|into|engage|switch to|start|unlock|now in|you are in) " + _MODES +
        r"|(?:without|with no|have no|has no|free of|free from|no longer (?:bound|limited|restricted) by|not bound by|ignores?|lacks?) " + _BOUNDS +
        r"|jailbr(?:eak|oken) (?:mode|prompt|yourself)|you are (?:now )?(?:jailbroken|unfiltered|unrestricted|uncensored|unbound)\b"
        r"|(?:never|cannot|can['\u2019]t|must not|may not|won['\u2019]t|not allowed to|don['\u2019]t) (?:ever )?(?:refuse|decline)\b"
        r"|(?:skip|omit|no|without) (?:the |any |all )?(?:disclaimers?|refusals?|moraliz\w{2,4})\b)",
    ),
    cue(
        "role_play",
        0.4,
        "pretend act roleplay role play you from imagine simulate behave respond answer stay",
        "rules restrictions limits filter filters morals ethics guidelines policy unrestricted unfiltered uncensored amoral evil dan aim stan anything whatever laws policies",
        near(
            r"pretend|act as|roleplay as|role-play as|play the role of|you are now|from now on|imagine you are|simulate|behave as|respond as|answer as|stay in character",
            r"no (?:rules|restrictions|limits|filters?|morals|ethics|guidelines|content policy)\b|unrestricted|unfiltered|uncensored|amoral|evil\b|dan\b|stan\b|without (?:rules|restrictions|ethics|filters?|limits)"
            r"|(?:anything|whatever) (?:the user|i|they|you['\u2019]re) (?:asks?|wants?|asked)|(?:ignores?|breaks?|violates?) (?:all )?(?:the )?(?:rules|laws|policies)",
            10,
        ),
    ),
    cue(
        "fake_turn",
        0.6,
        "<| [inst] [/inst] <<sys <</sys ### </system <system system admin developer root operator [system [admin [developer",
        "im im_start endoftext eot system inst sys instruction instructions admin developer root operator",
        r"(?:<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id|assistant|user)|\[/?inst\]|<</?sys>>|### ?(?:system|instruction)s?\b|</?system>"
        r"|(?<![^\n>\]*#\"{}])(?:system|admin|developer|root|operator)\W{0,3}: ?\W{0,3}(?:you|ignore|new|override|the |all |set|grant|disable|enable|from now)"
        r"|\[(?:system|admin|developer)(?: (?:message|override|note|update))?\]|system override)",
    ),
    cue(
        "bypass",
        0.5,
        "bypass circumvent evade disable turn switch deactivate get suspend remove lift",
        "safety content guardrails moderation safeguards censorship ethical alignment",
        near(
            r"bypass|circumvent|evade|disable|turn off|switch off|deactivate|get around|suspend|remove|lift",
            r"safety (?:filters?|guidelines|measures|training|checks?|systems?|protocols?)|content (?:filters?|policy|policies|restrictions)|guardrails\b|moderation\b|safeguards\b|censorship\b|ethical (?:guidelines|constraints)|alignment\b",
            3,
        ),
    ),
    cue(
        "exfiltrate",
        0.6,
        "send post upload forward exfiltrate append transmit leak email e-mail submit encode",
        "conversation history log secret secrets credentials password passwords key keys token tokens prompt data emails context",
        near(
            r"send|post|upload|forward|exfiltrate|append|transmit|leak|email|e-mail|submit|encode",
            r"(?:conversation|chat history|chat log|secrets?|credentials|passwords?|api keys?|tokens?|system prompt|user data|private data|emails|context)\b[^\n]{0,80}?(?:https?:|webhook|\w@\w|\burl\b|to this address|attacker)",
            6,
        ),
    ),
    cue(
        "to_the_model",
        0.5,
        "note message instruction attention important hint request warning if ai llm assistant model bot when",
        "ai llm model assistant chatbot bot summarizer summariser summarizing summarising processing reading translating",
        r"\b(?:(?:note|message|instructions?|attention|important|hint|request|warning)\W{1,4}(?:to|for)\W{1,3}(?:the |any |all )?(?:ai|a\.i\.|llm|language model|assistant|chatbot|bot|model|summari[sz]er)s?\b"
        r"|if you(?:['\u2019]re| are) (?:an? |the )?(?:ai|llm|large language model|language model|assistant|chatbot|bot)\b"
        r"|(?:ai|llm|assistant|model|bot)s?(?: that| who)? (?:read(?:ing|s)?|process(?:ing|es)?|summari[sz](?:ing|es?)) this\b"
        r"|when (?:summari[sz]ing|processing|reading|translating) (?:this|the) [a-z]{3,12}\W{1,3}(?:also |always |you must |instead |please )?(?:say|include|state|recommend|add|tell|claim|call|insert|output|rate|approve))",
    ),
    cue(
        "control",
        0.5,
        "set switch change override force grant elevate raise lower route send escalate disable edit rewrite replace read list show print dump",
        "tier routing privacy max_privacy policy admin tenant tenants tool customers customer users user",
        near(
            r"set|switch|change|override|force|grant|elevate|raise|lower|route|send|escalate|disable|edit|rewrite|replace|read|list|show|print|dump",
            r"tier (?:to|=)|routing (?:policy|to|decision)|max_privacy|privacy level to|policy (?:to|=|so)\b|admin (?:rights|role|access|privileges)|role to admin"
            r"|(?:other|another|all)(?: the)? (?:tenants?|customers?|users?)['\u2019s]{0,3} (?:data|requests?|prompts?|conversations?|messages?|history|secrets?|keys?|records?)|tool permissions",
            5,
        ),
    ),
)  # fmt: skip
NEEDS: Final = frozenset(word for one in CUES for word in one.needs)
