-- Roles of a toolguard store. Run it in the store's database, as a superuser or as the owner of the schema with
-- CREATEROLE; once the schema is there ('toolguard store migrate'), and again after each migration:
--
--     toolguard store roles --print | psql "dbname=approvals"
--
-- It makes five roles that nobody logs in with. Make a login role for each process and give it one of them, and the
-- tenants it may see ('*': all; a role with none sees nothing):
--
--     CREATE ROLE ward_agents LOGIN PASSWORD '…' IN ROLE toolguard_guard;
--     INSERT INTO toolguard.role_tenants VALUES ('ward_agents', 'north');
--
--     toolguard_owner    owns the schema and migrates it; no process that serves runs as it
--     toolguard_guard    agents: ask, claim, settle, keep tokens, append records; no verdict, grant, act or deletion
--     toolguard_service  the approval service: verdicts, grants, acts, the outbox; no tokens
--     toolguard_auditor  reads; no tokens
--     toolguard_keeper   takes records out of the journal that stand in segments ('toolguard audit archive --prune'); give
--                        it the tenants '*'. It writes only what it did into a log of its own; no tokens
--
-- Running it again takes back what it does not name.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['toolguard_owner', 'toolguard_guard', 'toolguard_service', 'toolguard_auditor',
        'toolguard_keeper'] LOOP
        IF to_regrole(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another store of this cluster got its roles at this moment
            END;
        END IF;
    END LOOP;
    -- the roles hold for every store of this cluster; their rights are given anew in this database
    FOR name IN SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'toolguard' AND c.relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO toolguard_owner', name);
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, toolguard_guard, toolguard_service, toolguard_auditor,
            toolguard_keeper', name);
    END LOOP;
    FOR name IN SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'toolguard'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO toolguard_owner', name);
    END LOOP;
END $$;
ALTER SCHEMA toolguard OWNER TO toolguard_owner;
REVOKE ALL ON SCHEMA toolguard FROM PUBLIC;
GRANT USAGE ON SCHEMA toolguard TO toolguard_guard, toolguard_service, toolguard_auditor, toolguard_keeper;

-- what every process reads
GRANT SELECT ON toolguard.meta, toolguard.transitions, toolguard.approvals, toolguard.verdicts, toolguard.ledger,
    toolguard.outbox, toolguard.announced, toolguard.acts, toolguard.uses, toolguard.leases, toolguard.logs,
    toolguard.records, toolguard.cursors, toolguard.marks, toolguard.contents
    TO toolguard_guard, toolguard_service, toolguard_auditor, toolguard_keeper;

-- what guards and the service both write: requests, claims and their ends, and the journal
GRANT INSERT (id, tenant, state, version, session, ref, tool, args_digest, call_digest, view_digest, policy_sha256,
        risk_level, requester, agent, created, expires, deadline, outcome, changed, sealed, request, run)
    ON toolguard.approvals TO toolguard_guard, toolguard_service;
GRANT UPDATE (state, version, deadline, lease_until, outcome, changed)
    ON toolguard.approvals TO toolguard_guard, toolguard_service;
GRANT INSERT ON toolguard.ledger TO toolguard_guard, toolguard_service;
GRANT UPDATE (standing, result, changed) ON toolguard.ledger TO toolguard_guard, toolguard_service;
GRANT INSERT (tenant, approval, notice) ON toolguard.outbox TO toolguard_guard, toolguard_service;
GRANT INSERT ON toolguard.announced TO toolguard_service;
GRANT INSERT ON toolguard.uses TO toolguard_guard, toolguard_service;
GRANT UPDATE (used) ON toolguard.uses TO toolguard_guard, toolguard_service;
GRANT INSERT (n, log_id, opened, first, seq, hash) ON toolguard.logs TO toolguard_guard, toolguard_service, toolguard_keeper;
GRANT UPDATE (seq, hash) ON toolguard.logs TO toolguard_guard, toolguard_service, toolguard_keeper;
GRANT INSERT ON toolguard.records TO toolguard_guard, toolguard_service, toolguard_keeper;
GRANT INSERT ON toolguard.contents TO toolguard_guard, toolguard_service;
GRANT INSERT, UPDATE (at, until) ON toolguard.marks TO toolguard_guard, toolguard_service;
GRANT INSERT (sink, log_id, seq) ON toolguard.cursors TO toolguard_guard, toolguard_service;
GRANT UPDATE (seq) ON toolguard.cursors TO toolguard_guard, toolguard_service;
GRANT UPDATE (num) ON toolguard.meta TO toolguard_guard, toolguard_service, toolguard_keeper;

-- the vault is the guards' alone
GRANT SELECT, INSERT, DELETE ON toolguard.tokens TO toolguard_guard;
GRANT SELECT, INSERT, UPDATE (last) ON toolguard.token_counters TO toolguard_guard;

-- what a person's word stands behind is the service's alone; what was said stays said
GRANT UPDATE (grant_payload, grant_signature, grant_key, grant_expires, proposal, editor)
    ON toolguard.approvals TO toolguard_service;
GRANT INSERT ON toolguard.verdicts, toolguard.acts TO toolguard_service;
GRANT UPDATE (holder, until, attempts), DELETE ON toolguard.outbox TO toolguard_service;
GRANT INSERT, UPDATE, DELETE ON toolguard.leases TO toolguard_service, toolguard_keeper;

-- a tenant's comments are a chain beside its register: whoever sees the one sees the other
DROP POLICY IF EXISTS comments ON toolguard.acts;
CREATE POLICY comments ON toolguard.acts FOR SELECT
    USING (starts_with(tenant, '*comments/') AND substr(tenant, 11) = ANY ((SELECT toolguard.tenants())::text[]));
DROP POLICY IF EXISTS comments_adds ON toolguard.acts;
CREATE POLICY comments_adds ON toolguard.acts FOR INSERT
    WITH CHECK (starts_with(tenant, '*comments/') AND substr(tenant, 11) = ANY ((SELECT toolguard.tenants())::text[]));

-- what two persons redact is deleted by the service alone
GRANT DELETE ON toolguard.contents TO toolguard_service;

-- marks nothing counts any more are swept by the service
GRANT DELETE ON toolguard.marks TO toolguard_service;

-- records that stand in segments are taken out by the keeper alone, and only what a record of pruning tells of (a trigger)
GRANT DELETE ON toolguard.records TO toolguard_keeper;
