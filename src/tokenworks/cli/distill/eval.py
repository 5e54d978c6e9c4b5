"""``tokenworks distill eval``: student, teacher and cascade on what was held out."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.distill.progress import progress
from tokenworks.cli.home import Place, placed, server_url
from tokenworks.cli.table import print_json, print_table, usd

if TYPE_CHECKING:
    import httpx

    from tokenworks.routing.study.compared import Agreement, Asked, Check, Reply

CASCADE = "auto"
ANSWER_S = 600.0  # for one whole answer


@click.command("eval")
@placed
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--student", metavar="MODEL", required=True, help="The model that was trained.")
@click.option("--teacher", metavar="MODEL", help="Ask this model again, too.")
@click.option("--cascade", is_flag=True, help=f"Ask '{CASCADE}', too.")
@click.option("--limit", type=click.IntRange(1), help="The first so many rows [all].")
@click.option(
    "--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="At the same time."
)
@click.option("--url", help="Base URL of the works [the one that runs on the home].")
@click.option(
    "--key", envvar="TOKENWORKS_KEY", help="API key [TOKENWORKS_KEY]; models that run here need none."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(
    place: Place,
    folder: Path,
    student: str,
    teacher: str | None,
    cascade: bool,
    limit: int | None,
    parallel: int,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Ask models the questions of DIR/test.jsonl and compare their answers with those that were captured.

    DIR is what `tokenworks distill export` wrote. The requests are billed like any others. Intervals are of
    95 %.

    \b
    Examples:
      tokenworks distill eval data --student local/student
      tokenworks distill eval data --student local/student --teacher acme/large --cascade --limit 200
    """
    import httpx

    from tokenworks.errors import UpstreamError
    from tokenworks.routing.study.compared import compare

    rows, bodies = _held_out(folder / "test.jsonl", limit)
    who = dict.fromkeys((student, *([teacher] if teacher else []), *([CASCADE] if cascade else [])))
    base = url or server_url(place.existing().home)
    headers = {"x-tokenworks-capture": "deny"}  # what is held out must not come into the next data set
    if key:
        headers["authorization"] = f"Bearer {key}"
    timeout = httpx.Timeout(10.0, read=ANSWER_S)
    limits = httpx.Limits(max_connections=parallel)
    with (
        httpx.Client(
            base_url=base, headers=headers, timeout=timeout, limits=limits, trust_env=False
        ) as client,
        progress("answers", len(rows) * len(who)) as told,
    ):
        replies = _ask(client, list(who), bodies, parallel, told)
    for model, given in replies.items():
        if all(reply.error for reply in given):
            raise UpstreamError(f"{model} answered nothing: {given[0].error}")
    agreement, judge = _agreement()
    report = compare(rows, replies, agreement, _check())
    report |= {"agreement_by": judge, "errors": _errors(replies)}
    if as_json:
        print_json(report)
    else:
        _show(report)


def _held_out(file: Path, limit: int | None) -> tuple[list[Asked], list[dict[str, Any]]]:
    """The rows, and the requests that ask them. Raises ``ConfigError``."""
    from tokenworks.errors import ConfigError
    from tokenworks.routing.study.chat_rows import asked_of, tools_of
    from tokenworks.routing.study.compared import Asked, said

    if not file.is_file():
        raise ConfigError(
            f"{file} is not there; write it with: tokenworks distill export --out {file.parent}"
        )
    rows: list[Asked] = []
    bodies: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()[:limit], start=1):
        try:
            row = json.loads(line)
            messages, answer = asked_of(row)
            tools = tools_of(row)
        except ValueError as error:
            raise ConfigError(f"{file}:{number}: {error}") from error
        prompt = next((said(each) for each in reversed(messages) if each["role"] == "user"), "")
        rows.append(Asked(str(row.get("task") or "unknown"), prompt, said(answer)))
        bodies.append({"messages": messages} | ({"tools": tools} if tools else {}))
    if not rows:
        raise ConfigError(f"{file} is empty; export more rows, or with a lower --split")
    return rows, bodies


def _ask(
    client: httpx.Client,
    models: Sequence[str],
    bodies: Sequence[dict[str, Any]],
    parallel: int,
    told: Callable[[int], None],
) -> dict[str, list[Reply]]:
    """Every model's replies, in the order of ``bodies``."""
    from tokenworks.routing.study.compared import Reply

    replies = {model: [Reply()] * len(bodies) for model in models}
    with ThreadPoolExecutor(parallel) as pool:
        tasks = {
            pool.submit(_reply, client, {"model": model, **body}): (model, place)
            for place, body in enumerate(bodies)
            for model in models
        }
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                model, place = tasks[task]
                replies[model][place] = task.result()
                told(done)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return replies


def _reply(client: httpx.Client, body: dict[str, Any]) -> Reply:
    import httpx

    from tokenworks.routing.study.compared import Reply, said

    started = time.monotonic()
    try:
        response = client.post("/v1/chat/completions", json=body)
        found = response.json()
    except (httpx.HTTPError, ValueError) as error:
        return Reply(error=f"{type(error).__name__}: {error}; is the server running?")
    took = time.monotonic() - started
    if response.status_code != 200:
        told = found.get("error") if isinstance(found, dict) else None
        return Reply(error=str(told.get("message") if isinstance(told, dict) else found)[:300])
    choice = found["choices"][0]
    usage = found.get("usage") or {}
    message = choice.get("message") or {}
    return Reply(
        text=said(message),
        finish=choice.get("finish_reason") or "",
        tool_calls=len(message.get("tool_calls") or ()),
        input_tokens=usage.get("prompt_tokens") or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        cost_usd=float(usage.get("cost") or 0.0),
        latency_s=took,
        model=found.get("model") or "",
    )


def _agreement() -> tuple[Agreement, str]:
    """The router's own judge of two answers; where that can't tell, how many words they share."""
    from tokenworks.routing.study.compared import alike

    try:
        agree = importlib.import_module("tokenworks.routing.agreement").agree
    except (ImportError, AttributeError):
        return alike, "words"

    def judged(task: str, reference: str, answer: str) -> float:
        found = agree(reference, answer, task)
        return alike(task, reference, answer) if found is None else float(found)

    return judged, "routing.agreement"


def _check() -> Check:
    """The router's own checks, all of them."""
    from tokenworks.routing import checks

    def passed(task: str, prompt: str, reply: Reply) -> bool:
        text = "" if reply.tool_calls else reply.text
        answer = checks.Answer(text, reply.finish or "stop", reply.tool_calls)
        return all(each.ok for each in checks.run(answer, checks.Expected(prompt=prompt, task=task)))

    return passed


def _errors(replies: dict[str, list[Reply]]) -> dict[str, str]:
    """The first error of each model that had any."""
    return {
        model: next(reply.error for reply in given if reply.error)
        for model, given in replies.items()
        if any(reply.error for reply in given)
    }


def _show(report: dict[str, Any]) -> None:
    rows = [
        (
            task,
            model,
            each["rows"],
            each["failed"],
            _share(each["agreement"]),
            _share(each["same"]),
            _share(each["passed"]) if each["passed"] else "",
            usd(each["cost_usd"]["mean"] * 1000),
            each["output_tokens"],
            f"{each['latency_s']['p50']:.2f} s",
        )
        for task in next(iter(report["models"].values()))
        for model, found in report["models"].items()
        for each in [found[task]]
    ]
    columns = (
        *("task", "model", "rows", "failed", "agrees with the reference", "same text", "checks passed"),
        *("per 1,000", "output tokens", "p50"),
    )
    print_table(columns, rows, empty="")
    for each in report["differences"]:
        low, high = each["interval"]
        click.echo(
            f"{each['of']} against {each['to']}: {each['agreement'] * 100:+.1f} points of agreement"
            f" ({low * 100:+.1f} to {high * 100:+.1f})"
        )
    for model, error in report["errors"].items():
        click.echo(f"{model} failed at times: {error}", err=True)


def _share(told: dict[str, Any]) -> str:
    low, high = told["interval"]
    return f"{told['value'] * 100:.1f} % ({low * 100:.1f}-{high * 100:.1f})"
