"""The real process with the real model: OpenAI's client unchanged, faults, and its end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import psutil
import pytest

from tokenworks.config.settings import EngineSettings
from tokenworks.engines.llama_cpp import EXIT_FAULT, Launch, parameters, usable_cores

HELLO = [{"role": "user", "content": "Say hello."}]
REAL = "smollm2"


@pytest.fixture(scope="module")
def client(engine: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{engine.url}/v1", api_key=engine.key, max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def http(engine: Any) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {engine.key}"}
    with httpx.Client(base_url=engine.url, headers=headers, timeout=60) as made:
        yield made


def counters(http: httpx.Client) -> dict[str, float]:
    lines = [line.split() for line in http.get("/metrics").text.splitlines() if line.startswith("llamacpp:")]
    return {name.partition(":")[2]: float(value) for name, value in lines}


# --- what OpenAI's client gets ----------------------------------------------------------------


def test_chat(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(model=REAL, messages=HELLO, max_tokens=8, temperature=0)
    assert got.object == "chat.completion" and got.id.startswith("chatcmpl-")
    assert got.model == "huggingfacetb/smollm2-135m-instruct"
    assert got.choices[0].message.role == "assistant"
    assert "hello" in (got.choices[0].message.content or "").lower()
    assert got.choices[0].finish_reason == "length"
    assert got.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (33, 8, 41)


def test_the_prompt_of_a_moment_ago_is_not_read_again(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "One two three four five six seven."}]
    for _ in range(2):
        got = client.chat.completions.create(model=REAL, messages=messages, max_tokens=1)
    assert got.usage is not None and got.usage.prompt_tokens_details is not None
    assert got.usage.prompt_tokens_details.cached_tokens == got.usage.prompt_tokens - 1


def test_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": REAL, "messages": HELLO, "max_tokens": 12, "temperature": 0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert len(chunks) > 8  # really streamed


def test_stream_with_usage(client: openai.OpenAI) -> None:
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model=REAL, messages=HELLO, max_tokens=4, stream=True, stream_options=options
        )
    )
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 4


def test_usage_counts_every_choice(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(model=REAL, messages=HELLO, max_tokens=6, n=2, temperature=1.0)
    assert [choice.index for choice in got.choices] == [0, 1]
    assert all(choice.message.content for choice in got.choices)
    assert got.usage is not None
    lengths = [choice.finish_reason == "length" for choice in got.choices]
    assert got.usage.completion_tokens == 12 if all(lengths) else 2 <= got.usage.completion_tokens <= 12
    assert got.usage.prompt_tokens == 33


def test_streamed_choices(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=REAL, messages=HELLO, max_tokens=4, n=2, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}
    assert sum(choice.finish_reason is not None for chunk in chunks for choice in chunk.choices) == 2
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [8]


def test_logprobs(client: openai.OpenAI) -> None:
    got = client.chat.completions.create(
        model=REAL, messages=HELLO, max_tokens=3, temperature=0, logprobs=True, top_logprobs=2
    )
    logprobs = got.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    assert "".join(token.token for token in logprobs.content) == got.choices[0].message.content
    for token in logprobs.content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 2
        assert token.top_logprobs[0].token == token.token  # temperature 0 takes the likeliest


def test_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {
            "mood": {"enum": ["good", "bad"]},
            "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        },
        "required": ["mood", "stars"],
        "additionalProperties": False,
    }
    got = client.chat.completions.create(
        model=REAL,
        messages=[{"role": "user", "content": "I love this film."}],
        max_tokens=60,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "r", "strict": True, "schema": schema},
        },
    )
    said = json.loads(got.choices[0].message.content or "")
    assert said["mood"] in ("good", "bad") and 1 <= said["stars"] <= 5
    assert got.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"messages": [{"role": "user", "content": "word " * 600}]}, "this engine takes 512"),
        ({"messages": HELLO, "n": 3}, "1 <= value <= 2"),
        ({"messages": HELLO, "temperature": "hot"}, "temperature"),
        ({"messages": "hi"}, "array"),
        ({"model": REAL}, "'messages' is required"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
                ]
            },
            "image",
        ),
        (
            {
                "messages": HELLO,
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}},
            },
            "x",
        ),
        ({"messages": HELLO, "grammar": "root ::= ((("}, "grammar"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_requests_that_cannot_be_answered(
    http: httpx.Client, body: dict[str, Any], says: str, stream: bool
) -> None:
    got = http.post("/v1/chat/completions", json={**body, "stream": stream, "max_tokens": 2})
    assert got.status_code == 400, got.text
    assert says in got.json()["error"]["message"]


def test_a_full_context_ends_the_answer(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "word " * 475}]
    got = client.chat.completions.create(model=REAL, messages=messages, extra_body={"ignore_eos": True})
    assert got.usage is not None and got.usage.total_tokens == 512
    assert got.choices[0].finish_reason == "length"


# --- callers who leave ------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_generation_ends_when_its_caller_leaves(
    client: openai.OpenAI, http: httpx.Client, stream: bool
) -> None:
    """Also beside another one that goes on, where the library's own server does not notice it."""
    before = counters(http)["tokens_predicted_total"]
    other = client.chat.completions.create(
        model=REAL, messages=HELLO, max_tokens=470, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(other))
    body = {"messages": HELLO, "max_tokens": 470, "ignore_eos": True, "stream": stream}
    with httpx.Client(base_url=http.base_url, headers=http.headers) as leaving:
        request = leaving.build_request("POST", "/v1/chat/completions", json=body)
        if stream:
            got = leaving.send(request, stream=True)
            next(got.iter_raw())
            got.close()
        else:
            request.extensions["timeout"] = {"read": 0.3}
            with pytest.raises(httpx.ReadTimeout):
                leaving.send(request)
    deadline = time.monotonic() + 5
    while (now := counters(http)["requests_processing"]) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert now <= 1, "the generation goes on without its caller"
    other.close()
    while counters(http)["requests_processing"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert counters(http)["tokens_predicted_total"] - before < 470  # neither of the two went to its end


# --- faults -----------------------------------------------------------------------------------


def write_module(folder: Path, text: str) -> dict[str, str]:
    (folder / "xllamacpp.py").write_text(text)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("raise ModuleNotFoundError('No module named xllamacpp')", "pip install xllamacpp=="),
        ("raise ImportError('libgomp.so.1: cannot open shared object file')", "apt-get install libgomp1"),
        ("raise ImportError('undefined symbol: x')", "--force-reinstall"),
    ],
)
def test_library_that_cannot_be_loaded(
    launch: Callable[..., Any], small: EngineSettings, tmp_path: Path, module: str, says: str
) -> None:
    engine = launch(small, write_module(tmp_path, module))
    status, errors = engine.end()
    assert status == EXIT_FAULT
    assert says in engine.said["error"] and "\n" not in engine.said["error"]
    assert errors == f"engine small: {engine.said['error']}\n"


def test_model_file_that_is_missing(launch: Callable[..., Any], tmp_path: Path) -> None:
    engine = launch(EngineSettings(model="a/b", path=str(tmp_path / "no.gguf")), name="smollm2")
    assert engine.end()[0] == EXIT_FAULT
    assert engine.said["error"].endswith("is missing; put it back or run: tokenworks model add smollm2")


def test_file_that_is_no_model(launch: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "no.gguf"
    file.write_bytes(b"<html>not found</html>" * 100)
    engine = launch(EngineSettings(model="a/b", path=str(file)))
    assert engine.end()[0] == EXIT_FAULT
    assert "is no GGUF file" in engine.said["error"]


@pytest.mark.parametrize("known", [True, False])
def test_model_file_that_was_cut_short(
    launch: Callable[..., Any], small: EngineSettings, smollm2: Path, tmp_path: Path, known: bool
) -> None:
    file = tmp_path / "cut.gguf"
    with smollm2.open("rb") as whole:
        file.write_bytes(whole.read(20 << 20))
    settings = msgspec.structs.replace(small, path=str(file), sha256="0" * 64 if known else "")
    engine = launch(settings)
    assert engine.end()[0] == EXIT_FAULT
    assert ("has changed since it was added" if known else "it is damaged") in engine.said["error"]


# --- settings and life ------------------------------------------------------------------------


def test_quantised_cache_takes_less_memory(
    launch: Callable[..., Any], engine: Any, small: EngineSettings
) -> None:
    """Eight times the tokens of the shared engine: 51 MiB in q4_0, where f16 would take 180."""
    compact = launch(msgspec.structs.replace(small, kv_cache_type="q4_0", context_length=4096, threads=1))
    url, headers = f"{compact.url}/v1/chat/completions", {"authorization": f"Bearer {compact.key}"}
    got = httpx.post(url, headers=headers, json={"messages": HELLO, "max_tokens": 4})
    assert got.json()["usage"]["completion_tokens"] == 4
    taken = [psutil.Process(each.process.pid).memory_info().rss >> 20 for each in (engine, compact)]
    assert taken[1] - taken[0] < 90, taken


def test_nothing_secret_is_on_the_command_line(engine: Any) -> None:
    process = psutil.Process(engine.process.pid)
    assert engine.key not in " ".join(process.cmdline())
    assert engine.key not in str(process.environ())


def test_it_listens_on_loopback_only(engine: Any) -> None:
    listening = [
        c.laddr for c in psutil.Process(engine.process.pid).net_connections("inet") if c.status == "LISTEN"
    ]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", engine.said["port"])]


def test_idle_engine_uses_no_processor_time(engine: Any) -> None:
    process = psutil.Process(engine.process.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(0.5)
    assert sum(process.cpu_times()[:2]) - before <= 0.1


def gone(pid: int, patience_s: float = 3.0) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_it_ends_with_its_standard_input_even_while_it_answers(
    launch: Callable[..., Any], small: EngineSettings
) -> None:
    engine = launch(small)
    headers = {"authorization": f"Bearer {engine.key}"}
    body = {"messages": HELLO, "max_tokens": 400, "ignore_eos": True}
    url = f"{engine.url}/v1/chat/completions"

    def ask() -> None:
        with pytest.raises(httpx.TransportError):
            httpx.post(url, headers=headers, json=body, timeout=30)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    engine.process.stdin.close()
    assert engine.process.wait(3) == 0
    asking.join(5)
    assert not asking.is_alive()
    engine.process.stdin = None


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-P", "-m", "tokenworks.engines.llama_cpp"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(sys.stdin.buffer.read())
child.stdin.flush()
print(child.stdout.readline().decode(), flush=True)
time.sleep(60)
"""


def test_it_does_not_outlive_a_parent_that_was_killed(small: EngineSettings) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None and parent.stdout is not None
    with parent:
        parent.stdin.write(msgspec.json.encode(Launch("small", small, "key")) + b"\n")
        parent.stdin.close()
        pid = json.loads(parent.stdout.readline())["pid"]
        assert psutil.pid_exists(pid)
        os.kill(parent.pid, signal.SIGKILL)
    assert gone(pid)


def test_usable_cores() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


# --- what settings become ---------------------------------------------------------------------


def made(**given: Any) -> Any:
    """The library's parameters of an engine with these settings."""
    library = pytest.importorskip("xllamacpp")
    settings = EngineSettings(model="a/b", path="p.gguf", **given)
    return parameters(library, Launch("x", settings, "key"), Path("s.sock"))


def test_settings_as_the_library_gets_them() -> None:
    plain = made()
    assert (plain.cache_prompt, plain.cache_ram_mib, plain.n_cache_reuse) == (True, 256, 0)
    assert plain.slot_prompt_similarity == pytest.approx(0.1)
    assert plain.flash_attn_type.name.endswith("AUTO")
    assert [kind.name for kind in plain.speculative.types] == ["COMMON_SPECULATIVE_TYPE_NONE"]
    given = made(
        prompt_cache_mib=64,
        slot_similarity=0.5,
        cache_reuse_tokens=32,
        flash_attention="off",
        speculation="ngram",
    )
    assert (given.cache_ram_mib, given.n_cache_reuse) == (64, 32)
    assert given.slot_prompt_similarity == 0.5
    assert given.flash_attn_type.name.endswith("DISABLED")
    assert [kind.name for kind in given.speculative.types] == ["COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE"]
    assert given.speculative.ngram_simple.size_m == 31  # four slots' drafts fit into one step
    assert made(kv_cache_type="q8_0").flash_attn_type.name.endswith("ENABLED")
    assert made(flash_attention="on").flash_attn_type.name.endswith("ENABLED")
    nothing = made(prompt_cache=False)
    assert (nothing.cache_prompt, nothing.cache_ram_mib) == (False, 0)


def test_drafts_of_all_slots_at_once(launch: Callable[..., Any], small: EngineSettings) -> None:
    """More drafts than fit into a step end the library's process: none are made."""
    drafting = launch(msgspec.structs.replace(small, speculation="ngram", threads=1))
    url, headers = f"{drafting.url}/v1/chat/completions", {"authorization": f"Bearer {drafting.key}"}
    again = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen. " * 3
    body = {
        "messages": [{"role": "user", "content": f"Repeat: {again}"}],
        "max_tokens": 40,
        "temperature": 0,
        "ignore_eos": True,
        # a text that repeats itself whatever the model would like to say
        "grammar": 'root ::= ("one two three four five six seven eight nine ten eleven twelve ")+',
    }
    got: list[dict[str, Any]] = []

    def ask() -> None:
        got.append(httpx.post(url, headers=headers, json=body, timeout=60).json())

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert drafting.process.poll() is None, "the engine has ended"
    assert len({answer["choices"][0]["message"]["content"] for answer in got}) == 1
    assert all(answer["timings"]["draft_n_accepted"] > 10 for answer in got), got
