-- Schema version 3: contents kept beside records, sealed. Never change it once it was released; add the next.

CREATE TABLE toolguard.contents (
    tenant text NOT NULL,
    id text NOT NULL COLLATE "C",
    key bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
ALTER TABLE toolguard.contents ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON toolguard.contents
    USING (tenant = ANY ((SELECT toolguard.tenants())::text[]) OR '*' = ANY ((SELECT toolguard.tenants())::text[]));
