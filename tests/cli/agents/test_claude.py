"""Claude Code's environment, and the same as settings that beat the user's."""

import json

from tokenworks.cli.agents.agent import NO_KEY, Launch, Model
from tokenworks.cli.agents.claude import AGENT, UNSET

URL = "http://127.0.0.1:8642"
FAST = Model("acme/fast", "Acme Fast", 131_072, 8192)


def settings_env(launch: Launch) -> dict[str, str]:
    found = json.loads(launch.files["settings.json"])
    assert list(found) == ["env"]
    return dict(found["env"])


def test_environment() -> None:
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST])
    assert launch.env == {
        "ANTHROPIC_BASE_URL": URL,
        "ANTHROPIC_AUTH_TOKEN": "tw-key",
        "ANTHROPIC_API_KEY": "",
        "ANTHROPIC_MODEL": "acme/fast",
        "ANTHROPIC_SMALL_FAST_MODEL": "acme/fast",
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "acme/fast",
        "ANTHROPIC_DEFAULT_SONNET_MODEL": "acme/fast",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "acme/fast",
        "ANTHROPIC_DEFAULT_FABLE_MODEL": "acme/fast",
        "ANTHROPIC_CUSTOM_MODEL_OPTION": "acme/fast",
        "ANTHROPIC_CUSTOM_MODEL_OPTION_NAME": "Acme Fast",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Title: Claude Code",
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072",
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": "131072",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "8192",
    }


def test_the_users_own_settings_are_beaten_too() -> None:
    """An environment in a settings file replaces the real one, so ours stands in one as well."""
    launch = AGENT.prepare(URL, "tw-key", FAST, [FAST])
    assert launch.command == ["claude", "--settings", "$FOLDER/settings.json"]
    given = settings_env(launch)
    assert {name: given.pop(name) for name in launch.env} == launch.env
    assert given == dict.fromkeys(UNSET, "")
    assert launch.unset == UNSET
    assert not set(UNSET) & set(launch.env)


def test_what_the_server_does_not_tell_is_not_set() -> None:
    launch = AGENT.prepare(URL, "tw-key", Model("auto", "auto"), [])
    assert not [name for name in launch.env if "TOKENS" in name or "WINDOW" in name]


def test_without_a_key_it_still_sends_a_word() -> None:
    """Without any credential it asks for a login and sends nothing."""
    launch = AGENT.prepare(URL, "", FAST, [FAST])
    assert launch.env["ANTHROPIC_AUTH_TOKEN"] == settings_env(launch)["ANTHROPIC_AUTH_TOKEN"] == NO_KEY
