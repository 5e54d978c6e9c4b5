"""The agent's process: started in a temporary folder's company, waited for, cleaned up after."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import click

from tokenworks.cli.agents.agent import Agent, Launch

# From the keyboard these reach the agent by themselves, since it is in our process group: a second one
# would be a second Ctrl-C. The others are sent to us alone, as a rule.
TO_WAIT_OUT = (signal.SIGINT, signal.SIGQUIT)
TO_PASS_ON = (signal.SIGTERM, signal.SIGHUP)
Handler = Callable[[int, FrameType | None], None]
PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def program(agent: Agent) -> str:
    """The full path of the agent's program. Raises ``NotFound`` with the command that installs it."""
    from tokenworks.errors import NotFound

    found = shutil.which(agent.name)
    if found is None:
        raise NotFound(
            f"there is no program '{agent.name}' in PATH; install it with: npm install -g {agent.package}"
        )
    return found


def environment(launch: Launch, outer: Mapping[str, str], host: str) -> dict[str, str]:
    """``outer`` with what ``launch`` changes; no proxy stands between the agent and ``host``."""
    env = {name: value for name, value in outer.items() if name not in launch.unset}
    env["PWD"] = str(Path.cwd())  # files may refer to it, and not every parent sets it
    if any(env.get(name) for name in PROXIES):
        for name in ("NO_PROXY", "no_proxy"):
            env[name] = ",".join(filter(None, (env.get(name), host)))
    return {**env, **launch.env}


def run(path: str, launch: Launch, outer: Mapping[str, str], host: str) -> int:
    """Start the program at ``path``, wait for its end and remove its folder.

    Returns its exit status, 128 and the signal's number where a signal ended it. Raises ``OSError``
    where it can't be started.
    """
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    with _handling(pass_on), _folder(launch.files) as folder:
        placed = launch.inside(str(folder))
        child = subprocess.Popen([path, *placed.command[1:]], env=environment(placed, outer, host))
        for number in early:
            child.send_signal(number)
        status = child.wait()
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _handling(pass_on: Handler) -> Iterator[None]:
    """Live through the signals that end the agent. What was ignored before stays ignored.

    Handlers, not SIG_IGN: the agent would inherit that.
    """
    wanted = {**dict.fromkeys(TO_WAIT_OUT, _wait_out), **dict.fromkeys(TO_PASS_ON, pass_on)}
    with contextlib.ExitStack() as stack:
        for number, handler in wanted.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                stack.callback(signal.signal, number, signal.signal(number, handler))
        yield


def _wait_out(number: int, _: FrameType | None) -> None:
    """The agent decides whether it ends."""


@contextlib.contextmanager
def _folder(files: Mapping[str, str]) -> Iterator[Path]:
    """A folder with ``files`` that only this user can read, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tokenworks-"))  # mode 0700
    try:
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(text, "utf-8")
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except OSError as error:  # the agent's status still counts; something of it may live on in there
            click.secho(f"tokenworks: {folder} could not be removed: {error}", err=True, fg="red")
