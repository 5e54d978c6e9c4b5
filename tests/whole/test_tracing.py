"""A real server sends a span for each request to a real collector, and none of what was said in it."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from collecting import collecting
from serving import Server, acme, chat, free_port, serving

from tokenworks.app.tracing import ids_of
from tokenworks.config.load import load
from tokenworks.errors import ConfigError
from tokenworks.ledger import pulse
from tokenworks.providers.scripted import Fault, Reply, Script, When, running

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "the-collectors-password"


def traced(url: str, provider_url: str, sample: float = 1.0) -> str:
    return (
        acme(provider_url)
        + f'[observability]\notlp_endpoint = "{url}"\notlp_headers = {{ authorization = "{SECRET}" }}\n'
        + f'sample = {sample}\nservice_name = "our-works"\n'
    )


def metric(server: Server, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def until_metric(server: Server, name: str, least: float) -> float:
    deadline = time.monotonic() + 6
    while (value := metric(server, name)) < least:
        assert time.monotonic() < deadline, value
        time.sleep(0.1)
    return value


def test_every_request_has_its_span_under_its_callers(tmp_path: Path) -> None:
    script = Script(
        reply=(
            Reply(when=When(says="break"), fault=Fault(kind="status", status=500)),
            Reply(text="the answer is secret"),
        )
    )
    with (
        collecting() as collector,
        running(script) as provider,
        serving(tmp_path / "home", traced(collector.url, provider.base_url)) as server,
        httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as client,
    ):
        where = "/v1/chat/completions"
        plain = client.post(where, json=chat("the question is secret"))
        child = client.post(where, json=chat(), headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        unsampled = client.post(where, json=chat(), headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        junk = client.post(where, json=chat(stream=True), headers={"traceparent": "junk"})
        broken = client.post(where, json=chat("break"))
        assert [r.status_code for r in (plain, child, unsampled, junk)] == [200] * 4
        assert broken.status_code == 502
        spans = {span.attributes["gen_ai.response.id"]: span for span in collector.until(4)}
        time.sleep(0.3)
        assert len(collector.spans) == 4
        found = pulse.read(server.home)
        assert found is not None and found.requests_today == 5
        assert until_metric(server, 'tokenworks_spans_total{result="sent"}', 4) == 4
        assert metric(server, 'tokenworks_spans_total{result="dropped"}') == 0
        bodies = b"".join(collector.bodies)
        assert server.stop() == 0
        assert pulse.read(server.home) is None
    one = spans[plain.json()["id"]]
    assert one.trace_id == f"{ids_of(plain.json()['id'])[0]:032x}" and not one.parent_id
    assert one.name == "chat acme/fast" and one.kind == 3
    assert one.attributes["gen_ai.usage.output_tokens"] == plain.json()["usage"]["completion_tokens"]
    assert one.attributes["tokenworks.key_id"] == server.key_id
    assert abs(one.end_ns / 1e9 - time.time()) < 60 and one.end_ns > one.start_ns
    assert one.resource["service.name"] == "our-works"
    two = spans[child.json()["id"]]
    assert (two.trace_id, two.parent_id) == (TRACE, PARENT)
    assert unsampled.json()["id"] not in spans
    (failed,) = [span for span in spans.values() if span.failed]
    assert failed.attributes["error.type"] == "upstream_error"
    assert b"acme:500" in bodies and b"secret" not in bodies and SECRET.encode() not in bodies
    assert server.key.encode() not in bodies and b"sk-upstream" not in bodies
    assert {each.get("authorization", each.get("Authorization")) for each in collector.headers} == {SECRET}
    assert SECRET not in server.log()


def test_a_collector_that_is_gone_or_hangs_costs_nothing_but_spans(tmp_path: Path) -> None:
    port = free_port()
    with (
        running() as provider,
        serving(tmp_path / "home", traced(f"http://127.0.0.1:{port}", provider.base_url)) as server,
        httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as client,
    ):
        for _ in range(3):
            assert client.post("/v1/chat/completions", json=chat()).status_code == 200
        with collecting(port) as collector:  # there before the exporter has given up
            assert len(collector.until(3)) == 3
            collector.delay_s = 30.0
            assert client.post("/v1/chat/completions", json=chat()).status_code == 200
            deadline = time.monotonic() + 5
            while len(collector.headers) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for _ in range(3):
                assert client.post("/v1/chat/completions", json=chat()).status_code == 200
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 4  # two of them for the spans
        assert "the end came before all spans were sent" in server.log()
        assert server.usage()["requests"] == 7
        assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('otlp_endpoint = "grpc://collector:4317"', "must be a URL"),
        ('otlp_endpoint = "http://user:pw@collector"', "must not carry a user name"),
        ("sample = 1.5", "must be from 0 to 1"),
        ('endpoint = "http://collector"', "unknown key"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "tokenworks.toml").write_text(f"[observability]\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    assert "tokenworks.toml:2: observability" in str(refused.value) and said in str(refused.value)
    assert "user:pw" not in str(refused.value)
