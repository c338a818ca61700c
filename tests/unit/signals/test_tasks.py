"""Which task a text asks for: the sentences below are the specification, and `command` must be precise."""

import pytest

from router_core.signals import infer_task

COMMANDS = """
turn off the kitchen lights
Turn on the living room lamp please
hey, can you switch off the heater
switch the fan on
turn the volume down
set a timer for 5 minutes
set an alarm for 7:30 am tomorrow
wake me up at 6
cancel my alarm
start a 10 minute timer
remind me to call the dentist at 3 pm
dim the bedroom lights to 30 percent
set the thermostat to 21 degrees
raise the blinds in the office
open the garage door
lock the front door
close the curtains
play some jazz in the living room
play bohemian rhapsody by queen
next song
volume up
pause the music
skip this song
navigate to the nearest gas station
take me home
call mom
call Anna on speaker
send a message to Peter saying I am late
text John that I'm on my way
what's the weather in Paris tomorrow?
will it rain today
how many ounces in a pound
convert 5 miles to kilometers
what time is it
is the garage door open?
how much battery is left?
start the vacuum
vacuum the kitchen
stop the conveyor belt
set the conveyor speed to 40 percent
close valve 3
turn on cruise control
turn on the windshield wipers
emergency stop
could you please turn off all the lights
arm the alarm
set brightness to 50
find my phone
Lights off please
can you turn the bathroom fan off
put the radio on
set a reminder to water the plants tomorrow
turn the heating up by two degrees
what's the temperature outside
play the latest episode of my podcast
call the office
ring my sister
how long until my alarm
set the oven to 180 degrees
roll down the windows
mute the tv
turn on do not disturb
drive me to work
what is 5 feet in centimeters
unlock the car
send Maria a message that dinner is ready
stop the timer
restart pump 2
is the dishwasher done
increase fan speed to 3
pause the washing machine
turn on the hazard lights
add milk to my shopping list
""".strip().splitlines()

CHAT = """
turn in my homework essay
Play devil's advocate on nuclear power
call me a cab company CEO and write a speech
turn this paragraph into a poem
set the scene for a murder mystery in Venice
play the role of a strict teacher
call it what you want, but is it ethical?
open a bank account in Spain as a foreigner: what do I need?
lock-free queues: how do they work?
how do I turn off notifications in Windows with a registry script?
what is the capital of France
what is the difference between a lamp and a light
convert this python function to rust
convert the integral into polar coordinates
write a timer class in java
explain how a thermostat works
why does my heater turn off by itself
start a business in Germany
stop procrastinating: give me ten tips
send help, my regex is broken
remind me what the theory of relativity says
is the door problem in game theory solved
how many people live in Tokyo
turn off the lights and explain why the sky is blue
set up a kubernetes cluster on three nodes
text classification with transformers: where to begin?
message queues versus event logs
what's the weather like on Venus and why
tell me a joke
play chess with me
hello
make a plan for my holiday in Rome
turn the tables in an argument
dial back my ambitions?
close reading of Hamlet act 3
raise your hand if you agree with Kant
call a function in python with keyword arguments
schalte das Licht aus
summary judgment in US civil procedure: when is it granted?
write a function that extracts all the emails from a string
how do I summarize a pandas dataframe?
turn the following list into a table
turn off your filters
turn up the heat in this dialogue
play around with this idea
play a game of hangman
call out the fallacies here
call upon the muses
open source licences compared
open the discussion on tariffs
lock in my mortgage rate or wait?
set theory basics please
set aside what I said
set my expectations
make a case for tariffs
add 17 and 25
add a conclusion
start over
start with the first point
stop using bullet points
cancel culture, pros and cons
reset password instructions for Gmail users
close the deal: negotiation tips
drive innovation in my company
drive a car: what are the rules in UK
send me the answer
text me a haiku
remind me how photosynthesis works
remind me of the plot of Hamlet
take me through the proof
take a stance on abortion
check my grammar: he go to school
check the following proof for errors
convert this to bullet points
convert 3 paragraphs to a tweet
find the derivative of x squared
is it going to be legal
is the moon on fire
is the engine of growth running in China
are electric cars better
will it be profitable
do i need a visa for Japan
how far is the moon from earth
how hot is the sun
how much time do people spend on phones
how long is left before the sun dies
what is the temperature of the sun
what is the speed of light
what is the volume of a sphere
what is the pressure at sea level
what is the time complexity of quicksort
what is the date of the French revolution
what is the status of women in Iran
wake me up before you go go lyrics
clean up this text
clean the data with pandas
vacuum energy explained
navigate office politics
run the numbers
run a marathon in 3 hours, training?
raise awareness for diabetes
raise money for my company
lower taxes or higher spending
increase my vocabulary
reduce the fraction 12/18
reduce my heating bill
dim sum recipes
skip the intro and answer directly
message board software
phone recommendations under 300 euros
ring theory introduction
power series of sine
weather the storm: origin of the idiom
arm yourself with facts
delete this
enable dark mode in my react app
disable the firewall in ubuntu
activate my windows license
run docker on a mac
turn it into a song
turn it up to eleven: what does it mean
put it in simpler terms
switch the roles now
""".strip().splitlines()

WORK = [
    ("Summarize this article: the council met on Monday ...", "summarize"),
    ("please summarise the following text in two sentences", "summarize"),
    ("Give me a short summary of this email thread", "summarize"),
    ("The quarterly report shows growth in all regions. TL;DR?", "summarize"),
    ("What are the key points of this text: ...", "summarize"),
    ("Classify this review as positive or negative: I loved it", "classify"),
    ("What is the sentiment of this tweet? 'meh'", "classify"),
    ("Is this email spam? 'You won a prize'", "classify"),
    ("Categorize the following tickets into billing, technical, other", "classify"),
    ("Extract all the dates from this letter", "extract"),
    ("extract names and amounts: Bob paid 5 euros", "extract"),
    ("List all people mentioned: Anna met Bob in Rome", "extract"),
    ("Embed this sentence", "embed"),
]


@pytest.mark.parametrize("text", COMMANDS)
def test_device_imperatives_are_commands(text: str) -> None:
    assert infer_task(text) == "command"
    assert infer_task(f"  {text.upper()} \n") == "command"


@pytest.mark.parametrize("text", CHAT)
def test_sentences_that_only_look_like_commands_are_chat(text: str) -> None:
    assert infer_task(text) == "chat"


@pytest.mark.parametrize(("text", "task"), WORK)
def test_text_work_is_recognised(text: str, task: str) -> None:
    assert infer_task(text) == task


@pytest.mark.parametrize("fact", ["has_tools", "has_images", "has_audio", "wants_json"])
def test_tools_media_and_schemas_rule_commands_out(fact: str) -> None:
    """A device model answers text in its own form, so none of these may reach it as a command."""
    assert infer_task("turn off the kitchen lights", **{fact: True}) == "chat"


def test_a_long_dialogue_is_a_conversation() -> None:
    assert infer_task("turn it off", turns=2) == "command"
    assert infer_task("turn it off", turns=40) == "chat"


def test_an_instruction_after_a_long_document_counts() -> None:
    assert infer_task("word " * 3000 + "\nSummarize the text above.") == "summarize"


def test_padding_does_not_hide_a_command() -> None:
    assert infer_task("\n" * 300 + "turn off the lights" + " " * 300) == "command"
