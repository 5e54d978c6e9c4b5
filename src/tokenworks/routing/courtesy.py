"""Greetings before and thanks behind what is asked: they tell nothing of the work."""

from __future__ import annotations

import re

_GREETED = re.compile(
    "(?:(?:(?:hi|hello|hey|hallo|bonjour|hola|good (?:morning|afternoon|evening))(?: there| all| everyone)?"
    "|(?:can|could|would) you (?:please )?help(?: me)?(?: with (?:this|that|it))?"
    "|i need (?:some |your )?help(?: with (?:this|that|it))?"
    "|please(?: answer| help(?: me)?)?(?: this)?|question|bitte|你好|您好) ?[,.:!?，。：！？]+ ?)+(?=.)"
)
_THANKS = (
    "(?:please (?:answer|help(?: me)?)|thanks(?: a lot| so much)?(?: in advance)?|cheers"
    "|thank you(?: very much| so much)?(?: in advance)?|谢谢|danke|merci|gracias)"
)
_THANKED = re.compile(f"(?:(?<=[.!?。！？]) ?{_THANKS}[.!。！]*|(?<![:,]) {_THANKS}[.!。！]+)+$")
_THANKING = ("thank", "please", "cheers", "谢谢", "danke", "merci", "gracias")
_LAST_WORDS = 80  # characters in which thanks are looked for


def to_the_point(text: str) -> str:
    """The normalised ``text`` without courtesies around it; all of it where there is nothing else."""
    greeted = _GREETED.match(text)
    if greeted is not None:
        text = text[greeted.end() :]
    ending = text[-_LAST_WORDS:]
    if any(word in ending for word in _THANKING):
        thanked = _THANKED.search(ending)
        before = len(text) - len(ending)
        if thanked is not None and before + thanked.start() > 0:
            text = text[: before + thanked.start()]
    return text
