from pathlib import Path

import pytest

from tokenworks.errors import ConfigError
from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall, When
from tokenworks.providers.scripted.script import Script, load, parse


def test_every_part_of_a_script_is_read() -> None:
    script = parse("""
        seed = 7
        models = ["fast-1", "embed-1"]
        api_key = "sk-upstream"

        [[reply]]
        when.model = "fast-*"
        when.wire = "openai_chat"
        when.stream = true
        when.header = "x: y"
        when.says = "hi"
        when.nth = [1, 2]
        text = "Let me look."
        usage = { input_tokens = 1000, cache_read_tokens = 600, output_tokens = 40 }
        usage_style = "deepseek"
        fault = [{ kind = "status", status = 429, retry_after_s = 2, probability = 0.5 }, { kind = "close" }]
        [[reply.tool_calls]]
        name = "get_weather"
        arguments = '{"city":"Paris"}'
        split_at = [1, 9]

        [[reply]]
        chunks = ["Hel", "lo"]
        fault = { kind = "hang" }
    """)
    assert script == Script(
        seed=7,
        models=("fast-1", "embed-1"),
        api_key="sk-upstream",
        reply=(
            Reply(
                When("fast-*", "openai_chat", True, "x: y", "hi", (1, 2)),
                text="Let me look.",
                usage=Tokens(input_tokens=1000, cache_read_tokens=600, output_tokens=40),
                usage_style="deepseek",
                fault=(
                    Fault("status", status=429, retry_after_s=2, probability=0.5),
                    Fault("close"),
                ),
                tool_calls=(ToolCall("get_weather", '{"city":"Paris"}', split_at=(1, 9)),),
            ),
            Reply(chunks=("Hel", "lo"), fault=Fault("hang")),
        ),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[reply]]\nfault = { kind = 'explode' }", "'explode' - at `$.reply[0].fault"),
        ("[[reply]]\ntexts = 'a'", "unknown field `texts` - at `$.reply[0]`"),
        ("[[reply]]\n[[reply]]\nwhen = { nth = 0 }", "nth and every count from 1 - at `$.reply[1].when`"),
        ("[[reply]]\ntext = 'a'\ntokens = 2", "exclude each other - at `$.reply[0]`"),
        ("reply = 3", "`$.reply`"),
        ("[[reply", "script: "),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scripts_come_from_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("seed = 3\n")
    assert load(file).seed == load("seed = 3").seed == load(Script(seed=3)).seed == 3
    assert load(None) == Script()
    with pytest.raises(ConfigError, match=r"absent\.toml: can't be read"):
        load(tmp_path / "absent.toml")
    file.write_text("seed = 'x'\n")
    with pytest.raises(ConfigError, match=r"s\.toml: .*seed"):
        load(file)
