"""Where a PostgreSQL store is: the URL taken apart, and what may be told of it."""

from __future__ import annotations

import re
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from tokenworks.errors import ConfigError

# Of the connection. A server that does not answer is noticed within about ten seconds.
_CONNECTION: dict[str, Any] = {
    "application_name": "tokenworks",
    "client_encoding": "utf8",
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms
}
# Of the session, times in ms.
_SESSION = {
    "statement_timeout": 30_000,
    "lock_timeout": 10_000,
    "idle_in_transaction_session_timeout": 15_000,  # a machine that vanishes keeps its locks no longer
    "default_transaction_isolation": "read\\ committed",  # what is locked first is read as it is after that
    "synchronous_commit": "on",  # journals are deleted once their records are committed
}
_SECRETS = ("password", "sslpassword")
_CUT = re.compile(r"[@/?#]")


class Address:
    """Parameters for ``psycopg.connect`` and a name without user and password. Its repr tells no secret."""

    def __init__(self, url: str) -> None:
        """Raises ``ConfigError``, which repeats nothing of the URL, for one that can't be read."""
        try:
            given: dict[str, Any] = dict(conninfo_to_dict(url))
        except ProgrammingError:
            raise ConfigError(_UNREADABLE) from None
        host, port, name = (str(given.get(part) or "") for part in ("host", "port", "dbname"))
        # A password with one of "@:/?#" in it that is not written as %XX ends up in one of these.
        odd = "@" in host or _CUT.search(name) or not all(p.isdigit() for p in port.split(",") if p)
        if odd:
            raise ConfigError(_UNREADABLE)
        options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        self.parameters: dict[str, Any] = _CONNECTION | given
        self.parameters["options"] = f"{options} {given.get('options') or ''}".rstrip()
        self.label = f"postgresql://{host}{':' if port else ''}{port}/{name}"
        # The longest first, in case one is a part of another.
        self._secrets = sorted(
            (str(given[part]) for part in _SECRETS if given.get(part)), key=len, reverse=True
        )

    def __repr__(self) -> str:
        return f"Address({self.label!r})"

    def told(self, text: str) -> str:
        """``text`` in one line, without what is secret."""
        for secret in self._secrets:
            if len(secret) > 2:  # a shorter one can't be told from the words around it
                text = text.replace(secret, "...")
        return " ".join(text.split())


_UNREADABLE = (
    "ledger.store: this is no PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, in user"
    " and password %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %, and after a ? only"
    " parameters that PostgreSQL knows"
)
