-- Schema version 1. Run by 'toolguard store migrate', in one transaction. Never change one that was released; add the next.

CREATE TABLE toolguard.meta (key text PRIMARY KEY, num double precision, word text);
INSERT INTO toolguard.meta (key, num) VALUES ('time', 0), ('purges', 0);

CREATE TABLE toolguard.approvals (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    tenant text NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    session text NOT NULL,
    ref text NOT NULL,
    tool text NOT NULL,
    args_digest text NOT NULL,
    call_digest text NOT NULL,
    view_digest text NOT NULL,
    policy_sha256 text NOT NULL,
    risk_level text NOT NULL,
    requester text NOT NULL,
    agent text NOT NULL,
    created double precision NOT NULL,
    expires double precision NOT NULL,
    deadline double precision,
    grant_expires double precision,
    lease_until double precision,
    outcome text NOT NULL,
    changed double precision NOT NULL,
    grant_payload bytea,
    grant_signature bytea,
    grant_key text,
    proposal text,
    editor text NOT NULL DEFAULT '',
    sealed bytea NOT NULL,
    request text NOT NULL,
    run text NOT NULL
);
CREATE INDEX approvals_ref ON toolguard.approvals (tenant, ref);
CREATE INDEX approvals_tenant ON toolguard.approvals (tenant, n);
CREATE INDEX approvals_state ON toolguard.approvals (tenant, state, n);
CREATE INDEX approvals_requester ON toolguard.approvals (tenant, requester, created);
CREATE INDEX approvals_run ON toolguard.approvals (tenant, run, created);
CREATE INDEX approvals_deadline ON toolguard.approvals (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE toolguard.verdicts (
    approval text NOT NULL REFERENCES toolguard.approvals (id),
    n bigint NOT NULL,
    tenant text NOT NULL,
    answer text NOT NULL,
    person text NOT NULL,
    at double precision NOT NULL,
    verdict text NOT NULL,
    PRIMARY KEY (approval, n)
);
CREATE INDEX verdicts_person ON toolguard.verdicts (tenant, person, at);

CREATE TABLE toolguard.ledger (
    tenant text NOT NULL,
    ref text NOT NULL,
    call_digest text NOT NULL,
    standing text NOT NULL,
    asked boolean NOT NULL,
    result bytea NOT NULL DEFAULT '',
    changed double precision NOT NULL,
    PRIMARY KEY (tenant, ref)
);

CREATE TABLE toolguard.outbox (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    approval text NOT NULL REFERENCES toolguard.approvals (id),
    notice text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    holder text NOT NULL DEFAULT '',
    until double precision NOT NULL DEFAULT 0
);
CREATE TABLE toolguard.announced (tenant text NOT NULL, key text NOT NULL, PRIMARY KEY (tenant, key));

CREATE TABLE toolguard.acts (
    tenant text NOT NULL,
    n bigint NOT NULL,
    payload bytea NOT NULL,
    signature bytea NOT NULL,
    key_id text NOT NULL,
    PRIMARY KEY (tenant, n)
);
CREATE TABLE toolguard.uses (tenant text NOT NULL, act text NOT NULL, used bigint NOT NULL, PRIMARY KEY (tenant, act));
CREATE TABLE toolguard.leases (name text PRIMARY KEY, holder text NOT NULL, until double precision NOT NULL);

CREATE TABLE toolguard.logs (
    n bigint PRIMARY KEY,
    log_id text NOT NULL UNIQUE,
    opened double precision NOT NULL,
    first text NOT NULL,
    seq bigint NOT NULL,
    hash text NOT NULL,
    owner name NOT NULL DEFAULT session_user
);

CREATE TABLE toolguard.records (
    log_id text NOT NULL,
    seq bigint NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL,
    kind text NOT NULL,
    at double precision NOT NULL,
    started double precision NOT NULL,
    call text NOT NULL,
    trace text NOT NULL,
    span text NOT NULL,
    parent text NOT NULL,
    link text NOT NULL,
    body text NOT NULL,
    tenant text NOT NULL,
    PRIMARY KEY (log_id, seq)
);
CREATE INDEX records_call ON toolguard.records (call) WHERE call <> '';

CREATE TABLE toolguard.cursors (
    owner name NOT NULL DEFAULT session_user,
    sink text NOT NULL,
    log_id text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (owner, sink, log_id)
);

CREATE TABLE toolguard.tokens (
    tenant text NOT NULL,
    session text NOT NULL,
    namespace text NOT NULL,
    type text NOT NULL,
    idx bigint NOT NULL,
    variant bigint NOT NULL,
    identity text NOT NULL,
    spelling text NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (tenant, session, namespace, type, idx, variant)
);
CREATE UNIQUE INDEX tokens_spelling ON toolguard.tokens (tenant, session, spelling);
CREATE INDEX tokens_identity ON toolguard.tokens (tenant, session, identity, idx, variant);

CREATE TABLE toolguard.token_counters (
    tenant text NOT NULL,
    session text NOT NULL,
    namespace text NOT NULL,
    type text NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (tenant, session, namespace, type)
);

-- Which tenants a login role may see and write ('*': all). The owner of the tables sees all.
CREATE TABLE toolguard.role_tenants (role name NOT NULL, tenant text NOT NULL, PRIMARY KEY (role, tenant));

-- The table of transitions, as this version of toolguard knows it; 'guard' marks those that need no person's word.
CREATE TABLE toolguard.transitions (
    source text NOT NULL,
    target text NOT NULL,
    guard boolean NOT NULL,
    PRIMARY KEY (source, target)
);

CREATE FUNCTION toolguard.tenants() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT coalesce(array_agg(tenant), '{}') FROM toolguard.role_tenants WHERE role = session_user $$;

-- What a state may become, checked by the database as well: also against whoever writes by hand.
-- Who may not write grants (column rights decide) moves only what needs no person's word.
CREATE FUNCTION toolguard.check_approval() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    decides boolean := has_column_privilege(current_user, TG_RELID, 'grant_payload', 'UPDATE');
    by_guard boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pending' OR NEW.version <> 1 OR num_nonnulls(NEW.grant_payload,
            NEW.grant_expires, NEW.proposal) > 0 THEN
            RAISE EXCEPTION 'a request begins pending' USING ERRCODE = 'TG001';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.n, NEW.id, NEW.tenant, NEW.ref, NEW.call_digest, NEW.created, NEW.expires, NEW.sealed, NEW.request,
        NEW.requester, NEW.run)
        IS DISTINCT FROM
       (OLD.n, OLD.id, OLD.tenant, OLD.ref, OLD.call_digest, OLD.created, OLD.expires, OLD.sealed, OLD.request,
        OLD.requester, OLD.run) THEN
        RAISE EXCEPTION 'a request is frozen when it is asked' USING ERRCODE = 'TG002';
    END IF;
    IF NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'a change counts one version on' USING ERRCODE = 'TG003';
    END IF;
    SELECT guard INTO by_guard FROM toolguard.transitions WHERE source = OLD.state AND target = NEW.state;
    IF by_guard IS NULL AND NOT (
        NEW.state = OLD.state AND EXISTS (SELECT FROM toolguard.transitions WHERE source = OLD.state)
    ) THEN
        RAISE EXCEPTION 'no such transition' USING ERRCODE = 'TG004';
    END IF;
    IF NOT decides THEN
        IF by_guard IS NOT TRUE THEN
            RAISE EXCEPTION 'only the approval service makes this transition' USING ERRCODE = 'TG005';
        END IF;
        IF NEW.state = 'executing'
            AND (OLD.grant_expires IS NULL OR OLD.grant_expires <= extract(epoch FROM clock_timestamp())) THEN
            RAISE EXCEPTION 'the grant has expired' USING ERRCODE = 'TG006';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_approval BEFORE INSERT OR UPDATE ON toolguard.approvals
    FOR EACH ROW EXECUTE FUNCTION toolguard.check_approval();

CREATE FUNCTION toolguard.check_ledger() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT (NEW.standing = 'asked' AND NEW.asked OR NEW.standing = 'executing' AND NOT NEW.asked) THEN
            RAISE EXCEPTION 'a call begins asked or executing' USING ERRCODE = 'TG011';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.tenant, NEW.ref, NEW.call_digest, NEW.asked) IS DISTINCT FROM (OLD.tenant, OLD.ref, OLD.call_digest, OLD.asked)
        OR NOT (
            OLD.standing IN ('asked', 'failed') AND NEW.standing = 'executing' AND (OLD.standing = 'asked') = OLD.asked
            OR OLD.standing = 'executing' AND NEW.standing IN ('executed', 'failed')
        ) THEN
        RAISE EXCEPTION 'no such step in the ledger' USING ERRCODE = 'TG012';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_ledger BEFORE INSERT OR UPDATE ON toolguard.ledger
    FOR EACH ROW EXECUTE FUNCTION toolguard.check_ledger();

CREATE FUNCTION toolguard.check_use() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NEW.used <= 0 OR TG_OP = 'UPDATE' AND NOT (NEW.used > OLD.used AND (NEW.tenant, NEW.act) = (OLD.tenant, OLD.act)) THEN
        RAISE EXCEPTION 'uses only grow' USING ERRCODE = 'TG013';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_use BEFORE INSERT OR UPDATE ON toolguard.uses
    FOR EACH ROW EXECUTE FUNCTION toolguard.check_use();

-- The two numbers that everyone may move: forward, and the time not beyond the database's own.
CREATE FUNCTION toolguard.check_meta() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF has_column_privilege(current_user, TG_RELID, 'word', 'UPDATE') THEN
        RETURN NEW;
    END IF;
    IF OLD.key NOT IN ('time', 'purges') OR NEW.num IS NULL OR NOT NEW.num >= OLD.num OR NEW.num = 'NaN'
        OR OLD.key = 'time' AND NEW.num > greatest(OLD.num, extract(epoch FROM clock_timestamp())::float8 + 1)
        OR OLD.key = 'purges' AND NEW.num > OLD.num + 1 THEN
        RAISE EXCEPTION 'time and counts only go forward' USING ERRCODE = 'TG021';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_meta BEFORE UPDATE ON toolguard.meta
    FOR EACH ROW EXECUTE FUNCTION toolguard.check_meta();

-- Row security: nobody but the owner sees another tenant's rows, or writes into another role's log.
DO $do$
DECLARE
    seen text := $p$(tenant = ANY ((SELECT toolguard.tenants())::text[]) OR '*' = ANY ((SELECT toolguard.tenants())::text[]))$p$;
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['approvals', 'verdicts', 'ledger', 'outbox', 'announced', 'uses', 'tokens', 'token_counters'] LOOP
        EXECUTE format('ALTER TABLE toolguard.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON toolguard.%I USING %s', t, seen);
    END LOOP;
    -- a log's first record is no tenant's, nor is that a policy was loaded
    EXECUTE 'CREATE POLICY tenant ON toolguard.records FOR SELECT USING (tenant = '''' OR ' || seen || ')';
    EXECUTE 'CREATE POLICY own_log ON toolguard.records FOR INSERT WITH CHECK ((tenant = '''' AND call = '''' OR '
        || seen || ') AND log_id IN (SELECT l.log_id FROM toolguard.logs l WHERE l.owner = session_user))';
    -- acts of '*' concern every tenant
    EXECUTE 'CREATE POLICY tenant ON toolguard.acts FOR SELECT USING (tenant = ''*'' OR ' || seen || ')';
    EXECUTE 'CREATE POLICY tenant_adds ON toolguard.acts FOR INSERT WITH CHECK ' || seen;
END $do$;
ALTER TABLE toolguard.acts ENABLE ROW LEVEL SECURITY;
ALTER TABLE toolguard.records ENABLE ROW LEVEL SECURITY;
ALTER TABLE toolguard.logs ENABLE ROW LEVEL SECURITY;
CREATE POLICY registry ON toolguard.logs FOR SELECT USING (true);
CREATE POLICY own_log ON toolguard.logs FOR INSERT WITH CHECK (owner = session_user);
CREATE POLICY own_head ON toolguard.logs FOR UPDATE USING (owner = session_user);
ALTER TABLE toolguard.cursors ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON toolguard.cursors USING (owner = session_user);
