"""A provider that plays scripts: a real HTTP server on loopback for tests, also for those of users.

It speaks three wires (openai_chat, openai_responses, anthropic_messages), lists models, embeds and
counts tokens, fails in every way a script asks for, and tells what it received and sent.
``docs/scripted-provider.md`` describes scripts and gives examples.
"""

from tokenworks.providers.scripted.book import ModelTotals, Received, Totals
from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.provider import ScriptedProvider
from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall, When
from tokenworks.providers.scripted.request import input_words
from tokenworks.providers.scripted.script import Script, parse
from tokenworks.providers.scripted.threaded import ThreadedProvider, running
from tokenworks.providers.scripted.turn import echo
from tokenworks.providers.scripted.words import count as words

__all__ = [
    "Fault",
    "ModelTotals",
    "Received",
    "Reply",
    "Script",
    "ScriptedProvider",
    "ThreadedProvider",
    "Tokens",
    "ToolCall",
    "Totals",
    "When",
    "echo",
    "input_words",
    "parse",
    "running",
    "words",
]
