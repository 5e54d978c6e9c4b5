"""The ledger in a PostgreSQL database, for many gateways together. Needs psycopg."""

from __future__ import annotations

from tokenworks.ledger.postgres.audit import PostgresAudit
from tokenworks.ledger.postgres.batches import PostgresBatches
from tokenworks.ledger.postgres.captures import PostgresCaptures
from tokenworks.ledger.postgres.feedback import PostgresFeedback
from tokenworks.ledger.postgres.keys import PostgresKeys
from tokenworks.ledger.postgres.leases import PostgresLeases
from tokenworks.ledger.postgres.limits import PostgresLimits
from tokenworks.ledger.postgres.queue import PostgresQueue
from tokenworks.ledger.postgres.rankings import PostgresRankings
from tokenworks.ledger.postgres.requests import PostgresRequests
from tokenworks.ledger.postgres.routing import PostgresRouting
from tokenworks.ledger.postgres.states import PostgresStates
from tokenworks.ledger.postgres.vault import PostgresVault


class PostgresStore(
    PostgresRequests,
    PostgresKeys,
    PostgresVault,
    PostgresStates,
    PostgresLimits,
    PostgresLeases,
    PostgresQueue,
    PostgresAudit,
    PostgresRouting,
    PostgresCaptures,
    PostgresFeedback,
    PostgresRankings,
    PostgresBatches,
):
    """See ``store.Store``. May be used from any thread."""
