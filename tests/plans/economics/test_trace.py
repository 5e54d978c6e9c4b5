"""Files of requests, read into sessions."""

import json
from pathlib import Path

import pytest

from tokenworks.errors import ConfigError
from tokenworks.plans.economics.trace import Request, Session, read

AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04,0,8\n"
)
OWN = (
    "time_s,subscriber,session,model,input_tokens,output_tokens,cache_read_tokens\n"
    "10.5,ann,s1,acme/large,100,7,60\n"
    "3,bob,s1,acme/small,5,1,\n"
    "9,ann,s1,acme/large,90,2,0\n"
    "11,ann,,,1,1,1\n"
)


def written(tmp_path: Path, text: str, name: str = "trace") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def lines(*rows: object) -> str:
    return "\n".join(map(json.dumps, rows)) + "\n"


def test_rows_that_stand_for_themselves(tmp_path: Path) -> None:
    assert read(written(tmp_path, AZURE)) == [
        Session("", [Request(0, "", 4808, 0, 0, 10)]),
        Session("", [Request(0, "", 0, 0, 0, 8)]),
    ]


def test_our_own_form_in_csv_and_json_lines(tmp_path: Path) -> None:
    wanted = [
        Session("bob", [Request(3_000_000, "acme/small", 5, 0, 0, 1)]),
        Session(
            "ann",
            [Request(9_000_000, "acme/large", 90, 0, 0, 2), Request(10_500_000, "acme/large", 40, 60, 0, 7)],
        ),
        Session("ann", [Request(11_000_000, "", 0, 1, 0, 1)]),
    ]
    assert read(written(tmp_path, OWN)) == wanted
    head, *rows = OWN.splitlines()
    objects = [
        {name: value for name, value in zip(head.split(","), row.split(","), strict=True) if value}
        for row in rows
    ]
    assert read(written(tmp_path, lines(*objects))) == wanted


def test_a_request_that_repeats_the_blocks_of_another_goes_on_with_it(tmp_path: Path) -> None:
    def row(at_ms: int, tokens: int, *blocks: int) -> dict[str, object]:
        return {"timestamp": at_ms, "input_length": tokens, "output_length": 5, "hash_ids": blocks}

    found = read(
        written(
            tmp_path,
            lines(
                row(0, 1500, 0, 1, 2),  # two full blocks
                row(10, 1400, 0, 7, 8),  # the same instructions, but another conversation
                row(20, 2000, 0, 1, 3, 4),  # repeats 0 and 1
                row(30, 2100, 0, 1, 3, 4, 5),  # goes on with that
            ),
        )
    )
    assert [[each.time_us for each in session.requests] for session in found] == [
        [0, 20_000, 30_000],
        [10_000],
    ]
    assert [each.read for each in found[0].requests] == [0, 1024, 2048]
    assert [each.uncached for each in found[0].requests] == [1500, 976, 52]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no requests"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "has no requests"),
        ("a,b,c\n1,2,3\n", ":1: not a trace that is known"),
        (AZURE + "x,y\n", ":4: 2 fields"),
        (AZURE + "x,1,-1\n", ":4: GeneratedTokens is '-1'"),
        ("time_s,input_tokens,output_tokens\n1,2,\n", ":2: output_tokens is missing"),
        ("time_s,input_tokens,output_tokens\nnan,2,3\n", ":2: time_s is 'nan'"),
        ("time_s,input_tokens,output_tokens\n1,1e99,3\n", ":2: input_tokens is '1e99'"),
        ('{"time_s": 1}\nno\n', ":1: input_tokens is missing"),
        ('{"time_s": 1, "input_tokens": 1, "output_tokens": 1}\n[]\n', ":2: each line is one JSON object"),
        ('{"time_s": 1, "input_tokens": 1, "output_tokens": 1}\n{\n', ":2: is no JSON"),
        (
            '{"timestamp": 1, "input_length": 1, "output_length": 1, "hash_ids": 3}\n',
            ":1: hash_ids is no list",
        ),
        (
            '{"time_s": 1, "input_tokens": 5, "output_tokens": 1, "cache_read_tokens": 6}\n',
            ":1: more cached tokens than input_tokens",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(written(tmp_path, text))
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "trace"))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no text of requests"):
        read(path)


def test_the_real_traces(data: Path) -> None:
    folder = data / "traces"
    code = read(folder / "AzureLLMInferenceTrace_code.csv")
    assert len(code) == 8819
    assert code[0].requests == [Request(0, "", 4808, 0, 0, 10)]
    assert len(read(folder / "AzureLLMInferenceTrace_conv.csv")) == 19366
    talks = read(folder / "conversation_trace.jsonl")
    requests = [each for talk in talks for each in talk.requests]
    assert len(requests) == 12031
    assert len(talks) == 8057
    assert max(len(talk.requests) for talk in talks) == 43
    assert all(talk.requests == sorted(talk.requests) for talk in talks)
    total = sum(each.uncached + each.read for each in requests)
    assert 12_000 < total / len(requests) < 12_100  # its README says 12,035
    assert 0.1 < sum(each.read for each in requests) / total < 0.5
