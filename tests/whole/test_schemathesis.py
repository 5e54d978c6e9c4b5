"""Thousands of requests that schemathesis makes of our own OpenAPI description, right and wrong ones.

It runs as the program it is, and what it sent and got is read from its own record. The models, keys and
answers that it may name are put into the description, or it would get no further than "unknown model".
"""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from serving import Server, acme, serving
from three_wires import JSON_SCRIPT, MESSAGES_PROVIDER, RESPONSES_PROVIDER, SCRIPT

from tokenworks.ledger.batched import BatchRow
from tokenworks.ledger.queued import QueuedRow
from tokenworks.ledger.store import open_store
from tokenworks.providers.scripted import running

MODELS = ["acme/fast", "acme/native", "acme/responder"]
PER_OPERATION = 2  # examples of the random part; the systematic part has its own number
TIMEOUT_S = 300.0
# What does not hold here, on purpose: fields that are not described pass on to the provider, which is the
# judge of those that are, and a described value may still be refused, such as a spending limit.
EXCLUDED = "positive_data_acceptance,negative_data_rejection"
INFERENCE = {
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
}
CHAT = "/v1/chat/completions"
NO_WORKER = "\n[batches]\nenabled = false\n"  # else what is asked would be recorded besides
REFUSED = ("user_id", "group_by", "workspace_id")  # whatever they say

Answers = Counter[tuple[str, str, int]]  # method, path as described, status


class Run(NamedTuple):
    """What came of it."""

    code: int
    said: str
    answers: Answers
    spec: dict[str, Any]
    records: int  # of requests for models
    log: str
    key_lives: bool


def seeded(spec: dict[str, Any], known: dict[str, list[str]]) -> dict[str, Any]:
    """``spec`` where ids and models are some of ``known``."""
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            parameters = [each for each in operation.get("parameters", ()) if each["name"] not in REFUSED]
            for each in parameters:
                if each["in"] == "path" or (path, each["name"]) in SEEDED:
                    each["schema"] = {"enum": known.get(f"{path} {each['name']}") or known[each["name"]]}
            if parameters:
                operation["parameters"] = parameters
            elif "parameters" in operation:
                del operation["parameters"]
            if path in INFERENCE:
                _seed_inference(operation, known)
            elif path == "/v1/batches":
                _seed_batch(operation, known["/v1/batches input_file_id"])
            elif path == "/v1/generation/feedback":
                _seed_verdict(spec, operation, known["id"])
            elif path in SUBJECTS:
                _seed_subject(spec, operation, known[f"{path} subject"])
    return spec


SEEDED = {
    *(("/v1/generation", "id"), ("/v1/generation/feedback", "id")),
    *(("/v1/activity", "date"), ("/v1/activity", "api_key_hash")),
}


# Whom a body may name: else most are of nobody. Limits are on users that no request has, for the others
# would be refused by them.
SUBJECTS = (
    "/v1/budgets",
    "/v1/wallets",
    "/v1/plans/{plan}/assign",
    "/v1/plans/{plan}/unassign",
    "/v1/sessions/{session}/stop",
    "/v1/sessions/{session}/resume",
)


def _seed_subject(spec: dict[str, Any], operation: dict[str, Any], subjects: list[str]) -> None:
    if "requestBody" not in operation:
        return
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = spec["components"]["schemas"][name]
    schema.pop("examples", None)
    fields = schema["properties"]
    fields["subject" if "subject" in fields else "key"] = {"enum": subjects}
    if "within" in fields:
        fields["scope"], fields["within"] = {"const": "user"}, {"type": "null"}


def _seed_batch(operation: dict[str, Any], files: list[str]) -> None:
    """Of one form of the three: a file of requests. Other tests have the others."""
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        kept = ("completion_window", "metadata", "max_cost", "not_before", "before", "output_expires_after")
        fields = {name: each for name, each in schema["properties"].items() if name in kept}
        schema["properties"] = {"input_file_id": {"enum": files}, "endpoint": {"enum": [CHAT]}, **fields}
        schema["required"] = ["input_file_id", "endpoint"]


def _seed_verdict(spec: dict[str, Any], operation: dict[str, Any], ids: list[str]) -> None:
    """On an answer that there is, by one name of it."""
    if "requestBody" in operation:
        fields = spec["components"]["schemas"]["Verdict"]["properties"]
        fields["id"], fields["generation_id"] = {"enum": ids}, {"type": "null"}


def _seed_inference(operation: dict[str, Any], known: dict[str, list[str]]) -> None:
    fields = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    fields["model"] = {"enum": known["model"]}
    if "models" in fields:
        fields["models"] = {"type": ["array", "null"], "items": {"enum": known["model"]}}
    for choice in ("order", "only", "ignore", "quantizations", "max_price"):
        fields.get("provider", {}).get("properties", {}).pop(choice, None)
    if "previous_response_id" in fields:
        fields["previous_response_id"] = {"enum": [None, *known["response_id"]]}
    # A schema of the whole stream is taken for one of each event. Other tests look at these.
    content = operation["responses"]["200"]["content"]
    if "text/event-stream" in content:
        content["text/event-stream"] = {}


def path_of(spec: dict[str, Any], url: str) -> str:
    """The described path that ``url`` is one of, those without a name in them first."""
    for path in sorted(spec["paths"], key=lambda path: (path.count("{"), -len(path))):
        if re.fullmatch(re.sub(r"\{\w+\}", ".+", path), url):
            return str(path)
    return url


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("schemathesis")
    with running(JSON_SCRIPT + SCRIPT) as upstream:
        config = (
            acme(upstream.base_url)
            + MESSAGES_PROVIDER.format(origin=upstream.origin)
            + RESPONSES_PROVIDER.format(base_url=upstream.base_url)
            + NO_WORKER
        )
        with serving(folder / "home", config) as server:
            yield attack(server, folder)


def queued(server: Server, key_id: str) -> list[str]:
    """Requests of the key whose answers have come; enough of them for all that are deleted."""
    store = open_store(f"sqlite:///{server.home / 'tokenworks.db'}")
    now_us = time.time_ns() // 1000
    later_us = now_us + 86_400 * 10**6  # so that the server can't run one before it is cancelled
    made = [f"q_{number:032x}" for number in range(50)]
    for each in made:
        row = QueuedRow(each, key_id, "/v1/chat/completions", "acme/fast", "{}", now_us, later_us)
        assert store.enqueue(row, 1000, 1 << 20)
        assert store.cancel(each, now_us)
    store.close()
    return made


def batched(server: Server, key_id: str) -> dict[str, list[str]]:
    """Batches of the key for each of the paths that do something to one."""
    store = open_store(f"sqlite:///{server.home / 'tokenworks.db'}")
    statuses = {"cancel": "in_progress", "pause": "in_progress", "resume": "paused", "retry": "cancelled"}
    found: dict[str, list[str]] = {}
    serial = itertools.count(1)

    def made(status: str) -> str:
        row = BatchRow(f"batch_{next(serial):024x}", key_id, "requests", status, 1, 2**60, CHAT, total=1)
        store.add_batch(row)
        return row.id

    for action, status in statuses.items():
        found[f"/v1/batches/{{batch_id}}/{action} batch_id"] = [made(status), "none"]
    found["/v1/batches/{batch_id} batch_id"] = [*(made("cancelled") for _ in range(20)), "none"]
    found["batch_id"] = [made("in_progress"), "none"]
    store.close()
    return found


def uploaded(client: httpx.Client) -> list[str]:
    """Files of requests, enough of them for all that are deleted."""
    sent: dict[str, Any] = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", b"{}")}}
    return [client.post("/v1/files", **sent).json()["id"] for _ in range(20)]


def attack(server: Server, folder: Path) -> Run:
    key_id, key = server.new_key("boss", "--admin")
    doomed, _ = server.new_key("doomed")
    turned, _ = server.new_key("turned")
    limits = [server.cli("budget", "add", "5", "--user", "nobody", "--json")["id"] for _ in range(2)]
    team = server.cli("team", "create", "research", "--json")["id"]
    for plan in ("pro", "max"):
        server.cli("plan", "create", plan)
    server.cli("fair-use", "act", turned, "slow")
    server.cli("session", "stop", "s1")
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
        kept = client.post("/v1/responses", json={"model": "acme/fast", "input": "hi"}).json()["id"]
        known = {
            "model": MODELS,
            "name": ["acme/fast", "acme/none"],
            "hash": [doomed],  # soon deleted, so unknown too
            "response_id": [kept, "none"],
            "id": [kept, "gen-1-none"],
            "date": [time.strftime("%Y-%m-%d", time.gmtime()), "2000-01-01"],
            "api_key_hash": [key_id, "none"],
            "/v1/keys/{hash}/rotate hash": [turned],
            "/v1/fair-use/{hash} hash": [turned],
            "limit_id": [limits[0], "none"],
            "/v1/budgets/{limit_id}/refund limit_id": [limits[1]],
            "team": [team, "none"],
            "plan": ["pro", "none"],
            "/v1/plans/{plan}/assign plan": ["max"],
            "/v1/plans/{plan}/unassign plan": ["max"],
            "session": ["s1", "none"],
            "queued_id": [*queued(server, key_id), "q_none"],
            "view": ["model", "none"],
            "/v1/batches input_file_id": uploaded(client)[:1],
            "file_id": [*uploaded(client), "file-none"],
            **batched(server, key_id),
            "/v1/budgets subject": ["nobody"],
            **{f"{path} subject": [turned] for path in SUBJECTS[1:4]},
            **{f"{path} subject": [None] for path in SUBJECTS[4:]},
        }
        spec = seeded(client.get("/openapi.json").json(), known)
        (folder / "openapi.json").write_text(json.dumps(spec))
        done = subprocess.run(
            [
                Path(sys.executable).parent / "schemathesis",
                "run",
                "openapi.json",
                f"--url={server.url}",
                f"--header=Authorization: Bearer {key}",
                "--generation-deterministic",
                "--no-shrink",
                "--continue-on-failure",
                f"--max-examples={PER_OPERATION}",
                f"--exclude-checks={EXCLUDED}",
                "--suppress-health-check=filter_too_much",
                "--report-har-path=all.har",
                "--no-color",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        answers: Answers = Counter()
        for entry in json.loads((folder / "all.har").read_text())["log"]["entries"]:
            path = path_of(spec, entry["request"]["url"].removeprefix(server.url).split("?")[0])
            answers[entry["request"]["method"], path, entry["response"]["status"]] += 1
        key_lives = client.get("/v1/key").status_code == 200
    asked = sum(number for each, number in answers.items() if is_recorded(each))
    return Run(
        done.returncode,
        done.stdout,
        answers,
        spec,
        until_recorded(server, asked + 1),
        server.log(),
        key_lives,
    )


def is_recorded(answer: tuple[str, str, int]) -> bool:
    method, path, status = answer
    return method == "POST" and path in INFERENCE and status in (200, 400, 404)


def until_recorded(server: Server, number: int) -> int:
    """How many requests for models were recorded, once there are ``number`` or for a while."""
    deadline = time.monotonic() + 10
    while True:
        with sqlite3.connect(server.home / "tokenworks.db") as store:
            query = "SELECT count(*) FROM requests WHERE outcome IN ('ok', 'bad_request')"
            (found,) = store.execute(query).fetchone()
        if found >= number or time.monotonic() > deadline:
            return int(found)
        time.sleep(0.1)


def test_nothing_is_found(run: Run) -> None:
    """Among others: answers are as described, methods that are not are 405, and all need their key."""
    assert run.code == 0, run.said


def test_no_request_is_too_much_for_the_server(run: Run) -> None:
    assert {answer: number for answer, number in run.answers.items() if answer[2] >= 500} == {}
    assert sum(run.answers.values()) > 2000


def test_every_operation_was_met_with_success(run: Run) -> None:
    met = {(method, path) for method, path, status in run.answers if status < 300}
    described = {
        (method.upper(), path) for path, operations in run.spec["paths"].items() for method in operations
    }
    assert described - met == set()


def test_every_status_is_a_described_one(run: Run) -> None:
    """But 405, of methods that are not described themselves."""
    for method, path, status in run.answers:
        operation = run.spec["paths"][path].get(method.lower())
        assert operation is None or str(status) in operation["responses"], (method, path, status)


def test_every_request_for_a_model_has_one_record(run: Run) -> None:
    asked = sum(number for each, number in run.answers.items() if is_recorded(each))
    assert run.records == asked + 1  # the one before


def test_the_key_that_asked_was_not_its_own_victim(run: Run) -> None:
    assert run.key_lives
    assert "Traceback" not in run.log
