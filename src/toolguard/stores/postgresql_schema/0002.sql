-- Schema version 2: marks, what calls leave for later ones. Never change it once it was released; add the next.

CREATE TABLE toolguard.marks (
    tenant text NOT NULL,
    subject text NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    at double precision NOT NULL,
    until double precision,
    PRIMARY KEY (tenant, subject, kind, value)
);
CREATE INDEX marks_at ON toolguard.marks (tenant, subject, kind, at) INCLUDE (value);
CREATE INDEX records_kind ON toolguard.records (kind, log_id, seq) WHERE call = '';
CREATE INDEX marks_until ON toolguard.marks (until) WHERE until IS NOT NULL;

-- A mark stays what it is; its times only move on. A mark for ever stays for ever.
CREATE FUNCTION toolguard.check_mark() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (NEW.tenant, NEW.subject, NEW.kind, NEW.value) IS DISTINCT FROM (OLD.tenant, OLD.subject, OLD.kind, OLD.value)
        OR NOT NEW.at >= OLD.at OR NEW.at = 'NaN'
        OR (OLD.until IS NULL AND NEW.until IS NOT NULL) OR NEW.until < OLD.until THEN
        RAISE EXCEPTION 'marks only move on' USING ERRCODE = 'TG014';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_mark BEFORE UPDATE ON toolguard.marks
    FOR EACH ROW EXECUTE FUNCTION toolguard.check_mark();

ALTER TABLE toolguard.marks ENABLE ROW LEVEL SECURITY;
-- which signed policies were in force concerns every tenant
CREATE POLICY tenant ON toolguard.marks
    USING (tenant = '' OR tenant = ANY ((SELECT toolguard.tenants())::text[]) OR '*' = ANY ((SELECT toolguard.tenants())::text[]));
