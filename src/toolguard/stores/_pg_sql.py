"""Every SQL statement of the PostgreSQL store. Where the two stores ask the same, it is the SQLite store's statement."""

from __future__ import annotations

from itertools import count

from toolguard.stores import _sql


def _dollars(statement: str) -> str:
    """``?`` as ``$1``, ``$2``, …"""
    numbers = count(1)
    return "".join(f"${next(numbers)}" if letter == "?" else letter for letter in statement)


META = "SELECT num, word FROM meta WHERE key = $1"
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8 AS now, num AS floor FROM meta WHERE key = 'time'"
MOMENT = (
    "SELECT extract(epoch FROM clock_timestamp())::float8 AS now, num AS floor, l.seq, l.hash, pg_current_xact_id()::text "
    "FROM meta LEFT JOIN logs l ON l.log_id = $1 WHERE key = 'time'"
)
SET_TIME = (  # whoever comes second goes on without it, instead of waiting
    "UPDATE meta SET num = $1 WHERE key = (SELECT key FROM meta WHERE key = 'time' AND num < $1 FOR UPDATE SKIP LOCKED)"
)
PURGES = "SELECT num::bigint FROM meta WHERE key = 'purges'"
ADD_PURGE = "UPDATE meta SET num = num + 1 WHERE key = 'purges'"
XID_STATUS = "SELECT pg_xact_status($1::text::xid8)"

_APPROVAL_COLUMNS = (
    "id, tenant, state, version, ref, call_digest, expires, grant_expires, lease_until, outcome, changed, "
    "grant_payload, grant_signature, grant_key, proposal, editor, sealed, request"
)
_APPROVAL = (
    f"SELECT {_APPROVAL_COLUMNS}, ARRAY(SELECT verdict FROM verdicts v WHERE v.approval = approvals.id ORDER BY v.n) "  # noqa: S608 - our own constants
    "FROM approvals "
)
GET = _APPROVAL + "WHERE id = $1 AND tenant = $2"
FIND = _APPROVAL + "WHERE tenant = $1 AND ref = $2 ORDER BY n DESC LIMIT 1"
LIST = _APPROVAL + "WHERE tenant = $1 AND n < $2 ORDER BY n DESC LIMIT $3"
LIST_STATES = _APPROVAL + "WHERE tenant = $1 AND n < $2 AND state = ANY ($3::text[]) ORDER BY n DESC LIMIT $4"
OVERDUE = _APPROVAL + "WHERE deadline IS NOT NULL AND deadline <= $1 ORDER BY deadline LIMIT $2"
# of what was asked in the month before, by the index on it
RECENT = _APPROVAL + (
    "WHERE tenant = $1 AND requester = $2 AND created >= $3 - 2678400.0 AND changed >= $3 AND tool = $4 "
    "AND state = 'denied' ORDER BY n DESC LIMIT $5"
)
PLACE = "SELECT n FROM approvals WHERE id = $1 AND tenant = $2"
VERSIONS = "SELECT id, version FROM approvals WHERE id = ANY ($1::text[])"

LOCK = (
    "SELECT CASE WHEN alone THEN pg_advisory_xact_lock(k)::text ELSE pg_advisory_xact_lock_shared(k)::text END "
    "FROM unnest($1::bigint[], $2::boolean[]) AS wanted (k, alone)"
)
# under lock, always in this order of tables and keys, so that two transactions never wait for each other
LOCK_APPROVALS = f"SELECT {_APPROVAL_COLUMNS} FROM approvals WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE"  # noqa: S608 - our own constants
THEIR_VERDICTS = "SELECT approval, verdict FROM verdicts WHERE approval = ANY ($1::text[]) ORDER BY approval, n"
LOCK_LEDGER = (
    "SELECT call_digest, standing, result, asked, tenant, ref FROM ledger "
    "WHERE (tenant, ref) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY tenant, ref FOR UPDATE"
)
LOCK_USES = (
    "SELECT tenant, act, used FROM uses WHERE (tenant, act) IN (SELECT * FROM unnest($1::text[], $2::text[])) "
    "ORDER BY tenant, act FOR UPDATE"
)
HEADS_OF_ACTS = "SELECT tenant, max(n) FROM acts WHERE tenant = ANY ($1::text[]) GROUP BY tenant"
ANNOUNCED = "SELECT tenant, key FROM announced WHERE (tenant, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
_WANTED = (
    "FROM unnest($1::text[], $2::text[], $3::float8[]) WITH ORDINALITY AS cap (tenant, value, since, i) ORDER BY i"
)
_MINE = "SELECT (SELECT count(*) FROM approvals a WHERE a.tenant = cap.tenant AND a.created >= cap.since AND "
ASKED_BY_RUN = _MINE + "a.run = cap.value) " + _WANTED
ASKED_BY_PERSON = _MINE + "a.requester = cap.value) " + _WANTED
ENDS = "SELECT call, kind, body FROM records WHERE call = ANY ($1::text[]) AND call <> '' AND kind = ANY ($2::text[])"

GONE = (  # calls of which a journal that records were taken out of does not tell that they were asked
    "SELECT c.call FROM unnest($1::text[]) AS c (call) "
    "WHERE EXISTS (SELECT FROM records WHERE kind = 'audit.pruned' AND call = '') AND NOT EXISTS (SELECT FROM records r "
    "WHERE r.call = c.call AND r.call <> '' AND r.kind = 'approval.requested')"
)

CREATE = _dollars(_sql.CREATE)
UPDATE = (
    "UPDATE approvals SET state = $1, version = $2, deadline = $3, grant_expires = $4, lease_until = $5, outcome = $6, "
    "changed = $7, grant_payload = $8, grant_signature = $9, grant_key = $10, proposal = $11, editor = $12 "
    "WHERE id = $13 AND tenant = $14"
)
MOVE = (  # a guard's role may write no grant, not even the same one again
    "UPDATE approvals SET state = $1, version = $2, deadline = $3, lease_until = $4, outcome = $5, changed = $6 "
    "WHERE id = $7 AND tenant = $8"
)
ADD_VERDICT = _dollars(_sql.ADD_VERDICT)
LEDGER = _dollars(_sql.LEDGER)
ADD_LEDGER = "INSERT INTO ledger (tenant, ref, call_digest, standing, asked, result, changed) VALUES ($1, $2, $3, $4, $5, $6, $7)"
SET_LEDGER = "UPDATE ledger SET standing = $3, result = $4, changed = $5 WHERE tenant = $1 AND ref = $2"
ANNOUNCE = _dollars(_sql.ANNOUNCE)
ANNOUNCE_ONCE = "INSERT INTO announced (tenant, key) VALUES ($1, $2)"
ADD_ACT = _dollars(_sql.ADD_ACT)
ADD_USE = "INSERT INTO uses (used, tenant, act) VALUES ($1, $2, $3)"
SET_USE = "UPDATE uses SET used = $1 WHERE tenant = $2 AND act = $3"
# each ask by itself, in order; what is not counted comes as JSON, since an array holds no arrays of different length
TALLY = (
    "SELECT (SELECT count(*) FROM (SELECT FROM marks m WHERE m.tenant = a.tenant AND m.subject = a.subject "
    "AND m.kind = a.kind AND m.at >= a.since AND (a.value IS NULL OR m.value = a.value) "
    "AND NOT EXISTS (SELECT FROM jsonb_array_elements_text(a.apart::jsonb) x WHERE x = m.value) LIMIT a.upto) counted) "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::bigint[]) "
    "WITH ORDINALITY AS a (tenant, subject, kind, value, since, apart, upto, n) ORDER BY a.n"
)
MARKED = _dollars(_sql.MARKED)
ADD_MARK = (
    "INSERT INTO marks (tenant, subject, kind, value, at, until) VALUES ($1, $2, $3, $4, $5, $6) "
    "ON CONFLICT (tenant, subject, kind, value) DO UPDATE SET at = greatest(marks.at, excluded.at), "
    "until = CASE WHEN marks.until IS NULL OR excluded.until IS NULL THEN NULL ELSE greatest(marks.until, excluded.until) END"
)
PRUNE_MARKS = (
    "WITH old AS (SELECT tenant, subject, kind, value FROM marks WHERE until IS NOT NULL AND until <= $1 "
    "ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED) "
    "DELETE FROM marks m USING old o WHERE (m.tenant, m.subject, m.kind, m.value) = (o.tenant, o.subject, o.kind, o.value) "
    "RETURNING 1"
)
NOTIFY = "SELECT pg_notify('toolguard', hint) FROM unnest($1::text[]) hint"

KEEP = _dollars(_sql.KEEP)
CONTENTS = "SELECT id, key, body FROM contents WHERE tenant = $1 AND id = ANY ($2::text[])"
CONTENT_IDS = _dollars(_sql.CONTENT_IDS)
SHRED = _dollars(_sql.SHRED)

LAST_LOG = _sql.LAST_LOG
OPEN_LOG = "INSERT INTO logs (n, log_id, opened, first, seq, hash) VALUES ($1, $2, $3, $4, $5, $6)"
MOVE_HEAD = _dollars(_sql.MOVE_HEAD)
HEADS = _sql.HEADS
APPEND = (
    "INSERT INTO records (log_id, seq, prev, hash, kind, at, started, call, trace, span, parent, link, body, tenant) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
)
RECORDS = _dollars(_sql.RECORDS)
RECORDS_OF_CALL = _dollars(_sql.RECORDS_OF_CALL.removesuffix(" LIMIT ?"))
HASHES = _dollars(_sql.HASHES)
OPERATIONS = _dollars(_sql.OPERATIONS)
FIRST_LOG = _sql.FIRST_LOG
NEXT_LOG = _dollars(_sql.NEXT_LOG)
PRUNE = (  # the first ones first, and never the newest; the schema asks for the record of pruning
    "DELETE FROM records WHERE log_id = $1 AND seq <= (SELECT max(seq) FROM (SELECT seq FROM records WHERE log_id = $1 "
    "AND seq <= $2 AND seq < (SELECT seq FROM logs WHERE log_id = $1) ORDER BY seq LIMIT $3) gone)"
)
DELIVERED = "SELECT sink, log_id, seq FROM delivered()"
CURSOR = "SELECT log_id, seq FROM cursors WHERE sink = $1 AND owner = session_user"
ADVANCE = (
    "INSERT INTO cursors (sink, log_id, seq) VALUES ($1, $2, $3) "
    "ON CONFLICT (owner, sink, log_id) DO UPDATE SET seq = greatest(cursors.seq, excluded.seq)"
)
OUTBOX = _dollars(_sql.OUTBOX)
OUTBOX_TAKE = (
    "WITH due AS (SELECT n FROM outbox WHERE until <= $1 ORDER BY n LIMIT $4 FOR UPDATE SKIP LOCKED) "
    "UPDATE outbox o SET holder = $2, until = $3, attempts = attempts + 1 FROM due WHERE o.n = due.n "
    "RETURNING o.n, o.tenant, o.approval, o.notice, o.attempts"
)
OUTBOX_LATER = "UPDATE outbox SET holder = '', until = $1 WHERE n = $2 RETURNING n"
OUTBOX_DONE = "DELETE FROM outbox WHERE n = $1 RETURNING n"

KNOWN = "SELECT spelling, idx, variant, value FROM tokens WHERE tenant = $1 AND session = $2 AND spelling = ANY ($3::text[])"
LAST_VARIANTS = (
    "SELECT DISTINCT ON (identity) identity, idx, variant FROM tokens "
    "WHERE tenant = $1 AND session = $2 AND identity = ANY ($3::text[]) ORDER BY identity, idx DESC, variant DESC"
)
COUNTERS = "SELECT namespace, type, last FROM token_counters WHERE tenant = $1 AND session = $2"
COUNT_INDEX = _dollars(_sql.COUNT_INDEX)
ADD_VALUE = _dollars(_sql.ADD_VALUE)
VALUES = _dollars(_sql.VALUES)
_THESE = "(SELECT * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[]))"
SOME_VALUES = VALUES + " AND (namespace, type, idx, variant) IN " + _THESE
PURGE = _dollars(_sql.PURGE) + " RETURNING 1"
ACTS = _dollars(_sql.ACTS)
GIVEN = _dollars(_sql.GIVEN)
USES = _dollars(_sql.USES)
PRUNE_LEASES = (
    "DELETE FROM leases WHERE name IN (SELECT name FROM leases WHERE until <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
)
LEAD = (  # one statement: of two who come at once, the second sees what the first made of it
    "INSERT INTO leases AS l (name, holder, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE "
    "SET holder = excluded.holder, until = excluded.until WHERE l.holder = excluded.holder OR l.until <= $4 RETURNING 1"
)
MAY_MIGRATE = (
    "SELECT CASE WHEN to_regnamespace('toolguard') IS NULL THEN has_database_privilege(current_database(), 'CREATE') "
    "ELSE has_schema_privilege('toolguard', 'CREATE') END"
)
