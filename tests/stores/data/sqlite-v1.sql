PRAGMA application_id = 1952936548;
BEGIN TRANSACTION;
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
INSERT INTO "approvals" VALUES(1,'approval-north-waiting','north','denied',2,'s1','5:run/1/11:waiting:0/1/2','mail.send','v1:args-waiting','v1:call-waiting','v1:view-waiting','abababababababababababababababababababababababababababababababab','high','ana','scribe',1800000000.25,1800000600.25,NULL,NULL,NULL,'',1800000000.25,NULL,NULL,NULL,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF','{"agent":"scribe","agent_reason":"asked by the user","approver_rules":[{"approvers":["group:nurses","person:bo"],"channel":"inbox","claim_ttl":900.0,"expires":600.0,"name":"two","quorum":2,"reason_required":true,"verified_requester":false}],"args_digest":"v1:args-waiting","assurance":"verified","because":"mail leaves the house","call":"call-waiting","call_digest":"v1:call-waiting","claim_ttl":60.0,"created":1800000000.25,"decisive":{"to":"host example.org"},"entities":{"EMAIL":1},"evidence":["sends mail"],"excluded":["ana","olga"],"expires":1800000600.25,"id":"approval-north-waiting","policy_id":"clinic","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"7","ref":{"call_id":"waiting:0/1","ordinal":2,"run":"run/1"},"requester":{"issuer":"local","subject":"ana","tenant":"north"},"requester_person":"ana","risk_class":"communication","risk_level":"high","rules":["mail-out","phi-out"],"session":"s1","span_id":"0b0b0b0b0b0b0b0b","tenant":"north","tool":"mail.send","tool_ref":"module:mail#mail.send@00","trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","truncated":true,"view":{"$odd":"ü 😀","n":[1,2.5,true,null,1180591620717411303424],"to":"<EMAIL_1>"},"view_digest":"v1:view-waiting"}');
INSERT INTO "approvals" VALUES(2,'approval-north-approved','north','approved',2,'s1','5:run/1/12:approved:0/1/2','mail.send','v1:args-approved','v1:call-approved','v1:view-approved','abababababababababababababababababababababababababababababababab','high','ana','scribe',1800000000.25,1800000600.25,1800000060.25,1800000060.25,NULL,'',1800000000.25,X'7061796C6F616400',X'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF','k1',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF','{"agent":"scribe","agent_reason":"asked by the user","approver_rules":[{"approvers":["group:nurses","person:bo"],"channel":"inbox","claim_ttl":900.0,"expires":600.0,"name":"two","quorum":2,"reason_required":true,"verified_requester":false}],"args_digest":"v1:args-approved","assurance":"verified","because":"mail leaves the house","call":"call-approved","call_digest":"v1:call-approved","claim_ttl":60.0,"created":1800000000.25,"decisive":{"to":"host example.org"},"entities":{"EMAIL":1},"evidence":["sends mail"],"excluded":["ana","olga"],"expires":1800000600.25,"id":"approval-north-approved","policy_id":"clinic","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"7","ref":{"call_id":"approved:0/1","ordinal":2,"run":"run/1"},"requester":{"issuer":"local","subject":"ana","tenant":"north"},"requester_person":"ana","risk_class":"communication","risk_level":"high","rules":["mail-out","phi-out"],"session":"s1","span_id":"0b0b0b0b0b0b0b0b","tenant":"north","tool":"mail.send","tool_ref":"module:mail#mail.send@00","trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","truncated":true,"view":{"$odd":"ü 😀","n":[1,2.5,true,null,1180591620717411303424],"to":"<EMAIL_1>"},"view_digest":"v1:view-approved"}');
INSERT INTO "approvals" VALUES(3,'approval-north-ran','north','executed',4,'s1','5:run/1/7:ran:0/1/2','mail.send','v1:args-ran','v1:call-ran','v1:view-ran','abababababababababababababababababababababababababababababababab','high','ana','scribe',1800000000.25,1800000600.25,NULL,1800000060.25,1800000030.25,'ok',1800000000.25,X'7061796C6F616400',X'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF','k1',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF','{"agent":"scribe","agent_reason":"asked by the user","approver_rules":[{"approvers":["group:nurses","person:bo"],"channel":"inbox","claim_ttl":900.0,"expires":600.0,"name":"two","quorum":2,"reason_required":true,"verified_requester":false}],"args_digest":"v1:args-ran","assurance":"verified","because":"mail leaves the house","call":"call-ran","call_digest":"v1:call-ran","claim_ttl":60.0,"created":1800000000.25,"decisive":{"to":"host example.org"},"entities":{"EMAIL":1},"evidence":["sends mail"],"excluded":["ana","olga"],"expires":1800000600.25,"id":"approval-north-ran","policy_id":"clinic","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"7","ref":{"call_id":"ran:0/1","ordinal":2,"run":"run/1"},"requester":{"issuer":"local","subject":"ana","tenant":"north"},"requester_person":"ana","risk_class":"communication","risk_level":"high","rules":["mail-out","phi-out"],"session":"s1","span_id":"0b0b0b0b0b0b0b0b","tenant":"north","tool":"mail.send","tool_ref":"module:mail#mail.send@00","trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","truncated":true,"view":{"$odd":"ü 😀","n":[1,2.5,true,null,1180591620717411303424],"to":"<EMAIL_1>"},"view_digest":"v1:view-ran"}');
INSERT INTO "approvals" VALUES(4,'approval-south-elsewhere','south','pending',1,'s1','5:run/1/13:elsewhere:0/1/2','mail.send','v1:args-elsewhere','v1:call-elsewhere','v1:view-elsewhere','abababababababababababababababababababababababababababababababab','high','ana','scribe',1800000000.25,1800000600.25,1800000600.25,NULL,NULL,'',1800000000.25,NULL,NULL,NULL,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF','{"agent":"scribe","agent_reason":"asked by the user","approver_rules":[{"approvers":["group:nurses","person:bo"],"channel":"inbox","claim_ttl":900.0,"expires":600.0,"name":"two","quorum":2,"reason_required":true,"verified_requester":false}],"args_digest":"v1:args-elsewhere","assurance":"verified","because":"mail leaves the house","call":"call-elsewhere","call_digest":"v1:call-elsewhere","claim_ttl":60.0,"created":1800000000.25,"decisive":{"to":"host example.org"},"entities":{"EMAIL":1},"evidence":["sends mail"],"excluded":["ana","olga"],"expires":1800000600.25,"id":"approval-south-elsewhere","policy_id":"clinic","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"7","ref":{"call_id":"elsewhere:0/1","ordinal":2,"run":"run/1"},"requester":{"issuer":"local","subject":"ana","tenant":"south"},"requester_person":"ana","risk_class":"communication","risk_level":"high","rules":["mail-out","phi-out"],"session":"s1","span_id":"0b0b0b0b0b0b0b0b","tenant":"south","tool":"mail.send","tool_ref":"module:mail#mail.send@00","trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","truncated":true,"view":{"$odd":"ü 😀","n":[1,2.5,true,null,1180591620717411303424],"to":"<EMAIL_1>"},"view_digest":"v1:view-elsewhere"}');
CREATE TABLE cursors (
    sink TEXT NOT NULL, log_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (sink, log_id)
) WITHOUT ROWID;
INSERT INTO "cursors" VALUES('jaeger','27df7b370f68ab9ff8b7cdb017beb09f',3);
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
INSERT INTO "ledger" VALUES('north','5:run/1/11:waiting:0/1/2','v1:call-waiting','asked',1,X'',1800000000.25);
INSERT INTO "ledger" VALUES('north','5:run/1/12:approved:0/1/2','v1:call-approved','asked',1,X'',1800000000.25);
INSERT INTO "ledger" VALUES('north','5:run/1/7:ran:0/1/2','v1:call-ran','executed',1,X'7365616C6564',1800000000.25);
INSERT INTO "ledger" VALUES('south','5:run/1/13:elsewhere:0/1/2','v1:call-elsewhere','asked',1,X'',1800000000.25);
CREATE TABLE logs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    log_id TEXT NOT NULL UNIQUE,
    opened REAL NOT NULL,
    first TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO "logs" VALUES(1,'27df7b370f68ab9ff8b7cdb017beb09f',1800000000.25,'30af5ecf9050fc0bef2defb9f538883585a25e3a7657f1df21899d04e2e9ca9e',8,'4cf4e1511e935dd00787cd6d3944b684a299f418142e57f2876d7ec208c0376d');
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('epoch','e80de7d65046697f0c22c07542465781');
INSERT INTO "meta" VALUES('purges',0);
INSERT INTO "meta" VALUES('schema_version',1);
INSERT INTO "meta" VALUES('time',1800000000.25);
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    approval TEXT NOT NULL REFERENCES approvals (id)
);
INSERT INTO "outbox" VALUES(1,'north','approval-north-waiting');
INSERT INTO "outbox" VALUES(2,'north','approval-north-approved');
INSERT INTO "outbox" VALUES(3,'north','approval-north-ran');
INSERT INTO "outbox" VALUES(4,'north','approval-north-ran');
INSERT INTO "outbox" VALUES(5,'south','approval-south-elsewhere');
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
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',1,'0000000000000000000000000000000000000000000000000000000000000000','30af5ecf9050fc0bef2defb9f538883585a25e3a7657f1df21899d04e2e9ca9e','log.opened',1800000000.25,1800000000.25,'','','','','','{"process.pid":8591,"toolguard.audit.log_id":"27df7b370f68ab9ff8b7cdb017beb09f","toolguard.audit.registry.number":1,"toolguard.audit.registry.prev":"0000000000000000000000000000000000000000000000000000000000000000","toolguard.store.epoch":"e80de7d65046697f0c22c07542465781"}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',2,'30af5ecf9050fc0bef2defb9f538883585a25e3a7657f1df21899d04e2e9ca9e','02bd136306afe3ab402f5e867c545c03b2837ebc5e00f55cd17925890fd5f96f','call.decided',1800000000.25,1799999999.75,'call-waiting','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',3,'02bd136306afe3ab402f5e867c545c03b2837ebc5e00f55cd17925890fd5f96f','b38a7ad4fd6fe4b46dc298022cb271107de95217d5ffb5975cec9f804bf6d118','call.decided',1800000000.25,1799999999.75,'call-approved','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',4,'b38a7ad4fd6fe4b46dc298022cb271107de95217d5ffb5975cec9f804bf6d118','14be845b10bdb97a0daabe4c80c77abfc7eaed0b20dbefad993942a1e6d40d49','call.decided',1800000000.25,1799999999.75,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',5,'14be845b10bdb97a0daabe4c80c77abfc7eaed0b20dbefad993942a1e6d40d49','ac9cd341606ff8435acf3e5a1188ebe36264dd58d3731afa48fb7cad2807703c','call.executing',1800000000.25,1799999999.75,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',6,'ac9cd341606ff8435acf3e5a1188ebe36264dd58d3731afa48fb7cad2807703c','97c7c06c981fa1b0adf1b5f512511e7c8b1c8a15c28e97b322c0557e7804dc22','call.returned',1800000000.25,1799999999.75,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',7,'97c7c06c981fa1b0adf1b5f512511e7c8b1c8a15c28e97b322c0557e7804dc22','b8b627c77e9b38926b0ff363bc377946bcadeea26e12ae867304e61de112d7d4','call.decided',1800000000.25,1799999999.75,'call-elsewhere','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
INSERT INTO "records" VALUES('27df7b370f68ab9ff8b7cdb017beb09f',8,'b8b627c77e9b38926b0ff363bc377946bcadeea26e12ae867304e61de112d7d4','4cf4e1511e935dd00787cd6d3944b684a299f418142e57f2876d7ec208c0376d','approval.verdict',1800000000.25,1799999999.75,'call-waiting','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0c0c0c0c0c0c0c0c','0b0b0b0b0b0b0b0b','0d0d0d0d0d0d0d0d','{"gen_ai.tool.name":"mail.send","list":["a","b"],"n":0.1,"toolguard.phi.count":2}');
CREATE TABLE token_counters (
    tenant TEXT NOT NULL,
    session TEXT NOT NULL,
    namespace TEXT NOT NULL,
    type TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (tenant, session, namespace, type)
) WITHOUT ROWID;
INSERT INTO "token_counters" VALUES('north','s','','PERSON',2);
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
INSERT INTO "tokens" VALUES('north','s','','PERSON',1,0,'v1:4badb448076eaeeba6d2f6c1c463d7d0352fcea362efac3d11a0435a4c65e765','v1:246b3be4f787228360023430b4d47a626bb1ee1fea9e1c67c6cb2780111607af',X'A22A92E69D1454A20D370FF50E169D1FF4A1CEFB884D7EB01B3ABCB7A910C31F187C3A');
INSERT INTO "tokens" VALUES('north','s','','PERSON',1,1,'v1:4badb448076eaeeba6d2f6c1c463d7d0352fcea362efac3d11a0435a4c65e765','v1:0c7a4cdd67796b4e2685f329c767e142447a9e9cd0a3291cec58b76253a961f4',X'F8DB7D33B31F162611602BA87DE61CDC0B403ACB1194FE2854521D065405912DE6719B');
INSERT INTO "tokens" VALUES('north','s','','PERSON',2,0,'v1:2e4f37cd50adab38134ae6c5bd6a786c5b898a6eeaf5487a186af096ce556066','v1:763c7f7c2fca5a47f5334c32a4f0261d5db50ed1c3710b1fce55c3e4ce8e3206',X'9FA5C87F8E6B142F85E6880913FCCBE5EF9FC8F9725ACE10FE15C8833F3077EA80');
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
INSERT INTO "verdicts" VALUES('approval-north-approved',0,'north','approve','bo',1800000000.25,'{"answer":"approve","at":1800000000.25,"auth":"token","channel":"inbox","groups":["nurses"],"identity":{"issuer":"local","subject":"bo","tenant":"north"},"person":"bo","reason":"seen","request":"approval-north-approved","seen_call_digest":"v1:call-approved","seen_view_digest":"v1:view-approved"}');
INSERT INTO "verdicts" VALUES('approval-north-ran',0,'north','approve','bo',1800000000.25,'{"answer":"approve","at":1800000000.25,"auth":"token","channel":"inbox","groups":["nurses"],"identity":{"issuer":"local","subject":"bo","tenant":"north"},"person":"bo","reason":"seen","request":"approval-north-ran","seen_call_digest":"v1:call-ran","seen_view_digest":"v1:view-ran"}');
INSERT INTO "verdicts" VALUES('approval-north-waiting',0,'north','deny','bo',1800000000.25,'{"answer":"deny","at":1800000000.25,"auth":"token","channel":"inbox","groups":["nurses"],"identity":{"issuer":"local","subject":"bo","tenant":"north"},"person":"bo","reason":"seen","request":"approval-north-waiting","seen_call_digest":"v1:call-waiting","seen_view_digest":"v1:view-waiting"}');
CREATE INDEX approvals_ref ON approvals (tenant, ref);
CREATE INDEX approvals_state ON approvals (tenant, state, n);
CREATE INDEX approvals_deadline ON approvals (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX records_call ON records (call) WHERE call <> '';
CREATE UNIQUE INDEX tokens_spelling ON tokens (tenant, session, spelling);
CREATE INDEX tokens_identity ON tokens (tenant, session, identity, idx, variant);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',5);
INSERT INTO "sqlite_sequence" VALUES('logs',1);
COMMIT;
