"""What every agent is made of."""

import pytest

from tokenworks.cli.agents import AGENTS
from tokenworks.cli.agents.agent import FOLDER, Launch, Model

KEY = "tw-" + "abcdefghij" * 4 + "xyz"


@pytest.mark.parametrize(
    ("context", "said", "room"),
    [
        (None, None, 32_000),
        (131_072, None, 32_000),
        (8192, None, 2048),
        (8192, 4096, 4096),
        (1_000_000, 384_000, 32_000),
        (None, 100, 100),
    ],
)
def test_room_for_an_answer(context: int | None, said: int | None, room: int) -> None:
    assert Model("a/b", "B", context, said).answer_tokens == room


def test_the_folder_is_filled_in_where_it_is_named() -> None:
    launch = Launch(["x", f"{FOLDER}/a", "--"], {"A": FOLDER, "B": "b"}, ("C",), {"a": "text"})
    placed = launch.inside("/t")
    assert placed == Launch(["x", "/t/a", "--"], {"A": "/t", "B": "b"}, ("C",), {"a": "text"})
    assert launch.env["A"] == FOLDER


def test_a_key_is_masked_wherever_it_stands() -> None:
    launch = Launch(["x", f"--key={KEY}"], {"A": KEY, "B": "b"}, (), {"a": f'{{"key": "{KEY}"}}'})
    shown = launch.masked(KEY)
    assert shown == Launch(
        ["x", "--key=tw-abc…jxyz"], {"A": "tw-abc…jxyz", "B": "b"}, (), {"a": '{"key": "tw-abc…jxyz"}'}
    )
    assert Launch([], {"A": "short-secret"}).masked("short-secret").env == {"A": "…"}
    assert launch.masked("") == launch


def test_agents_are_known_by_their_programs() -> None:
    assert list(AGENTS) == ["claude", "codex", "openclaw", "opencode"]
    for name, agent in AGENTS.items():
        assert agent.name == name
        assert agent.prepare("http://127.0.0.1:1", "k", Model("a/b", "B"), []).command[0] == name


@pytest.mark.parametrize("name", AGENTS)
def test_the_key_is_never_on_the_command_line(name: str) -> None:
    launch = AGENTS[name].prepare("http://127.0.0.1:1", KEY, Model("a/b", "B", 8192), [])
    assert KEY not in " ".join(launch.command)
    assert KEY in launch.env.values()


@pytest.mark.parametrize("name", AGENTS)
def test_without_a_key_there_is_no_word_of_one(name: str) -> None:
    launch = AGENTS[name].prepare("http://127.0.0.1:1", "", Model("a/b", "B", 8192), [])
    assert "TOKENWORKS_KEY" not in str(launch)
    assert "OPENAI_API_KEY" not in str(launch)
    assert "apiKey" not in str(launch)
