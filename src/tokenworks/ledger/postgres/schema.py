"""The PostgreSQL schema, step by step. A step that was released is never edited; a change is a new step.

The tables are those of SQLite. Text is compared byte by byte (COLLATE "C"), so that everything comes in the
same order from both, whatever the database's own language is.
"""

from __future__ import annotations

_TEXT = 'text COLLATE "C" NOT NULL'

_MEASURES = """
  requests bigint NOT NULL,
  errors bigint NOT NULL,
  uncached_input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  cost_nano_usd bigint NOT NULL,
  latency_us bigint NOT NULL,
  ttft_us bigint NOT NULL,
  ttft_requests bigint NOT NULL
"""


def _bumps(table: str, version: str) -> str:
    """Whoever changes ``table``, with whatever tool, changes the version that workers watch."""
    return f"""CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION bump_version('{version}')"""


_LEDGER = (
    """CREATE TABLE meta (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL)""",
    # The function finds the table wherever it was made, whatever the search_path of who changes a row.
    """CREATE FUNCTION bump_version() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE meta SET value = value + 1 WHERE name = TG_ARGV[0];
  RETURN NULL;
END $$""",
    # What requests have in common, once; digest = SHA-256 of all columns after it.
    f"""CREATE TABLE request_shapes (
  shape_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest bytea NOT NULL UNIQUE,
  key_id {_TEXT},
  app {_TEXT},
  kind {_TEXT},
  requested_model {_TEXT},
  model {_TEXT},
  provider {_TEXT},
  stream boolean NOT NULL,
  status bigint NOT NULL,
  outcome {_TEXT},
  finish_reason {_TEXT},
  attempts bigint NOT NULL,
  reasons {_TEXT},
  price_id {_TEXT},
  estimated boolean NOT NULL
)""",
    # Rows come about in order of time. No other index: an id tells its second.
    f"""CREATE TABLE request_facts (
  time_us bigint NOT NULL,
  id {_TEXT},
  session {_TEXT},
  "user" {_TEXT},
  uncached_input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  cost_nano_usd bigint NOT NULL,
  latency_us bigint NOT NULL,
  ttft_us bigint NOT NULL,
  shape_id bigint NOT NULL,
  PRIMARY KEY (time_us, id)
)""",
    # One row a request with every field of a record, for people and for queries that are not hot.
    """CREATE VIEW requests AS SELECT
  f.id, f.time_us, s.key_id, s.app, f.session, f."user", s.kind, s.requested_model, s.model, s.provider,
  s.stream, s.status, s.outcome, s.finish_reason, s.attempts, s.reasons,
  f.uncached_input_tokens, f.cache_read_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens,
  s.price_id, f.cost_nano_usd, f.latency_us, f.ttft_us, s.estimated
FROM request_facts AS f JOIN request_shapes AS s ON s.shape_id = f.shape_id""",
    f"""CREATE TABLE day_model (
  day bigint NOT NULL,
  model {_TEXT},
  {_MEASURES},
  PRIMARY KEY (day, model)
)""",
    f"""CREATE TABLE hour_model_provider (
  hour bigint NOT NULL,
  model {_TEXT},
  provider {_TEXT},
  {_MEASURES},
  PRIMARY KEY (hour, model, provider)
)""",
    f"""CREATE TABLE day_app_model (
  day bigint NOT NULL,
  app {_TEXT},
  model {_TEXT},
  {_MEASURES},
  PRIMARY KEY (day, app, model)
)""",
    f"""CREATE TABLE day_key_model (
  day bigint NOT NULL,
  key_id {_TEXT},
  model {_TEXT},
  {_MEASURES},
  PRIMARY KEY (day, key_id, model)
)""",
    # One key's sums without reading everybody's.
    "CREATE INDEX day_key_model_by_key ON day_key_model (key_id, day)",
    # How far each journal file has been read; committed together with what was read.
    """CREATE TABLE journals (journal text COLLATE "C" PRIMARY KEY, byte_offset bigint NOT NULL)""",
)

_KEYS = (
    f"""CREATE TABLE keys (
  id text COLLATE "C" PRIMARY KEY,
  name {_TEXT},
  role {_TEXT} CHECK (role IN ('member', 'manager', 'admin')),
  hint {_TEXT},
  created_us bigint NOT NULL,
  revoked_us bigint,
  digest bytea NOT NULL UNIQUE,
  updated_us bigint NOT NULL DEFAULT 0,
  expires_us bigint,
  disabled boolean NOT NULL DEFAULT false,
  team_id {_TEXT} DEFAULT '',
  rules {_TEXT} DEFAULT '',
  old_digest bytea UNIQUE,
  old_until_us bigint
)""",
    "INSERT INTO meta VALUES ('keys_version', 1)",
    _bumps("keys", "keys_version"),
    # Keys of providers; what is in ciphertext only the vault's master key tells.
    f"""CREATE TABLE provider_keys (
  id text COLLATE "C" PRIMARY KEY,
  provider {_TEXT},
  name {_TEXT},
  weight double precision NOT NULL CHECK (weight > 0),
  ciphertext bytea NOT NULL,
  hint {_TEXT},
  created_us bigint NOT NULL,
  disabled boolean NOT NULL DEFAULT false,
  UNIQUE (provider, name)
)""",
    # What is kept of one request for a later one.
    f"""CREATE TABLE states (
  scope {_TEXT},
  id {_TEXT},
  expires_us bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (scope, id)
)""",
    "CREATE INDEX states_by_expiry ON states (expires_us)",
)

_LIMITS = (
    f"""CREATE TABLE limits (
  id text COLLATE "C" PRIMARY KEY,
  scope {_TEXT} CHECK (scope IN ('key', 'team', 'app', 'user', 'session')),
  subject {_TEXT},
  unit {_TEXT} CHECK (unit IN ('usd', 'requests', 'input_tokens', 'output_tokens', 'tokens', 'concurrent')),
  amount bigint NOT NULL CHECK (amount >= 0),
  "window" {_TEXT},
  created_us bigint NOT NULL,
  updated_us bigint NOT NULL,
  within {_TEXT} DEFAULT '',
  timezone {_TEXT} DEFAULT 'UTC',
  strict boolean NOT NULL DEFAULT false,
  purpose {_TEXT} DEFAULT '' CHECK (purpose IN ('', 'wallet'))
)""",
    f"""CREATE TABLE teams (
  id text COLLATE "C" PRIMARY KEY,
  name {_TEXT} UNIQUE,
  rules {_TEXT},
  created_us bigint NOT NULL,
  updated_us bigint NOT NULL
)""",
    f"""CREATE TABLE plans (
  name text COLLATE "C" PRIMARY KEY,
  spec {_TEXT},
  created_us bigint NOT NULL,
  updated_us bigint NOT NULL
)""",
    f"""CREATE TABLE subscriptions (
  scope {_TEXT} CHECK (scope IN ('key', 'team')),
  subject {_TEXT},
  plan {_TEXT},
  since_us bigint NOT NULL,
  PRIMARY KEY (scope, subject)
)""",
    f"""CREATE TABLE stops (
  session {_TEXT},
  key_id {_TEXT},
  time_us bigint NOT NULL,
  PRIMARY KEY (session, key_id)
)""",
    f"""CREATE TABLE actions (
  key_id text COLLATE "C" PRIMARY KEY,
  action {_TEXT} CHECK (action IN ('slow', 'cheaper_model', 'metered', 'suspend')),
  reasons {_TEXT},
  since_us bigint NOT NULL,
  until_us bigint
)""",
    "INSERT INTO meta VALUES ('plans_version', 1)",
    *(
        _bumps(table, "plans_version")
        for table in ("limits", "teams", "plans", "subscriptions", "stops", "actions")
    ),
    # Who changed what. Rows are added and never changed; the trigger refuses everything else.
    f"""CREATE TABLE audit (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  time_us bigint NOT NULL,
  actor {_TEXT},
  action {_TEXT},
  target {_TEXT},
  detail {_TEXT}
)""",
    "CREATE INDEX audit_by_time ON audit (time_us)",
    # By its hash, since a target may be a long name of somebody else's.
    "CREATE INDEX audit_by_target ON audit USING hash (target)",
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log can only be added to';
END $$""",
    """CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
)

_ACCOUNTS = (
    # What is counted against limits and plans; the number is made of limit and subject.
    f"""CREATE TABLE accounts (
  account bigint PRIMARY KEY,
  limit_id {_TEXT},
  subject {_TEXT},
  span_s bigint NOT NULL,
  opened_us bigint NOT NULL,
  touched_us bigint NOT NULL,
  wanted_us bigint NOT NULL DEFAULT 0,
  wanted_by {_TEXT} DEFAULT ''
)""",
    "CREATE INDEX accounts_by_limit ON accounts (limit_id)",
    "CREATE INDEX accounts_by_wanted ON accounts (wanted_us) WHERE wanted_us > 0",
    """CREATE TABLE account_spent (
  account bigint NOT NULL,
  bucket bigint NOT NULL,
  spent bigint NOT NULL,
  PRIMARY KEY (account, bucket)
)""",
    f"""CREATE TABLE leases (
  account bigint NOT NULL,
  holder {_TEXT},
  granted bigint NOT NULL,
  drained bigint NOT NULL,
  PRIMARY KEY (account, holder)
)""",
    "CREATE INDEX leases_by_holder ON leases (holder)",
)

_QUEUE = (
    # Requests that wait until their plan has room, in order of arrival.
    f"""CREATE TABLE queued (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id {_TEXT} UNIQUE,
  key_id {_TEXT},
  path {_TEXT},
  model {_TEXT},
  caller {_TEXT},
  created_us bigint NOT NULL,
  not_before_us bigint NOT NULL,
  status {_TEXT} CHECK (status IN ('queued', 'running', 'done', 'cancelled', 'expired')),
  tries bigint NOT NULL,
  holder {_TEXT},
  finished_us bigint,
  status_code bigint NOT NULL,
  body bytea NOT NULL,
  answer bytea NOT NULL
)""",
    "CREATE INDEX queued_by_key ON queued (key_id, seq)",
    "CREATE INDEX queued_open ON queued (key_id) WHERE finished_us IS NULL",
    "CREATE INDEX queued_first ON queued (key_id, seq) WHERE status = 'queued'",
    "CREATE INDEX queued_due ON queued (not_before_us) WHERE status = 'queued'",
    "CREATE INDEX queued_age ON queued (created_us) WHERE status = 'queued'",
    "CREATE INDEX queued_running ON queued (key_id, holder) WHERE status = 'running'",
    "CREATE INDEX queued_finished ON queued (finished_us) WHERE finished_us IS NOT NULL",
)

_ROUTING = (
    # How requests for "auto" were decided.
    f"""CREATE TABLE decisions (
  id {_TEXT},
  time_us bigint NOT NULL,
  key_id {_TEXT},
  app {_TEXT},
  task {_TEXT},
  path {_TEXT},
  model {_TEXT},
  strong {_TEXT},
  propensity double precision NOT NULL,
  cost_nano_usd bigint NOT NULL,
  baseline_nano_usd bigint NOT NULL,
  detail bytea NOT NULL,
  PRIMARY KEY (time_us, id)
)""",
    # What was seen of models at types of tasks, day by day.
    f"""CREATE TABLE learnt (
  day bigint NOT NULL,
  task {_TEXT},
  model {_TEXT},
  weight double precision NOT NULL,
  "right" double precision NOT NULL,
  calls bigint NOT NULL,
  input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  cost_nano_usd bigint NOT NULL,
  PRIMARY KEY (day, task, model)
)""",
    # What people said of answers: one verdict a request, the last one.
    f"""CREATE TABLE feedback (
  id text COLLATE "C" PRIMARY KEY,
  time_us bigint NOT NULL,
  key_id {_TEXT},
  model {_TEXT},
  task {_TEXT},
  score double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
  label {_TEXT},
  comment {_TEXT}
)""",
    "CREATE INDEX feedback_by_time ON feedback (time_us)",
    # Prompts and answers of those who allowed it, until their time has come.
    f"""CREATE TABLE captures (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id {_TEXT} UNIQUE,
  time_us bigint NOT NULL,
  expires_us bigint NOT NULL,
  key_id {_TEXT},
  model {_TEXT},
  task {_TEXT},
  right_share double precision NOT NULL,
  body bytea NOT NULL
)""",
    "CREATE INDEX captures_by_time ON captures (time_us, seq)",
    "CREATE INDEX captures_by_expiry ON captures (expires_us)",
    "CREATE INDEX captures_by_key ON captures (key_id)",
)

_SUMS = (
    "requests, errors, uncached_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,"
    " reasoning_tokens, cost_nano_usd, latency_us, ttft_us"
)


def _with_private(table: str, keys: dict[str, str]) -> tuple[str, ...]:
    """Another table in place of ``table``, with its columns in the order that the program has them in."""
    names = ", ".join(keys)
    columns = ",\n  ".join(f"{name} {kind}" for name, kind in keys.items())
    return (
        f"ALTER TABLE {table} RENAME TO old_{table}",
        f"ALTER INDEX {table}_pkey RENAME TO old_{table}_pkey",
        f"""CREATE TABLE {table} (
  {columns},
  private boolean NOT NULL,
  {_MEASURES.replace("ttft_requests", "tool_calls bigint NOT NULL, ttft_requests")},
  PRIMARY KEY ({names}, private)
)""",
        f"""INSERT INTO {table} ({names}, private, {_SUMS}, tool_calls, ttft_requests)
SELECT {names}, false, {_SUMS}, 0, ttft_requests FROM old_{table}""",  # noqa: S608 (this package's own names)
        f"DROP TABLE old_{table}",
    )


_NUMBER = "bigint NOT NULL"
_DAY, _HOUR = {"day": _NUMBER}, {"hour": _NUMBER}
_MODEL, _PROVIDER = {"model": _TEXT}, {"provider": _TEXT}
_INPUT = "uncached_input_tokens + cache_read_tokens + cache_write_tokens"


def _tally(table: str, keys: dict[str, str], sums: str, order: tuple[str, ...] = ()) -> str:
    """``order`` is that of the primary key, where it isn't the columns'."""
    columns = ",\n  ".join(f'"{name}" {kind}' for name, kind in keys.items())
    added = ",\n  ".join(f"{name} {_NUMBER}" for name in sums.split())
    names = ", ".join(f'"{name}"' for name in order or keys)
    return f"CREATE TABLE {table} (\n  {columns},\n  {added},\n  PRIMARY KEY ({names})\n)"


_PRIVATE = {"private": "boolean NOT NULL"}

_RANKINGS = (
    "ALTER TABLE request_shapes ADD COLUMN private boolean NOT NULL DEFAULT false",
    "ALTER TABLE request_facts ADD COLUMN tool_calls bigint NOT NULL DEFAULT 0",
    "DROP VIEW requests",
    """CREATE VIEW requests AS SELECT
  f.id, f.time_us, s.key_id, s.app, f.session, f."user", s.kind, s.requested_model, s.model, s.provider,
  s.stream, s.status, s.outcome, s.finish_reason, s.attempts, s.reasons,
  f.uncached_input_tokens, f.cache_read_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens,
  s.price_id, f.cost_nano_usd, f.latency_us, f.ttft_us, s.estimated, f.tool_calls, s.private
FROM request_facts AS f JOIN request_shapes AS s ON s.shape_id = f.shape_id""",
    *_with_private("day_model", {**_DAY, **_MODEL}),
    *_with_private("hour_model_provider", {**_HOUR, **_MODEL, **_PROVIDER}),
    *_with_private("day_app_model", {**_DAY, "app": _TEXT, **_MODEL}),
    *_with_private("day_key_model", {**_DAY, "key_id": _TEXT, **_MODEL}),
    "CREATE INDEX day_key_model_by_key ON day_key_model (key_id, day)",
    f"""CREATE TABLE day_model_provider (
  day bigint NOT NULL,
  model {_TEXT},
  provider {_TEXT},
  private boolean NOT NULL,
  {_MEASURES.replace("ttft_requests", "tool_calls bigint NOT NULL, ttft_requests")},
  PRIMARY KEY (day, model, provider, private)
)""",
    """INSERT INTO day_model_provider SELECT hour / 24, model, provider, private,
  sum(requests), sum(errors), sum(uncached_input_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
  sum(output_tokens), sum(reasoning_tokens), sum(cost_nano_usd), sum(latency_us), sum(ttft_us),
  sum(tool_calls), sum(ttft_requests)
FROM hour_model_provider GROUP BY 1, 2, 3, 4""",
    # What kind of work it was, of a sample of requests.
    f"""CREATE TABLE labels (
  time_us bigint NOT NULL,
  id {_TEXT},
  task {_TEXT},
  language {_TEXT},
  code {_TEXT},
  weight bigint NOT NULL,
  PRIMARY KEY (time_us, id)
)""",
    # See ``tallies``: which requests count in which of the next seven.
    _tally("day_user_model", {**_DAY, "user": _TEXT, **_MODEL, **_PRIVATE}, "requests tokens cost_nano_usd"),
    _tally(
        "day_context_model", {**_DAY, "context": _TEXT, **_MODEL, **_PRIVATE}, "requests tokens cost_nano_usd"
    ),
    _tally(
        "day_finish_model",
        {**_DAY, "finish_reason": _TEXT, **_MODEL, **_PRIVATE},
        "requests tokens tool_calls",
    ),
    _tally("day_attempt", {**_DAY, **_MODEL, **_PROVIDER}, "attempts failures"),
    _tally(
        "day_speed",
        {**_DAY, "kind": _TEXT, **_MODEL, **_PROVIDER, "bin": _NUMBER},
        "requests",
        ("day", "model", "kind", "provider", "bin"),  # asked for a few models of a few days
    ),
    _tally(
        "day_label",
        {**_DAY, "kind": _TEXT, "label": _TEXT, **_MODEL, **_PRIVATE},
        "samples requests tokens cost_nano_usd",
    ),
    _tally(
        "week_session",
        {"week": _NUMBER, "mix": _NUMBER, "session": _TEXT, "key_id": _TEXT, **_MODEL, **_PRIVATE},
        "turns tokens cost_nano_usd first_us last_us",
    ),
    # Week by week, for charts over a year; kind: 'model', 'provider', 'app' or 'task'.
    _tally(
        "week_share",
        {"week": _NUMBER, "kind": _TEXT, "name": _TEXT, **_PRIVATE},
        "requests tokens cost_nano_usd",
    ),
    # What a plain sum tells of the requests that are there already.
    f"""INSERT INTO day_user_model SELECT time_us / 86400000000, "user", model, false,
  count(*), sum({_INPUT} + output_tokens), sum(cost_nano_usd)
FROM requests WHERE "user" <> '' GROUP BY 1, 2, 3""",  # noqa: S608
    f"""INSERT INTO day_context_model SELECT time_us / 86400000000,
  CASE WHEN {_INPUT} <= 1000 THEN '1K' WHEN {_INPUT} <= 4000 THEN '4K' WHEN {_INPUT} <= 16000 THEN '16K'
    WHEN {_INPUT} <= 64000 THEN '64K' WHEN {_INPUT} <= 128000 THEN '128K'
    WHEN {_INPUT} <= 256000 THEN '256K' WHEN {_INPUT} <= 1000000 THEN '1M' ELSE '>1M' END,
  model, false, count(*), sum({_INPUT} + output_tokens), sum(cost_nano_usd)
FROM requests WHERE {_INPUT} > 0 GROUP BY 1, 2, 3""",  # noqa: S608
    f"""INSERT INTO day_finish_model SELECT time_us / 86400000000, finish_reason, model, false,
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
    f"""CREATE TABLE outside (
  source {_TEXT},
  span {_TEXT} CHECK (span IN ('day', 'week', 'month')),
  day bigint NOT NULL,
  model {_TEXT},
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  tokens bigint NOT NULL,
  requests bigint NOT NULL,
  filled boolean NOT NULL,
  PRIMARY KEY (source, span, day, model)
)""",
)

_BATCHES = (
    # Files in chunks, so that a long one is never held whole.
    f"""CREATE TABLE files (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id {_TEXT} UNIQUE,
  key_id {_TEXT},
  name {_TEXT},
  purpose {_TEXT},
  bytes bigint NOT NULL,
  created_us bigint NOT NULL,
  expires_us bigint,
  done boolean NOT NULL
)""",
    "CREATE INDEX files_by_key ON files (key_id, number)",
    "CREATE INDEX files_expiry ON files (expires_us) WHERE expires_us IS NOT NULL",
    "CREATE INDEX files_unfinished ON files (created_us) WHERE NOT done",
    f"""CREATE TABLE file_chunks (
  file_id {_TEXT},
  seq bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (file_id, seq)
)""",
    f"""CREATE TABLE batches (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id {_TEXT} UNIQUE,
  key_id {_TEXT},
  kind {_TEXT},
  status {_TEXT} CHECK (status IN ('validating', 'in_progress', 'finalizing', 'paused', 'completed',
    'failed', 'expired', 'cancelling', 'cancelled')),
  created_us bigint NOT NULL,
  expires_us bigint NOT NULL,
  endpoint {_TEXT},
  model {_TEXT},
  input_files {_TEXT},
  output_file_id {_TEXT},
  error_file_id {_TEXT},
  options bytea NOT NULL,
  metadata bytea NOT NULL,
  started_us bigint,
  finished_us bigint,
  not_before_us bigint NOT NULL,
  not_after_us bigint,
  max_cost_nano_usd bigint,
  total bigint NOT NULL,
  done bigint NOT NULL,
  failed bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cost_nano_usd bigint NOT NULL,
  note {_TEXT},
  run bigint NOT NULL,
  actor {_TEXT}
)""",
    "CREATE INDEX batches_by_key ON batches (key_id, number)",
    "CREATE INDEX batches_open ON batches (status, number) WHERE finished_us IS NULL",
    "CREATE INDEX batches_finished ON batches (finished_us) WHERE finished_us IS NOT NULL",
    # What all parts of one need.
    f"""CREATE TABLE batch_shared (batch_id {_TEXT} PRIMARY KEY, body bytea NOT NULL)""",
    f"""CREATE TABLE batch_parts (
  batch_id {_TEXT},
  seq bigint NOT NULL,
  id {_TEXT},
  lane {_TEXT},
  status {_TEXT} CHECK (status IN ('waiting', 'done', 'failed')),
  tries bigint NOT NULL,
  request bytea NOT NULL,
  result bytea NOT NULL,
  model {_TEXT},
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cost_nano_usd bigint NOT NULL,
  generation_id {_TEXT},
  PRIMARY KEY (batch_id, seq)
)""",
    "CREATE INDEX batch_parts_by_lane ON batch_parts (batch_id, lane, seq, status)",
    "CREATE INDEX batch_parts_by_status ON batch_parts (batch_id, status, seq)",
    # When each worker was last heard of.
    f"""CREATE TABLE batch_workers (worker {_TEXT} PRIMARY KEY, seen_us bigint NOT NULL)""",
)

_ENERGY = (
    f"ALTER TABLE request_shapes ADD COLUMN energy_basis {_TEXT} DEFAULT ''",
    "ALTER TABLE request_facts ADD COLUMN energy_mj bigint NOT NULL DEFAULT 0",
    "ALTER TABLE request_facts ADD COLUMN carbon_ug bigint NOT NULL DEFAULT 0",
    "DROP VIEW requests",
    """CREATE VIEW requests AS SELECT
  f.id, f.time_us, s.key_id, s.app, f.session, f."user", s.kind, s.requested_model, s.model, s.provider,
  s.stream, s.status, s.outcome, s.finish_reason, s.attempts, s.reasons,
  f.uncached_input_tokens, f.cache_read_tokens, f.cache_write_tokens, f.output_tokens, f.reasoning_tokens,
  s.price_id, f.cost_nano_usd, f.latency_us, f.ttft_us, s.estimated, f.tool_calls, s.private,
  f.energy_mj, f.carbon_ug, s.energy_basis
FROM request_facts AS f JOIN request_shapes AS s ON s.shape_id = f.shape_id""",
    _tally(
        "day_energy",
        {**_DAY, **_MODEL, "provider": _TEXT, "basis": _TEXT, **_PRIVATE},
        "requests input_tokens output_tokens energy_mj carbon_ug",
    ),
)

# Step n brings the schema from version n to n + 1 (``schema_version`` in ``meta``).
STEPS: tuple[tuple[str, ...], ...] = (
    (*_LEDGER, *_KEYS, *_LIMITS, *_ACCOUNTS, *_QUEUE),
    _ROUTING,
    _RANKINGS,
    _BATCHES,
    _ENERGY,
)
