"""Which short imperatives a device, home, phone, vehicle or machine can carry out by itself.

The first word chooses the few patterns that could fit, so a text that does not begin like a command costs one
dictionary look-up. A pattern must cover verb and object: "turn off the lamp" is a command, "turn in my homework"
is not. Words that ask for prose or for an explanation rule a command out anywhere in the sentence. What begins with a
word that no pattern knows is judged by all of its words (`command_words`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from router_core.signals.command_words import sounds_like_a_command
from router_core.signals.triggers import word_set

MAX_WORDS: Final = 18
_MAX_CHARS: Final = 160
_MAX_TURNS: Final = 8
"""A dialogue longer than this is a conversation in which a short imperative means something else."""

_POLITE: Final = re.compile(
    r"(?:(?:hey|ok|okay|hi|hello|yo) (?:assistant|computer|house|car|tierwise|buddy|there)? ?|(?:please|kindly|now|just|quickly) "
    r"|(?:can|could|would|will) you (?:please )?|i (?:want|need) you to |i d like (?:you )?to |i would like (?:you )?to |let s ){1,3}"
)
_PROSE: Final = word_set(
    "essay write why story poem explain explanation code function python javascript script joke lyrics advocate ceo",
    "homework paragraph article blog email letter report summarize summarise summary translate recipe compare describe",
    "imagine pretend character novel chapter argument philosophy theory history meaning difference idea ideas strategy",
    "plan example examples someone people society class algorithm program regex sql api html css json mean means tone",
    "dialogue sentence style verse quote synonym word words app apps website browser software linux ubuntu excel docker",
)
_ASKING: Final = word_set("what how why which who whom whose whether")

_ROOM: Final = (
    r"(?:(?:the|my|all|all the|every|both|our|her|his|that|this|these|those) )?"
    r"(?:(?!and\b|or\b)[a-z0-9]{1,16} (?:s )?){0,4}?"
)
_SWITCHED: Final = (
    r"(?:lights?|lamps?|bulbs?|chandelier|led|leds|fans?|heater|heating|heat|ac|air con(?:ditioning|ditioner)?|a c|tv|television|radio|music"
    r"|speakers?|stereo|plugs?|outlets?|switch(?:es)?|thermostat|oven|kettle|coffee (?:maker|machine)|dishwasher|washer|washing machine"
    r"|dryer|vacuum|robot|sprinklers?|irrigation|humidifier|dehumidifier|purifier|alarm|alarms|camera|cameras|wifi|wi fi|bluetooth"
    r"|flashlight|torch|hotspot|airplane mode|flight mode|do not disturb|dnd|silent mode|dark mode|location|gps|screen|display"
    r"|headlights?|hazards?|hazard lights|fog lights|wipers?|defroster|defogger|seat (?:heater|heating|warmer)|cruise control|engine|pump|motor"
    r"|conveyor|conveyor belt|compressor|machine|valve|line|press|mixer|everything|it|them|notifications|subtitles|projector|fireplace)"
)
_TAIL: Final = (
    r"(?: (?:in|at|on|to|for|by|from|until|till|after|before|with|of|off|up|down|please|now|thanks|thank you|again|too|today|tonight|tomorrow"
    r"|everywhere|immediately|right|when|and|a|percent|degrees|every|set|this|next|then|so|as|half|all|slightly|the|[0-9]+) ?.{0,90})?$"
)
_NUMBER: Final = (
    r"(?:[0-9]+|an?|half|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety"
    r"|twenty five|forty five|a hundred)"
)
_MEASURE: Final = (
    r"(?:k?m|cm|mm|miles?|(?:kilo|centi|milli)met(?:er|re)s?|met(?:er|re)s?|feet|foot|ft|inch(?:es)?|yards?|kg|kgs|kilos?|kilograms?|grams?|g|lbs?|pounds?"
    r"|ounces?|oz|stones?|lit(?:er|re)s?|l|ml|millilit(?:er|re)s?|gallons?|cups?|pints?|quarts?|tablespoons?|tbsp|teaspoons?|tsp|celsius|fahrenheit|c|f|kelvin"
    r"|degrees(?: celsius| fahrenheit| c| f)?|seconds?|minutes?|hours?|days?|weeks?|mph|kmh|km h|kph|knots|bytes?|kb|mb|gb|tb"
    r"|dollars?|euros?|usd|eur|gbp|yen|acres?|hectares?)"
)


def _any(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


_TIMER: Final = (
    r"(?:an? |the |my |another |new |me )?(?:[a-z0-9]{1,12} ){0,4}?(?:timer|alarm|alarms|reminder|countdown|stopwatch)\b"
    + _TAIL
)
_COVERS: Final = r"(?:blinds?|shades?|shutters?|curtains?|drapes|garage|garage door|doors?|gate|windows?|car|car doors?|sunroof|trunk|tailgate|valve|vent|awning|cover|covers|fuel cap|hood)"
_SET: Final = _any(
    _TIMER,
    _ROOM
    + r"(?:lights?|lamps?|thermostat|temperature|heating|heat|ac|air con|fan|fan speed|volume|brightness|oven|cruise control|speed|blinds?|shades?"
    r"|humidity|pressure|conveyor(?: belt| speed)?|pump(?: speed)?|motor(?: speed)?|setpoint|media volume|ringer|screen brightness|radio|color|colour)"
    r"(?: (?:speed|level|mode|color|colour|temperature|brightness|volume))? (?:to|at|on|as|for|up|down) .{1,40}$",
    r"[a-z0-9 ]{2,40} to (?:the |my |our )?(?:shopping|grocery|to do|todo) list$",
    r"(?:up )?(?:a |an )?(?:meeting|appointment|calendar event) (?:for|at|on|with) .{1,60}$",
)
_OPENED: Final = _any(_ROOM + _COVERS + _TAIL)
_LEVEL: Final = _any(
    _ROOM
    + r"(?:volume|brightness|lights?|lamps?|temperature|heat|heating|thermostat|ac|fan|fan speed|speed|music|tv|radio|blinds?|shades?"
    r"|pressure|humidity|screen brightness|it|pump speed|conveyor speed)" + _TAIL
)
_APPS: Final = r"(?:(?:the |my )?(?:camera|calculator|calendar|maps|settings|spotify|youtube|messages|photos|contacts|browser|clock|music) ?(?:app)?$)"
_PLAYED: Final = _any(
    r"(?:me )?(?:some |the |my |a )?(?:[a-z0-9]{1,14} ){0,5}?(?:music|songs?|tracks?|album|playlist|radio|podcast|podcasts|jazz|rock|pop|classical"
    r"|blues|hip hop|metal|techno|lofi|lo fi|audiobook|station|news|soundtrack|white noise|rain sounds|hits|video|movie|episode)\b"
    + _TAIL,
    r"[a-z0-9 ]{2,40} (?:by [a-z0-9 ]{2,30}|on (?:spotify|youtube|the (?:speaker|tv|radio|kitchen speaker|stereo)|apple music)|in the [a-z ]{3,16})$",
    r"(?:next|previous|it|that|this)(?: (?:again|song|track|one))?$",
)
_PLACE: Final = r"(?:home|back|(?:me |us )?(?:back )?(?:to|home) (?:the |my )?[a-z0-9][a-z0-9 ]{1,50})$"
_PERSON: Final = r"(?:my )?[a-z]{2,14}(?: [a-z]{2,14}){0,2}"
_CALLED: Final = _any(
    r"(?:my |the |our )?(?:mom|mum|mother|dad|father|wife|husband|sister|brother|boss|office|doctor|dentist|son|daughter|grandma|grandpa|school|work|home"
    r"|police|ambulance|emergency|emergency services|911|112|voicemail|plumber|landlord|pharmacy|hospital|bank|nurse|uncle|aunt|neighbor|neighbour"
    r"|partner|friend|supervisor|reception|security|mechanic|insurance)(?: s)?(?: [a-z]{2,14})?(?: (?:on|at|now|back|please|mobile|cell|office|again)\b.{0,20})?$",
    r"(?!me\b|it\b|you\b|this\b|that\b|a\b|an\b|us\b|him\b|her\b|them\b|for\b|back\b|into\b|off\b|out\b|upon\b)(?:back )?[a-z]{2,14}(?: [a-z]{2,14})?"
    r"(?: (?:on (?:speaker|his|her|their|mobile|the|my|work|cell)[a-z ]{0,16}|back|now|please|again|mobile|at (?:home|work|the office)))?$",
    r"(?:\+?[0-9][0-9 ]{2,18})$",
)
_MESSAGED: Final = _any(
    r"(?:a |an )?(?:text|text message|message|sms|whatsapp|whatsapp message|voice message) to .{2,100}$",
    _PERSON
    + r" (?:a (?:text|message|whatsapp)|that|saying|to say|i m|i am|i ll|we re|we are|on my way|know)\b.{0,90}$",
)
_NOTIFIED: Final = _any(
    _PERSON
    + r" (?:that|saying|to say|i m|i am|i ll|i will|we re|we are|on my way|happy|good|about the|when)\b.{0,90}$"
)
_REMIND: Final = _any(
    r"(?:me|us) (?:to|about|that|in|at|on|tomorrow|tonight|every|when|later|next|not) .{1,90}$"
)
_THING: Final = (
    r"(?:the |my |our )?(?:[a-z]{2,12} )?(?:room|kitchen|bedroom|bathroom|garage|office|basement|attic|house|home|hall|car|engine|oven|fridge|freezer|pool"
    r"|boiler|pump|tank|line|machine|conveyor|thermostat|battery|phone|watch|tablet|sensor|compressor|turbine|motor|valve|press|vacuum|washer|dryer|tv)"
    r"(?: (?:[0-9]+|a|b|c))?(?: (?:right )?now)?$"
)
_WEATHER: Final = (
    r"(?:the )?(?:weather|forecast|temperature (?:outside|today|tomorrow|in|right now)|air quality|humidity|wind speed|uv index|chance of rain)"
    r"(?: (?:like|forecast|report|today|tomorrow|tonight|now|outside|in|for|this|next|on|right|going|gonna|be|at|here|looking)\b.{0,50})?$"
)
_ASKED_STATE: Final = (
    r"(?:the |my |our )?(?:(?!history|capital|difference)[a-z0-9]{1,14} ){0,3}?(?:lights?|lamps?|doors?|garage|garage door|locks?|alarm|oven|heater|heating|thermostat|ac|fan|windows?"
    r"|blinds?|stove|pump|valve|conveyor|machine|camera|vacuum|washer|dryer|dishwasher|tv|gate|sprinklers?|engine|charger|car)"
    r" (?:still )?(?:on|off|open|closed|locked|unlocked|running|armed|finished|done|charging|charged|connected|ok|okay|low|leaking|shut)"
    r"(?: (?:in|right|now|yet|at|upstairs|downstairs|today)\b.{0,30})?$"
)
_WHAT: Final = _any(
    r"(?:s|is|will|was) " + _WEATHER.replace("(?:like|", "(?:be|like|"),
    r"(?:s|is) (?:the )?(?:time|date|day)(?: (?:is it|now|today|tomorrow|in|right)\b.{0,24})?$",
    r"(?:time|day|date) is it(?: .{0,24})?$",
    r"(?:s|is) (?:the |my )?(?:status|state|battery|battery level|charge|fuel level|tire pressure|tyre pressure|oil level|range|speed|signal strength|storage|volume"
    r"|pressure|temperature|humidity|setpoint|power consumption|heart rate)(?: (?:inside|left|remaining|now|right now|today))?$",
    r"(?:s|is) (?:the |my )?(?:[a-z]{2,12} )?(?:status|state|level|speed|pressure|temperature|humidity|setpoint|consumption|volume)"
    r" (?:of|in|on|at|for|inside) " + _THING,
    r"(?:s|is) " + _NUMBER + r" (?:[a-z]{1,8} )?" + _MEASURE + r" (?:in|to|into) " + _MEASURE + "$",
    r"s (?:on )?(?:my )?(?:calendar|schedule|next (?:meeting|appointment|alarm))(?: .{0,24})?$",
)
_HOW: Final = _any(
    r"(?:s|is) (?:the )?weather\b.{0,40}$",
    r"(?:hot|cold|warm|windy|humid) (?:is it|will it be)(?: .{0,30})?$",
    r"many " + _MEASURE + r" (?:are )?(?:there )?(?:in|is|are|make) " + _NUMBER + " " + _MEASURE + "$",
    r"(?:much|many) " + _MEASURE + r" (?:is|are) " + _NUMBER + " " + _MEASURE + "$",
    r"much (?:battery|charge|fuel|gas|storage|time|range|power) (?:do i have|is|does|s|remains|is there)(?: .{0,30})?$",
    r"(?:long|much time) (?:is )?(?:left|remaining|until)(?: (?:on |in |for |until )?(?:the |my )[a-z ]{2,24})?$",
    r"far (?:is (?:it to )?|to )(?:the |my )?(?:nearest|next|closest|home|work|airport|office)\b.{0,30}$",
)
_STATE: Final = _any(
    _ASKED_STATE,
    r"it (?:going to |gonna |supposed to )?(?:rain|raining|snow|snowing|sunny|cold|hot|windy|cloudy)(?: .{0,30})?$",
)
_WILL: Final = _any(
    r"it (?:be )?(?:rain|snow|sunny|cold|hot|warm|windy|cloudy|storm|freeze|hail)(?: .{0,30})?$",
    r"i need (?:an |my )?(?:umbrella|coat|jacket)(?: .{0,24})?$",
)
_STARTED: Final = _any(
    _TIMER,
    _ROOM + _SWITCHED + _TAIL,
    r"(?:vacuuming|cleaning|charging|recording|navigation|the car|a workout|my workout|mowing|watering|playback)"
    + _TAIL,
)
_ON_OFF: Final = (
    r"(?:on|off) " + _ROOM + _SWITCHED + _TAIL,
    _ROOM + _SWITCHED + r" (?:on|off|up|down)" + _TAIL,
    r"(?:the |my )?(?:volume|brightness|temperature|thermostat) (?:up|down|off|on)" + _TAIL,
    r"(?:up|down) "
    + _ROOM
    + r"(?:volume|brightness|heat|heating|temperature|thermostat|music|tv|radio|ac|lights?|fan|it|speed)"
    + _TAIL,
    r"(?:up|down)$",
)
_CONVERTED: Final = _any(
    r"(?:me )?"
    + _NUMBER
    + r" ?(?:point [0-9]+ |[0-9]+ )?(?:and a half )?"
    + _MEASURE
    + r" (?:to|into|in|as) "
    + _MEASURE
    + "$",
    _MEASURE + r" (?:to|into) " + _MEASURE + "$",
)
_CLEANED: Final = _any(
    r"(?:the |my )?(?:[a-z]{3,12} )?(?:kitchen|living room|bedroom|hall|hallway|bathroom|floor|floors|house|apartment|carpet|rug|room|office|downstairs|upstairs|windshield)"
    + _TAIL
)

_BY_VERB: Final[Mapping[str, str]] = {
    **dict.fromkeys(("turn", "switch", "put"), _any(*_ON_OFF)),
    **dict.fromkeys(("set", "create", "add", "make"), _SET),
    **dict.fromkeys(
        (
            "start",
            "stop",
            "pause",
            "resume",
            "cancel",
            "snooze",
            "delete",
            "activate",
            "deactivate",
            "enable",
            "disable",
            "run",
            "arm",
            "disarm",
            "shut",
            "restart",
            "reset",
            "mute",
            "unmute",
            "silence",
            "power",
        ),
        _STARTED,
    ),
    **dict.fromkeys(("open", "close", "lock", "unlock", "roll", "lift"), _OPENED),
    **dict.fromkeys(("dim", "brighten", "raise", "lower", "increase", "decrease", "reduce"), _LEVEL),
    "play": _PLAYED,
    "skip": _any(r"(?:this |the |to the )?(?:next |previous )?(?:song|track|one|ad|intro)?$"),
    **dict.fromkeys(("call", "dial", "phone", "ring"), _CALLED),
    **dict.fromkeys(("text", "message"), _NOTIFIED),
    "send": _MESSAGED,
    "remind": _REMIND,
    "navigate": _any(_PLACE),
    "drive": _any(r"(?:me |us )(?:to |back to |home)" + r"(?:the |my )?[a-z0-9 ]{0,40}$", "home$"),
    "directions": _any("to .{2,50}$"),
    "take": _any(
        r"me (?:to|home|back) ?(?:the |my )?[a-z0-9 ]{0,30}$",
        r"(?:a )?(?:selfie|photo|picture|screenshot)(?: .{0,24})?$",
    ),
    "convert": _CONVERTED,
    "vacuum": _CLEANED,
    "clean": _CLEANED,
    "mop": _CLEANED,
    "weather": _any(
        r"(?:forecast )?(?:in|for|today|tomorrow|tonight|this|next|on|at) ?.{0,40}$", "(?:forecast|report)?$"
    ),
    **dict.fromkeys(("what", "whats"), _WHAT),
    "how": _HOW,
    **dict.fromkeys(("is", "are", "did"), _STATE),
    "will": _WILL,
    "do": _WILL,
    "check": _any(
        r"(?:the |my )?(?:[a-z]{2,12} ){0,3}?(?:battery|status|temperature|pressure|weather|locks?|door|fuel|oil level|heart rate|sensor|forecast)"
        + _TAIL
    ),
    "find": _any(r"(?:my )(?:phone|keys|car|watch|tablet|headphones|remote)$"),
    "wake": _any(r"me (?:up )?(?:at|in|tomorrow|by) .{1,40}$"),
}
_OBJECT_FIRST: Final = re.compile(
    r"(?:(?:kitchen|bedroom|living room|bathroom|hall|office|all|garage) )?(?:lights?|lamp|fan|heater|tv) (?:on|off)(?: please)?$"
    r"|(?:next|previous) (?:song|track)$|volume (?:up|down)(?: .{0,20})?$|(?:mute|unmute|pause|stop|resume|louder|quieter|skip)(?: (?:it|music|the music|please))?$"
    r"|(?:[0-9]+|ten|five|one) (?:minute|second|hour) (?:timer|alarm)$|(?:emergency stop|e stop)$"
)


def is_command(words: list[str], turns: int) -> bool:
    """Whether the whole request is one device command. `words`: lower case, in order."""
    if not 0 < len(words) <= MAX_WORDS or turns > _MAX_TURNS:
        return False
    if not _PROSE.isdisjoint(words):
        return False
    sentence = " ".join(words)
    if len(sentence) > _MAX_CHARS:
        return False
    if _OBJECT_FIRST.match(sentence):
        return True
    polite = _POLITE.match(sentence)
    if polite:
        sentence = sentence[polite.end() :]
    verb, _, rest = sentence.partition(" ")
    if verb not in _ASKING and not _ASKING.isdisjoint(rest.split()):
        return False
    pattern = _BY_VERB.get(verb)
    if pattern is not None:
        return _compiled(pattern).match(rest) is not None
    return verb not in _ASKING and sounds_like_a_command(words)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when its verb is first used: all of them at import would cost every start 25 ms."""
    return re.compile(pattern)
