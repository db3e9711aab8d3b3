-- Schema version 4: records that stand in segments are taken out. Never change it once it was released; add the next.

-- Only whoever may delete at all (the keeper) and sees every tenant.
CREATE POLICY keeper ON toolguard.records FOR DELETE USING ('*' = ANY ((SELECT toolguard.tenants())::text[]));

-- What is deleted, by anybody, a record of pruning tells of: it is written before, in the same transaction or an earlier one.
CREATE FUNCTION toolguard.check_prune() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT log_id, max(seq) AS seq FROM gone GROUP BY log_id) g
        WHERE NOT EXISTS (
            SELECT FROM toolguard.records p
            WHERE p.kind = 'audit.pruned' AND p.call = '' AND p.body::jsonb ->> 'toolguard.prune.log_id' = g.log_id
                AND (p.body::jsonb ->> 'toolguard.prune.last')::numeric >= g.seq
        )
    ) THEN
        RAISE EXCEPTION 'no record of pruning tells of these records' USING ERRCODE = 'TG031';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_prune AFTER DELETE ON toolguard.records
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION toolguard.check_prune();

-- How far each sink has delivered each log, by whoever reads all of it: the log's own process, or one that sees every tenant.
CREATE FUNCTION toolguard.delivered() RETURNS TABLE (sink text, log_id text, seq bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT s.sink, l.log_id, coalesce((
        SELECT max(c.seq) FROM toolguard.cursors c
        WHERE c.sink = s.sink AND c.log_id = l.log_id AND (c.owner = l.owner
            OR EXISTS (SELECT FROM toolguard.role_tenants r WHERE r.role = c.owner AND r.tenant = '*'))
    ), 0)
    FROM (SELECT DISTINCT c.sink FROM toolguard.cursors c) s CROSS JOIN toolguard.logs l
    $$;
