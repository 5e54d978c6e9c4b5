"""Claude Code, which speaks the messages wire and is told where by its environment."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenworks.cli.agents.agent import FOLDER, NO_KEY, Agent, Launch, Model

SETTINGS = "settings.json"
TITLE = "Claude Code"

# Each would send requests elsewhere, with another credential or for another model.
UNSET = (
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_SUBAGENT_MODEL",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
)

# Its model picker and its subagents ask for these classes of models by name.
CLASSES = ("OPUS", "SONNET", "HAIKU", "FABLE")


def prepare(url: str, key: str, model: Model, models: Sequence[Model]) -> Launch:
    """The environment, and again as settings of the command line.

    The user's own settings may hold an environment too, which beats the real one; settings of the
    command line beat both.
    """
    env = {
        "ANTHROPIC_BASE_URL": url,  # it adds /v1/messages
        "ANTHROPIC_AUTH_TOKEN": key or NO_KEY,
        "ANTHROPIC_API_KEY": "",
        "ANTHROPIC_MODEL": model.id,
        "ANTHROPIC_SMALL_FAST_MODEL": model.id,
        **{f"ANTHROPIC_DEFAULT_{each}_MODEL": model.id for each in CLASSES},
        "ANTHROPIC_CUSTOM_MODEL_OPTION": model.id,
        "ANTHROPIC_CUSTOM_MODEL_OPTION_NAME": model.name,
        "ANTHROPIC_CUSTOM_HEADERS": f"X-Title: {TITLE}",
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
    }
    if model.context_length:  # it takes a model it does not know for one of 200,000 tokens
        env["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = str(model.context_length)
        env["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] = str(model.context_length)
    if model.max_output_tokens:
        env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(model.answer_tokens)
    settings = {"env": {**dict.fromkeys(UNSET, ""), **env}}
    return Launch(
        command=["claude", "--settings", f"{FOLDER}/{SETTINGS}"],
        env=env,
        unset=UNSET,
        files={SETTINGS: json.dumps(settings, indent=2)},
    )


AGENT = Agent("claude", "@anthropic-ai/claude-code", prepare)
