"""The SQLite schema, step by step. A step that was released is never edited; a change is a new step."""

from __future__ import annotations

_MEASURES = """
  requests INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  uncached_input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  latency_us INTEGER NOT NULL,
  ttft_us INTEGER NOT NULL,
  ttft_requests INTEGER NOT NULL
"""

_FIRST = (
    """CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    """INSERT INTO meta VALUES ('keys_version', 1)""",
    # What requests have in common, once; digest = SHA-256 of all columns after it.
    """CREATE TABLE request_shapes (
  shape_id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  key_id TEXT NOT NULL,
  app TEXT NOT NULL,
  kind TEXT NOT NULL,
  requested_model TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  stream INTEGER NOT NULL,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  finish_reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  reasons TEXT NOT NULL,
  price_id TEXT NOT NULL,
  estimated INTEGER NOT NULL
) STRICT""",
    # In order of time, so that rows are appended and a span of time is one stretch. No other index:
    # an id tells its second.
    """CREATE TABLE request_facts (
  time_us INTEGER NOT NULL,
  id TEXT NOT NULL,
  session TEXT NOT NULL,
  user TEXT NOT NULL,
  uncached_input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  latency_us INTEGER NOT NULL,
  ttft_us INTEGER NOT NULL,
  shape_id INTEGER NOT NULL,
  PRIMARY KEY (time_us, id)
) STRICT, WITHOUT ROWID""",
    # One row a request with every field of a record, for people and for queries that are not hot.
    """CREATE VIEW requests AS SELECT
  f.id, f.time_us, s.key_id, s.app, f.session, f.user, s.kind, s.requested_model, s.model, s.provider,
  s.stream, s.status, s.outcome, s.finish_reason, s.attempts, s.reasons,
  f.uncached_input_tokens, f.cache_read_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens,
  s.price_id, f.cost_nano_usd, f.latency_us, f.ttft_us, s.estimated
FROM request_facts AS f JOIN request_shapes AS s ON s.shape_id = f.shape_id""",
    f"""CREATE TABLE day_model (
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  {_MEASURES},
  PRIMARY KEY (day, model)
) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE hour_model_provider (
  hour INTEGER NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  {_MEASURES},
  PRIMARY KEY (hour, model, provider)
) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE day_app_model (
  day INTEGER NOT NULL,
  app TEXT NOT NULL,
  model TEXT NOT NULL,
  {_MEASURES},
  PRIMARY KEY (day, app, model)
) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE day_key_model (
  day INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  {_MEASURES},
  PRIMARY KEY (day, key_id, model)
) STRICT, WITHOUT ROWID""",
    # How far each journal file has been read; committed together with what was read.
    """CREATE TABLE journals (
  journal TEXT PRIMARY KEY,
  byte_offset INTEGER NOT NULL
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('member', 'admin')),
  hint TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  revoked_us INTEGER,
  digest BLOB NOT NULL UNIQUE
) STRICT, WITHOUT ROWID""",
    # Whoever changes a key, with whatever tool, changes the version that key books watch.
    """CREATE TRIGGER keys_after_insert AFTER INSERT ON keys BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'keys_version';
END""",
    """CREATE TRIGGER keys_after_update AFTER UPDATE ON keys BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'keys_version';
END""",
    """CREATE TRIGGER keys_after_delete AFTER DELETE ON keys BEGIN
  UPDATE meta SET value = value + 1 WHERE name = 'keys_version';
END""",
)

_KEYS_AND_STATES = (
    "ALTER TABLE keys ADD COLUMN updated_us INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE keys ADD COLUMN expires_us INTEGER",
    "ALTER TABLE keys ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))",
    "UPDATE keys SET updated_us = coalesce(revoked_us, created_us)",
    # One key's sums without reading everybody's.
    "CREATE INDEX day_key_model_by_key ON day_key_model (key_id, day)",
    # Keys of providers; what is in ciphertext only the vault's master key tells.
    """CREATE TABLE provider_keys (
  id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  name TEXT NOT NULL,
  weight REAL NOT NULL CHECK (weight > 0),
  ciphertext BLOB NOT NULL,
  hint TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
  UNIQUE (provider, name)
) STRICT""",
    # What is kept of one request for a later one. Bodies are large, so rows are found by rowid.
    """CREATE TABLE states (
  scope TEXT NOT NULL,
  id TEXT NOT NULL,
  expires_us INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (scope, id)
) STRICT""",
    "CREATE INDEX states_by_expiry ON states (expires_us)",
)

# Step n brings the schema from version n to n + 1 (PRAGMA user_version).
STEPS: tuple[tuple[str, ...], ...] = (_FIRST, _KEYS_AND_STATES)
