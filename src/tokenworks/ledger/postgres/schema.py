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

# Step n brings the schema from version n to n + 1 (``schema_version`` in ``meta``).
STEPS: tuple[tuple[str, ...], ...] = ((*_LEDGER, *_KEYS, *_LIMITS, *_ACCOUNTS, *_QUEUE), _ROUTING)
