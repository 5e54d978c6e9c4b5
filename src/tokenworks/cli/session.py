"""``tokenworks session``: the kill switch."""

from __future__ import annotations

import time

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.who import actor, find_key


@click.group()
def session() -> None:
    """Stop sessions that run away, and let them go on."""


@session.command()
@placed
@click.argument("session_id", metavar="ID")
@click.option("--key", metavar="KEY", help="Only of the key with this id or name [whoever's it is].")
def stop(place: Place, session_id: str, key: str | None) -> None:
    """Refuse what comes for the session with this ID; a running server does within a second.

    The answer is a 400, which no client sends again. Requests under way end by themselves.

    \b
    Examples:
      tokenworks session stop 7f3c2a
      tokenworks session stop 7f3c2a --key k_3f9a
    """
    from tokenworks.ledger.limit_rows import StopRow

    if not session_id.strip() or not session_id.isprintable():
        raise click.BadParameter("a session id has printable characters only", param_hint="ID")
    with opened_store(place.existing()) as store:
        key_id = "" if key is None else find_key(store, key).id
        store.stop_session(StopRow(session_id, key_id, time.time_ns() // 1000), actor=actor())
    click.echo(f"stopped {session_id}")


@session.command()
@placed
@click.argument("session_id", metavar="ID")
@click.option("--key", metavar="KEY", help="As it was stopped with.")
def resume(place: Place, session_id: str, key: str | None) -> None:
    """Let the stopped session with this ID go on.

    \b
    Example:
      tokenworks session resume 7f3c2a
    """
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        key_id = "" if key is None else find_key(store, key).id
        if not store.resume_session(session_id, key_id, actor=actor()):
            others = [each.key_id for each in store.stops() if each.session == session_id and each.key_id]
            fix = f"give --key {others[0]}" if others and key is None else "tokenworks session list shows all"
            raise NotFound(f"session {session_id} is not stopped so; {fix}")
    click.echo(f"resumed {session_id}")


@session.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_sessions(place: Place, as_json: bool) -> None:
    """Show the sessions that were stopped by hand.

    \b
    Examples:
      tokenworks session list
      tokenworks session list --json
    """
    from tokenworks.plans.standing import moment

    with opened_store(place.existing()) as store:
        rows = [
            {"session": each.session, "key": each.key_id or None, "stopped": moment(each.time_us)}
            for each in store.stops()
        ]
    if as_json:
        print_json({"sessions": rows})
        return
    columns = ("session", "key", "stopped")
    print_table(columns, [[row[c] for c in columns] for row in rows], empty="no session is stopped")
