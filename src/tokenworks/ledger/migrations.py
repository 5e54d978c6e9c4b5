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


def _bumps(table: str, version: str) -> tuple[str, ...]:
    """Whoever changes ``table``, with whatever tool, changes the version that workers watch."""
    return tuple(
        f"""CREATE TRIGGER {table}_after_{event.lower()} AFTER {event} ON {table} BEGIN
  UPDATE meta SET value = value + 1 WHERE name = '{version}';
END"""  # noqa: S608 (this package's own names)
        for event in ("INSERT", "UPDATE", "DELETE")
    )


_LIMITS_AND_PLANS = (
    # SQLite changes no CHECK of a table that is there, so keys move to another one.
    """CREATE TABLE new_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('member', 'manager', 'admin')),
  hint TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  revoked_us INTEGER,
  digest BLOB NOT NULL UNIQUE,
  updated_us INTEGER NOT NULL DEFAULT 0,
  expires_us INTEGER,
  disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
  team_id TEXT NOT NULL DEFAULT '',
  rules TEXT NOT NULL DEFAULT '',
  old_digest BLOB,
  old_until_us INTEGER
) STRICT, WITHOUT ROWID""",
    """INSERT INTO new_keys
  (id, name, role, hint, created_us, revoked_us, digest, updated_us, expires_us, disabled)
SELECT id, name, role, hint, created_us, revoked_us, digest, updated_us, expires_us, disabled FROM keys""",
    "DROP TABLE keys",  # and its triggers
    "ALTER TABLE new_keys RENAME TO keys",
    "CREATE UNIQUE INDEX keys_by_old_digest ON keys (old_digest) WHERE old_digest IS NOT NULL",
    *_bumps("keys", "keys_version"),
    "UPDATE meta SET value = value + 1 WHERE name = 'keys_version'",
    """CREATE TABLE limits (
  id TEXT PRIMARY KEY,
  scope TEXT NOT NULL CHECK (scope IN ('key', 'team', 'app', 'user', 'session')),
  subject TEXT NOT NULL,
  unit TEXT NOT NULL
    CHECK (unit IN ('usd', 'requests', 'input_tokens', 'output_tokens', 'tokens', 'concurrent')),
  amount INTEGER NOT NULL CHECK (amount >= 0),
  "window" TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  within TEXT NOT NULL DEFAULT '',
  timezone TEXT NOT NULL DEFAULT 'UTC',
  strict INTEGER NOT NULL DEFAULT 0 CHECK (strict IN (0, 1)),
  purpose TEXT NOT NULL DEFAULT '' CHECK (purpose IN ('', 'wallet'))
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE teams (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  rules TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE plans (
  name TEXT PRIMARY KEY,
  spec TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE subscriptions (
  scope TEXT NOT NULL CHECK (scope IN ('key', 'team')),
  subject TEXT NOT NULL,
  plan TEXT NOT NULL,
  since_us INTEGER NOT NULL,
  PRIMARY KEY (scope, subject)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE stops (
  session TEXT NOT NULL,
  key_id TEXT NOT NULL,
  time_us INTEGER NOT NULL,
  PRIMARY KEY (session, key_id)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE actions (
  key_id TEXT PRIMARY KEY,
  action TEXT NOT NULL CHECK (action IN ('slow', 'cheaper_model', 'metered', 'suspend')),
  reasons TEXT NOT NULL,
  since_us INTEGER NOT NULL,
  until_us INTEGER
) STRICT, WITHOUT ROWID""",
    "INSERT INTO meta VALUES ('plans_version', 1)",
    *(
        statement
        for table in ("limits", "teams", "plans", "subscriptions", "stops", "actions")
        for statement in _bumps(table, "plans_version")
    ),
    # Who changed what. Rows are added and never changed; the triggers refuse everything else.
    """CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  time_us INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT""",
    "CREATE INDEX audit_by_time ON audit (time_us)",
    "CREATE INDEX audit_by_target ON audit (target, time_us)",
    """CREATE TRIGGER audit_before_update BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit log can only be added to');
END""",
    """CREATE TRIGGER audit_before_delete BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit log can only be added to');
END""",
    # INSERT OR REPLACE deletes without asking the trigger above.
    """CREATE TRIGGER audit_before_insert BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq) BEGIN
  SELECT RAISE(ABORT, 'the audit log can only be added to');
END""",
    # What is counted against limits and plans; the number is made of limit and subject.
    """CREATE TABLE accounts (
  account INTEGER PRIMARY KEY,
  limit_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  span_s INTEGER NOT NULL,
  opened_us INTEGER NOT NULL,
  touched_us INTEGER NOT NULL,
  wanted_us INTEGER NOT NULL DEFAULT 0,
  wanted_by TEXT NOT NULL DEFAULT ''
) STRICT""",
    "CREATE INDEX accounts_by_limit ON accounts (limit_id, subject)",
    "CREATE INDEX accounts_by_wanted ON accounts (wanted_us) WHERE wanted_us > 0",
    """CREATE TABLE account_spent (
  account INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  PRIMARY KEY (account, bucket)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE leases (
  account INTEGER NOT NULL,
  holder TEXT NOT NULL,
  granted INTEGER NOT NULL,
  drained INTEGER NOT NULL,
  PRIMARY KEY (account, holder)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX leases_by_holder ON leases (holder)",
    # Requests that wait until their plan has room, in order of arrival. What may be long comes last.
    """CREATE TABLE queued (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  key_id TEXT NOT NULL,
  path TEXT NOT NULL,
  model TEXT NOT NULL,
  caller TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  not_before_us INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'cancelled', 'expired')),
  tries INTEGER NOT NULL,
  holder TEXT NOT NULL,
  finished_us INTEGER,
  status_code INTEGER NOT NULL,
  body BLOB NOT NULL,
  answer BLOB NOT NULL
) STRICT""",
    "CREATE INDEX queued_by_key ON queued (key_id, seq)",
    "CREATE INDEX queued_open ON queued (key_id) WHERE finished_us IS NULL",
    "CREATE INDEX queued_first ON queued (key_id, seq) WHERE status = 'queued'",
    "CREATE INDEX queued_due ON queued (not_before_us) WHERE status = 'queued'",
    "CREATE INDEX queued_age ON queued (created_us) WHERE status = 'queued'",
    "CREATE INDEX queued_running ON queued (key_id, holder) WHERE status = 'running'",
    "CREATE INDEX queued_finished ON queued (finished_us) WHERE finished_us IS NOT NULL",
)

_ROUTING = (
    # How requests for "auto" were decided. What is long comes last.
    """CREATE TABLE decisions (
  id TEXT NOT NULL,
  time_us INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  app TEXT NOT NULL,
  task TEXT NOT NULL,
  path TEXT NOT NULL,
  model TEXT NOT NULL,
  strong TEXT NOT NULL,
  propensity REAL NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  baseline_nano_usd INTEGER NOT NULL,
  detail BLOB NOT NULL,
  PRIMARY KEY (time_us, id)
) STRICT""",
    # What was seen of models at types of tasks, day by day.
    """CREATE TABLE learnt (
  day INTEGER NOT NULL,
  task TEXT NOT NULL,
  model TEXT NOT NULL,
  weight REAL NOT NULL,
  "right" REAL NOT NULL,
  calls INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (day, task, model)
) STRICT, WITHOUT ROWID""",
    # What people said of answers: one verdict a request, the last one.
    """CREATE TABLE feedback (
  id TEXT PRIMARY KEY,
  time_us INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  task TEXT NOT NULL,
  score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
  label TEXT NOT NULL,
  comment TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX feedback_by_time ON feedback (time_us)",
    # Prompts and answers of those who allowed it, until their time has come.
    """CREATE TABLE captures (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  time_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  task TEXT NOT NULL,
  right_share REAL NOT NULL,
  body BLOB NOT NULL
) STRICT""",
    "CREATE INDEX captures_by_time ON captures (time_us, seq)",
    "CREATE INDEX captures_by_expiry ON captures (expires_us)",
    "CREATE INDEX captures_by_key ON captures (key_id)",
)

_SUMS = (
    "requests, errors, uncached_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,"
    " reasoning_tokens, cost_nano_usd, latency_us, ttft_us"
)


def _with_private(table: str, keys: dict[str, str]) -> tuple[str, ...]:
    """Another table in place of ``table``: SQLite changes no primary key of one that is there."""
    names = ", ".join(keys)
    columns = ",\n  ".join(f"{name} {kind} NOT NULL" for name, kind in keys.items())
    measures = _MEASURES.replace("ttft_requests", "tool_calls INTEGER NOT NULL,\n  ttft_requests")
    return (
        f"""CREATE TABLE new_{table} (
  {columns},
  private INTEGER NOT NULL CHECK (private IN (0, 1)),
  {measures},
  PRIMARY KEY ({names}, private)
) STRICT, WITHOUT ROWID""",
        f"""INSERT INTO new_{table} ({names}, private, {_SUMS}, tool_calls, ttft_requests)
SELECT {names}, 0, {_SUMS}, 0, ttft_requests FROM {table}""",  # noqa: S608 (this package's own names)
        f"DROP TABLE {table}",
        f"ALTER TABLE new_{table} RENAME TO {table}",
    )


_DAY, _HOUR = {"day": "INTEGER"}, {"hour": "INTEGER"}
_MODEL, _PROVIDER = {"model": "TEXT"}, {"provider": "TEXT"}
_INPUT = "uncached_input_tokens + cache_read_tokens + cache_write_tokens"

_RANKINGS = (
    "ALTER TABLE request_shapes ADD COLUMN private INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE request_facts ADD COLUMN tool_calls INTEGER NOT NULL DEFAULT 0",
    "DROP VIEW requests",
    """CREATE VIEW requests AS SELECT
  f.id, f.time_us, s.key_id, s.app, f.session, f.user, s.kind, s.requested_model, s.model, s.provider,
  s.stream, s.status, s.outcome, s.finish_reason, s.attempts, s.reasons,
  f.uncached_input_tokens, f.cache_read_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens,
  s.price_id, f.cost_nano_usd, f.latency_us, f.ttft_us, s.estimated, f.tool_calls, s.private
FROM request_facts AS f JOIN request_shapes AS s ON s.shape_id = f.shape_id""",
    *_with_private("day_model", {**_DAY, **_MODEL}),
    *_with_private("hour_model_provider", {**_HOUR, **_MODEL, **_PROVIDER}),
    *_with_private("day_app_model", {**_DAY, "app": "TEXT", **_MODEL}),
    *_with_private("day_key_model", {**_DAY, "key_id": "TEXT", **_MODEL}),
    "CREATE INDEX day_key_model_by_key ON day_key_model (key_id, day)",
    f"""CREATE TABLE day_model_provider (
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  private INTEGER NOT NULL CHECK (private IN (0, 1)),
  {_MEASURES.replace("ttft_requests", "tool_calls INTEGER NOT NULL, ttft_requests")},
  PRIMARY KEY (day, model, provider, private)
) STRICT, WITHOUT ROWID""",
    """INSERT INTO day_model_provider SELECT hour / 24, model, provider, private,
  sum(requests), sum(errors), sum(uncached_input_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
  sum(output_tokens), sum(reasoning_tokens), sum(cost_nano_usd), sum(latency_us), sum(ttft_us),
  sum(tool_calls), sum(ttft_requests)
FROM hour_model_provider GROUP BY 1, 2, 3, 4""",
    # What kind of work it was, of a sample of requests.
    """CREATE TABLE labels (
  time_us INTEGER NOT NULL,
  id TEXT NOT NULL,
  task TEXT NOT NULL,
  language TEXT NOT NULL,
  code TEXT NOT NULL,
  weight INTEGER NOT NULL,
  PRIMARY KEY (time_us, id)
) STRICT, WITHOUT ROWID""",
    # See ``tallies``: which requests count in which of the next seven.
    """CREATE TABLE day_user_model (
  day INTEGER NOT NULL,
  user TEXT NOT NULL,
  model TEXT NOT NULL,
  private INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (day, user, model, private)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE day_context_model (
  day INTEGER NOT NULL,
  context TEXT NOT NULL,
  model TEXT NOT NULL,
  private INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (day, context, model, private)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE day_finish_model (
  day INTEGER NOT NULL,
  finish_reason TEXT NOT NULL,
  model TEXT NOT NULL,
  private INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  PRIMARY KEY (day, finish_reason, model, private)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE day_attempt (
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  PRIMARY KEY (day, model, provider)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE day_speed (
  day INTEGER NOT NULL,
  kind TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  bin INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  PRIMARY KEY (day, model, kind, provider, bin)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE day_label (
  day INTEGER NOT NULL,
  kind TEXT NOT NULL,
  label TEXT NOT NULL,
  model TEXT NOT NULL,
  private INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (day, kind, label, model, private)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE week_session (
  week INTEGER NOT NULL,
  mix INTEGER NOT NULL,
  session TEXT NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  private INTEGER NOT NULL,
  turns INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  first_us INTEGER NOT NULL,
  last_us INTEGER NOT NULL,
  PRIMARY KEY (week, mix, session, key_id, model, private)
) STRICT, WITHOUT ROWID""",
    # Week by week, for charts over a year; kind: 'model', 'provider', 'app' or 'task'.
    """CREATE TABLE week_share (
  week INTEGER NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  private INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (week, kind, name, private)
) STRICT, WITHOUT ROWID""",
    # What a plain sum tells of the requests that are there already.
    f"""INSERT INTO day_user_model SELECT time_us / 86400000000, user, model, 0,
  count(*), sum({_INPUT} + output_tokens), sum(cost_nano_usd)
FROM requests WHERE user <> '' GROUP BY 1, 2, 3""",  # noqa: S608
    f"""INSERT INTO day_context_model SELECT time_us / 86400000000,
  CASE WHEN {_INPUT} <= 1000 THEN '1K' WHEN {_INPUT} <= 4000 THEN '4K' WHEN {_INPUT} <= 16000 THEN '16K'
    WHEN {_INPUT} <= 64000 THEN '64K' WHEN {_INPUT} <= 128000 THEN '128K'
    WHEN {_INPUT} <= 256000 THEN '256K' WHEN {_INPUT} <= 1000000 THEN '1M' ELSE '>1M' END,
  model, 0, count(*), sum({_INPUT} + output_tokens), sum(cost_nano_usd)
FROM requests WHERE {_INPUT} > 0 GROUP BY 1, 2, 3""",  # noqa: S608
    f"""INSERT INTO day_finish_model SELECT time_us / 86400000000, finish_reason, model, 0,
  count(*), sum({_INPUT} + output_tokens), 0
FROM requests WHERE finish_reason <> '' GROUP BY 1, 2, 3""",  # noqa: S608
    """INSERT INTO week_share SELECT (day + 3) / 7, 'model', model, private, sum(requests),
  sum(uncached_input_tokens + cache_read_tokens + cache_write_tokens + output_tokens), sum(cost_nano_usd)
FROM day_model GROUP BY 1, 2, 3, 4""",
    """INSERT INTO week_share SELECT (day + 3) / 7, 'provider', provider, private, sum(requests),
  sum(uncached_input_tokens + cache_read_tokens + cache_write_tokens + output_tokens), sum(cost_nano_usd)
FROM day_model_provider GROUP BY 1, 2, 3, 4""",
    """INSERT INTO week_share SELECT (day + 3) / 7, 'app', app, private, sum(requests),
  sum(uncached_input_tokens + cache_read_tokens + cache_write_tokens + output_tokens), sum(cost_nano_usd)
FROM day_app_model GROUP BY 1, 2, 3, 4""",
    # What others have told of their traffic; a week's sum stands on its Monday, a month's on its first day.
    """CREATE TABLE outside (
  source TEXT NOT NULL,
  span TEXT NOT NULL CHECK (span IN ('day', 'week', 'month')),
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  filled INTEGER NOT NULL CHECK (filled IN (0, 1)),
  PRIMARY KEY (source, span, day, model)
) STRICT, WITHOUT ROWID""",
)

_BATCHES = (
    # Files in chunks, so that a long one is never held whole.
    """CREATE TABLE files (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  key_id TEXT NOT NULL,
  name TEXT NOT NULL,
  purpose TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  expires_us INTEGER,
  done INTEGER NOT NULL CHECK (done IN (0, 1))
) STRICT""",
    "CREATE INDEX files_by_key ON files (key_id, number)",
    "CREATE INDEX files_expiry ON files (expires_us) WHERE expires_us IS NOT NULL",
    "CREATE INDEX files_unfinished ON files (created_us) WHERE done = 0",
    """CREATE TABLE file_chunks (
  file_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (file_id, seq)
) STRICT""",
    """CREATE TABLE batches (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  key_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('validating', 'in_progress', 'finalizing', 'paused', 'completed',
    'failed', 'expired', 'cancelling', 'cancelled')),
  created_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,
  endpoint TEXT NOT NULL,
  model TEXT NOT NULL,
  input_files TEXT NOT NULL,
  output_file_id TEXT NOT NULL,
  error_file_id TEXT NOT NULL,
  options BLOB NOT NULL,
  metadata BLOB NOT NULL,
  started_us INTEGER,
  finished_us INTEGER,
  not_before_us INTEGER NOT NULL,
  not_after_us INTEGER,
  max_cost_nano_usd INTEGER,
  total INTEGER NOT NULL,
  done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  note TEXT NOT NULL,
  run INTEGER NOT NULL,
  actor TEXT NOT NULL
) STRICT""",
    "CREATE INDEX batches_by_key ON batches (key_id, number)",
    "CREATE INDEX batches_open ON batches (status, number) WHERE finished_us IS NULL",
    "CREATE INDEX batches_finished ON batches (finished_us) WHERE finished_us IS NOT NULL",
    # What all parts of one need.
    """CREATE TABLE batch_shared (batch_id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT""",
    """CREATE TABLE batch_parts (
  batch_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  id TEXT NOT NULL,
  lane TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('waiting', 'done', 'failed')),
  tries INTEGER NOT NULL,
  request BLOB NOT NULL,
  result BLOB NOT NULL,
  model TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  generation_id TEXT NOT NULL,
  PRIMARY KEY (batch_id, seq)
) STRICT""",
    "CREATE INDEX batch_parts_by_lane ON batch_parts (batch_id, lane, seq, status)",
    "CREATE INDEX batch_parts_by_status ON batch_parts (batch_id, status, seq)",
    # When each worker was last heard of.
    """CREATE TABLE batch_workers (worker TEXT PRIMARY KEY, seen_us INTEGER NOT NULL) STRICT""",
)

_ENERGY = (
    "ALTER TABLE request_shapes ADD COLUMN energy_basis TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE request_facts ADD COLUMN energy_mj INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE request_facts ADD COLUMN carbon_ug INTEGER NOT NULL DEFAULT 0",
    "DROP VIEW requests",
    """CREATE VIEW requests AS SELECT
  f.id, f.time_us, s.key_id, s.app, f.session, f.user, s.kind, s.requested_model, s.model, s.provider,
  s.stream, s.status, s.outcome, s.finish_reason, s.attempts, s.reasons,
  f.uncached_input_tokens, f.cache_read_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens,
  s.price_id, f.cost_nano_usd, f.latency_us, f.ttft_us, s.estimated, f.tool_calls, s.private,
  f.energy_mj, f.carbon_ug, s.energy_basis
FROM request_facts AS f JOIN request_shapes AS s ON s.shape_id = f.shape_id""",
    """CREATE TABLE day_energy (
  day INTEGER NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  basis TEXT NOT NULL,
  private INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  energy_mj INTEGER NOT NULL,
  carbon_ug INTEGER NOT NULL,
  PRIMARY KEY (day, model, provider, basis, private)
) STRICT, WITHOUT ROWID""",
)

# Step n brings the schema from version n to n + 1 (PRAGMA user_version).
STEPS: tuple[tuple[str, ...], ...] = (
    _FIRST,
    _KEYS_AND_STATES,
    _LIMITS_AND_PLANS,
    _ROUTING,
    _RANKINGS,
    _BATCHES,
    _ENERGY,
)
