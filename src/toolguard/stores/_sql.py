"""Every SQL statement of the SQLite store: the schema with its migrations, and what is asked of it."""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "MIGRATIONS"]

APPLICATION_ID = 0x7467_7264
"""``tgrd`` in the file's header: tells our files from other applications'."""

_V1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES ('time', 0.0), ('purges', 0);

CREATE TABLE approvals (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    session TEXT NOT NULL,
    ref TEXT NOT NULL,
    tool TEXT NOT NULL,
    args_digest TEXT NOT NULL,
    call_digest TEXT NOT NULL,
    view_digest TEXT NOT NULL,
    policy_sha256 TEXT NOT NULL,
    risk_level TEXT NOT NULL,
    requester TEXT NOT NULL,
    agent TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL NOT NULL,
    deadline REAL,
    grant_expires REAL,
    lease_until REAL,
    outcome TEXT NOT NULL,
    changed REAL NOT NULL,
    grant_payload BLOB,
    grant_signature BLOB,
    grant_key TEXT,
    sealed BLOB NOT NULL,
    request TEXT NOT NULL
);
CREATE INDEX approvals_ref ON approvals (tenant, ref);
CREATE INDEX approvals_state ON approvals (tenant, state, n);
CREATE INDEX approvals_deadline ON approvals (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE verdicts (
    approval TEXT NOT NULL REFERENCES approvals (id),
    n INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    answer TEXT NOT NULL,
    person TEXT NOT NULL,
    at REAL NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (approval, n)
) WITHOUT ROWID;

CREATE TABLE ledger (
    tenant TEXT NOT NULL,
    ref TEXT NOT NULL,
    call_digest TEXT NOT NULL,
    standing TEXT NOT NULL,
    asked INTEGER NOT NULL,
    result BLOB NOT NULL DEFAULT x'',
    changed REAL NOT NULL,
    PRIMARY KEY (tenant, ref)
) WITHOUT ROWID;

CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    approval TEXT NOT NULL REFERENCES approvals (id)
);

CREATE TABLE logs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    log_id TEXT NOT NULL UNIQUE,
    opened REAL NOT NULL,
    first TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
);
CREATE TABLE records (
    log_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    started REAL NOT NULL,
    call TEXT NOT NULL,
    trace TEXT NOT NULL,
    span TEXT NOT NULL,
    parent TEXT NOT NULL,
    link TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (log_id, seq)
) WITHOUT ROWID;
CREATE INDEX records_call ON records (call) WHERE call <> '';
CREATE TABLE cursors (
    sink TEXT NOT NULL, log_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (sink, log_id)
) WITHOUT ROWID;

CREATE TABLE tokens (
    tenant TEXT NOT NULL,
    session TEXT NOT NULL,
    namespace TEXT NOT NULL,
    type TEXT NOT NULL,
    idx INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    identity TEXT NOT NULL,
    spelling TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, session, namespace, type, idx, variant)
) WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_spelling ON tokens (tenant, session, spelling);
CREATE INDEX tokens_identity ON tokens (tenant, session, identity, idx, variant);
CREATE TABLE token_counters (
    tenant TEXT NOT NULL,
    session TEXT NOT NULL,
    namespace TEXT NOT NULL,
    type TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (tenant, session, namespace, type)
) WITHOUT ROWID;
"""

_V2 = """
ALTER TABLE approvals ADD COLUMN run TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN proposal TEXT;
ALTER TABLE approvals ADD COLUMN editor TEXT NOT NULL DEFAULT '';
CREATE INDEX approvals_requester ON approvals (tenant, requester, created);
CREATE INDEX approvals_run ON approvals (tenant, run, created);

ALTER TABLE outbox ADD COLUMN notice TEXT NOT NULL DEFAULT 'state';
ALTER TABLE outbox ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN until REAL NOT NULL DEFAULT 0.0;
CREATE TABLE announced (tenant TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (tenant, key)) WITHOUT ROWID;

CREATE TABLE acts (
    tenant TEXT NOT NULL,
    n INTEGER NOT NULL,
    payload BLOB NOT NULL,
    signature BLOB NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (tenant, n)
) WITHOUT ROWID;
CREATE TABLE uses (
    tenant TEXT NOT NULL, act TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (tenant, act)
) WITHOUT ROWID;
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""

_V3 = """
CREATE INDEX verdicts_person ON verdicts (tenant, person, at);
"""

_V4 = """
CREATE INDEX approvals_tenant ON approvals (tenant, n);
"""

_V5 = """
CREATE TABLE marks (
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    at REAL NOT NULL,
    until REAL,
    PRIMARY KEY (tenant, subject, kind, value)
) WITHOUT ROWID;
CREATE INDEX marks_at ON marks (tenant, subject, kind, at);
CREATE INDEX marks_until ON marks (until) WHERE until IS NOT NULL;

CREATE INDEX records_kind ON records (kind, log_id, seq) WHERE call = '';
"""

_V6 = """
CREATE TABLE contents (
    tenant TEXT NOT NULL, id TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
"""

# a record of this size in an index (which is what a table without row ids is) has a page of 4 KiB to itself
_V7 = """
ALTER TABLE records RENAME TO records_before;
CREATE TABLE records (
    log_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    started REAL NOT NULL,
    call TEXT NOT NULL,
    trace TEXT NOT NULL,
    span TEXT NOT NULL,
    parent TEXT NOT NULL,
    link TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (log_id, seq)
);
INSERT INTO records SELECT log_id, seq, prev, hash, kind, at, started, call, trace, span, parent, link, body
    FROM records_before ORDER BY log_id, seq;
DROP TABLE records_before;
CREATE INDEX records_call ON records (call) WHERE call <> '';
CREATE INDEX records_kind ON records (kind, log_id, seq) WHERE call = '';
"""

MIGRATIONS: tuple[str, ...] = (_V1, _V2, _V3, _V4, _V5, _V6, _V7)
"""``MIGRATIONS[n]`` takes a store from schema version n to n + 1. Never change one that was released; add the next."""

TIME = "SELECT value FROM meta WHERE key = 'time'"
SET_TIME = "UPDATE meta SET value = ? WHERE key = 'time'"
PURGES = "SELECT value FROM meta WHERE key = 'purges'"
ADD_PURGE = "UPDATE meta SET value = value + 1 WHERE key = 'purges'"
META = "SELECT value FROM meta WHERE key = ?"

_APPROVAL = (
    "SELECT id, tenant, state, version, ref, call_digest, expires, grant_expires, lease_until, outcome, changed, "
    "grant_payload, grant_signature, grant_key, proposal, editor, sealed, request FROM approvals "
)
GET = _APPROVAL + "WHERE id = ? AND tenant = ?"
FIND = _APPROVAL + "WHERE tenant = ? AND ref = ? ORDER BY n DESC LIMIT 1"
LIST = _APPROVAL + "WHERE tenant = ? AND n < ? ORDER BY n DESC LIMIT ?"
_IN_STATES = "state IN (SELECT value FROM json_each(?))"
LIST_STATES = _APPROVAL + "WHERE tenant = ? AND n < ? AND " + _IN_STATES + " ORDER BY n DESC LIMIT ?"
# of what was asked in the month before, by the index on it
RECENT = _APPROVAL + (
    "WHERE tenant = ?1 AND requester = ?2 AND created >= ?3 - 2678400.0 AND changed >= ?3 AND tool = ?4 "
    "AND state = 'denied' ORDER BY n DESC LIMIT ?5"
)
ASKED_BY_RUN = "SELECT count(*) FROM approvals WHERE tenant = ? AND run = ? AND created >= ?"
ASKED_BY_PERSON = "SELECT count(*) FROM approvals WHERE tenant = ? AND requester = ? AND created >= ?"
OVERDUE = _APPROVAL + "WHERE deadline IS NOT NULL AND deadline <= ? ORDER BY deadline LIMIT ?"
VERSIONS = "SELECT id, version FROM approvals WHERE id IN (SELECT value FROM json_each(?))"
STAMP = "PRAGMA data_version"
PLACE = "SELECT n FROM approvals WHERE id = ? AND tenant = ?"
CREATE = (
    "INSERT INTO approvals (id, tenant, state, version, session, ref, tool, args_digest, call_digest, view_digest, "
    "policy_sha256, risk_level, requester, agent, created, expires, deadline, outcome, changed, sealed, request, run) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
UPDATE = (
    "UPDATE approvals SET state = ?, version = ?, deadline = ?, grant_expires = ?, lease_until = ?, outcome = ?, "
    "changed = ?, grant_payload = ?, grant_signature = ?, grant_key = ?, proposal = ?, editor = ? "
    "WHERE id = ? AND tenant = ? AND version = ? AND state = ?"
)
VERDICTS = "SELECT verdict FROM verdicts WHERE approval = ? ORDER BY n"
ADD_VERDICT = "INSERT INTO verdicts (approval, n, tenant, answer, person, at, verdict) VALUES (?, ?, ?, ?, ?, ?, ?)"

# the index leaves out what is of no call: a query has to say so, or every record is read
ENDS = "SELECT kind, body FROM records WHERE call = ? AND call <> '' AND kind IN (?, ?)"
GONE = (  # taken out of a journal, and of this call it is not told that it was asked
    "SELECT EXISTS (SELECT 1 FROM records WHERE kind = 'audit.pruned' AND call = ''), "
    "EXISTS (SELECT 1 FROM records WHERE call = ? AND call <> '' AND kind = 'approval.requested')"
)
LEDGER = "SELECT call_digest, standing, result, asked FROM ledger WHERE tenant = ? AND ref = ?"
SET_LEDGER = (
    "INSERT INTO ledger (tenant, ref, call_digest, standing, asked, changed) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (tenant, ref) DO UPDATE SET standing = excluded.standing, changed = excluded.changed, result = x''"
)
SETTLE = "UPDATE ledger SET standing = ?, result = ?, changed = ? WHERE tenant = ? AND ref = ?"

ANNOUNCE = "INSERT INTO outbox (tenant, approval, notice) VALUES (?, ?, ?)"
ANNOUNCE_ONCE = "INSERT OR IGNORE INTO announced (tenant, key) VALUES (?, ?)"
OUTBOX = "SELECT n, tenant, approval, notice, attempts FROM outbox ORDER BY n LIMIT ?"
OUTBOX_DUE = "SELECT n, tenant, approval, notice, attempts + 1 FROM outbox WHERE until <= ? ORDER BY n LIMIT ?"
OUTBOX_TAKE = "UPDATE outbox SET holder = ?, until = ?, attempts = attempts + 1 WHERE n = ?"
OUTBOX_LATER = "UPDATE outbox SET holder = '', until = ? WHERE n = ?"
OUTBOX_DONE = "DELETE FROM outbox WHERE n = ?"

ACTS = "SELECT payload, signature, key_id FROM acts WHERE tenant = ? AND n > ? ORDER BY n LIMIT ?"
ACTS_HEAD = "SELECT coalesce(max(n), 0) FROM acts WHERE tenant = ?"
ADD_ACT = "INSERT INTO acts (tenant, n, payload, signature, key_id) VALUES (?, ?, ?, ?, ?)"
GIVEN = "SELECT count(*) FROM verdicts WHERE tenant = ? AND person = ? AND at >= ? AND answer = 'approve'"
USES = "SELECT used FROM uses WHERE tenant = ? AND act = ?"
ADD_USE = (
    "INSERT INTO uses (tenant, act, used) VALUES (?, ?, 1) ON CONFLICT (tenant, act) DO UPDATE SET used = used + 1"
)
# the index on time, since one person may have more marks than were made lately
COUNT_MARKS = (
    "SELECT count(*) FROM (SELECT 1 FROM marks INDEXED BY marks_at WHERE tenant = ? AND subject = ? AND kind = ? "
    "AND at >= ? AND value NOT IN (SELECT value FROM json_each(?)) LIMIT ?)"
)
COUNT_MARK = "SELECT count(*) FROM marks WHERE tenant = ? AND subject = ? AND kind = ? AND at >= ? AND value = ?"
MARKED = "SELECT value FROM marks WHERE tenant = ? AND subject = ? AND kind = ? ORDER BY value LIMIT ?"
ADD_MARK = (  # null, for ever, stays
    "INSERT INTO marks (tenant, subject, kind, value, at, until) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (tenant, subject, kind, value) "
    "DO UPDATE SET at = max(marks.at, excluded.at), until = max(marks.until, excluded.until)"
)
PRUNE_MARKS = (
    "DELETE FROM marks WHERE (tenant, subject, kind, value) IN (SELECT tenant, subject, kind, value FROM marks "
    "WHERE until IS NOT NULL AND until <= ? ORDER BY until LIMIT ?)"
)
PRUNE_LEASES = "DELETE FROM leases WHERE name IN (SELECT name FROM leases WHERE until <= ? LIMIT ?)"
LEASE = "SELECT holder, until FROM leases WHERE name = ?"
SET_LEASE = (
    "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
)

HEAD = "SELECT seq, hash FROM logs WHERE log_id = ?"
LAST_LOG = "SELECT n, first FROM logs ORDER BY n DESC LIMIT 1"
OPEN_LOG = "INSERT INTO logs (log_id, opened, first, seq, hash) VALUES (?, ?, ?, ?, ?)"
MOVE_HEAD = "UPDATE logs SET seq = ?, hash = ? WHERE log_id = ?"
HEADS = "SELECT log_id, opened, first, seq, hash, n FROM logs ORDER BY n"
APPEND = (
    "INSERT INTO records (log_id, seq, prev, hash, kind, at, started, call, trace, span, parent, link, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_RECORD = "SELECT log_id, seq, prev, hash, kind, at, started, call, trace, span, parent, link, body FROM records "
RECORDS = _RECORD + "WHERE log_id = ? AND seq > ? ORDER BY seq LIMIT ?"
RECORDS_OF_CALL = _RECORD + "WHERE call = ? AND call <> '' AND seq > ? ORDER BY at, log_id, seq LIMIT ?"
HASHES = "SELECT seq, hash FROM records WHERE log_id = ? AND seq > ? ORDER BY seq LIMIT ?"
OPERATIONS = (
    _RECORD + "WHERE call = '' AND kind = ? AND (log_id, seq) > (?, ?) AND seq > 0 ORDER BY log_id, seq LIMIT ?"
)  # no reader goes below the first number: nothing that verify does not go through is ever shown
PRUNED = "SELECT body FROM records WHERE call = '' AND kind = 'audit.pruned'"
PRUNE = (  # the first ones first, and never the newest
    "DELETE FROM records WHERE log_id = ?1 AND seq <= (SELECT max(seq) FROM (SELECT seq FROM records WHERE log_id = ?1 "
    "AND seq <= ?2 AND seq < (SELECT seq FROM logs WHERE log_id = ?1) ORDER BY seq LIMIT ?3))"
)
FIRST_LOG = "SELECT min(log_id) FROM records"
NEXT_LOG = "SELECT min(log_id) FROM records WHERE log_id > ?"
KEEP = "INSERT INTO contents (tenant, id, key, body) VALUES (?, ?, ?, ?)"
CONTENTS = "SELECT id, key, body FROM contents WHERE tenant = ? AND id IN (SELECT value FROM json_each(?))"
CONTENT_IDS = "SELECT id FROM contents WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?"
SHRED = "DELETE FROM contents WHERE tenant = ? AND id = ?"
CURSOR = "SELECT log_id, seq FROM cursors WHERE sink = ?"
DELIVERED = (
    "SELECT s.sink, l.log_id, coalesce(c.seq, 0) FROM (SELECT DISTINCT sink FROM cursors) s JOIN logs l "
    "LEFT JOIN cursors c ON c.sink = s.sink AND c.log_id = l.log_id"
)
ADVANCE = (
    "INSERT INTO cursors (sink, log_id, seq) VALUES (?, ?, ?) "
    "ON CONFLICT (sink, log_id) DO UPDATE SET seq = max(seq, excluded.seq)"
)

KNOWN = "SELECT idx, variant, value FROM tokens WHERE tenant = ? AND session = ? AND spelling = ?"
LAST_VARIANT = (
    "SELECT idx, variant FROM tokens WHERE tenant = ? AND session = ? AND identity = ? "
    "ORDER BY idx DESC, variant DESC LIMIT 1"
)
LAST_INDEX = "SELECT last FROM token_counters WHERE tenant = ? AND session = ? AND namespace = ? AND type = ?"
COUNT_INDEX = (
    "INSERT INTO token_counters (tenant, session, namespace, type, last) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (tenant, session, namespace, type) DO UPDATE SET last = excluded.last"
)
ADD_VALUE = (
    "INSERT INTO tokens (tenant, session, namespace, type, idx, variant, identity, spelling, value) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
VALUE = (
    "SELECT value FROM tokens "
    "WHERE tenant = ? AND session = ? AND namespace = ? AND type = ? AND idx = ? AND variant = ?"
)
VALUES = "SELECT namespace, type, idx, variant, value FROM tokens WHERE tenant = ? AND session = ?"
PURGE = "DELETE FROM tokens WHERE tenant = ? AND session = ?"
