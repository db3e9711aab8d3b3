PRAGMA application_id = 1952936548;
BEGIN TRANSACTION;
CREATE TABLE acts (
    tenant TEXT NOT NULL,
    n INTEGER NOT NULL,
    payload BLOB NOT NULL,
    signature BLOB NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (tenant, n)
) WITHOUT ROWID;
CREATE TABLE announced (tenant TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (tenant, key)) WITHOUT ROWID;
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
, run TEXT NOT NULL DEFAULT '', proposal TEXT, editor TEXT NOT NULL DEFAULT '');
INSERT INTO "approvals" VALUES(1,'approval-north-ran','north','executed',4,'s1','5:run/1/7:ran:0/1/2','mail.send','v1:args-ran','v1:call-ran','v1:view-ran','abababababababababababababababababababababababababababababababab','high','ana','scribe',1605000001.0,1605000601.0,NULL,1605000061.0,1605000031.0,'ok',1605000001.0,NULL,NULL,NULL,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF','{"agent":"scribe","agent_reason":"asked by the user","approver_rules":[{"approvers":["group:nurses","person:bo"],"break_glass":[],"break_glass_for":1800.0,"budget":0,"channel":"inbox","claim_ttl":900.0,"denial_memory":900.0,"escalate":[],"expires":600.0,"fallback":[],"name":"two","quorum":2,"reason_required":true,"remind":0.0,"reveal":true,"standing":null,"step_up":false,"then":[],"verified_requester":false}],"arg_digests":{},"args_digest":"v1:args-ran","assurance":"verified","because":"mail leaves the house","bound":{},"call":"call-ran","call_digest":"v1:call-ran","claim_ttl":60.0,"created":1605000001.0,"decisive":{"to":"host example.org"},"entities":{"EMAIL":1},"evidence":["sends mail"],"excluded":["ana","olga"],"expires":1605000601.0,"fallback":[],"hidden":[],"id":"approval-north-ran","policy_id":"clinic","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"7","ref":{"call_id":"ran:0/1","ordinal":2,"run":"run/1"},"requester":{"issuer":"local","subject":"ana","tenant":"north"},"requester_person":"ana","risk_class":"communication","risk_classes":[],"risk_level":"high","rules":["mail-out","phi-out"],"sealed_decisive":"","session":"s1","span_id":"0b0b0b0b0b0b0b0b","subject":"","target":"","tenant":"north","tool":"mail.send","tool_ref":"module:mail#mail.send@00","trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","truncated":true,"unbound":[],"view":{"$odd":"ü 😀","n":[1,2.5,true,null,1180591620717411303424],"to":"<EMAIL_1>"},"view_digest":"v1:view-ran"}','run/1',NULL,'');
INSERT INTO "approvals" VALUES(2,'approval-north-no','north','denied',2,'s1','5:run/1/6:no:0/1/2','mail.send','v1:args-no','v1:call-no','v1:view-no','abababababababababababababababababababababababababababababababab','high','ana','scribe',1605000101.123,1605000701.123,NULL,NULL,NULL,'',1605000101.123,NULL,NULL,NULL,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBFC0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF','{"agent":"scribe","agent_reason":"asked by the user","approver_rules":[{"approvers":["group:nurses","person:bo"],"break_glass":[],"break_glass_for":1800.0,"budget":0,"channel":"inbox","claim_ttl":900.0,"denial_memory":900.0,"escalate":[],"expires":600.0,"fallback":[],"name":"two","quorum":2,"reason_required":true,"remind":0.0,"reveal":true,"standing":null,"step_up":false,"then":[],"verified_requester":false}],"arg_digests":{},"args_digest":"v1:args-no","assurance":"verified","because":"mail leaves the house","bound":{},"call":"call-no","call_digest":"v1:call-no","claim_ttl":60.0,"created":1605000101.123,"decisive":{"to":"host example.org"},"entities":{"EMAIL":1},"evidence":["sends mail"],"excluded":["ana","olga"],"expires":1605000701.123,"fallback":[],"hidden":[],"id":"approval-north-no","policy_id":"clinic","policy_sha256":"abababababababababababababababababababababababababababababababab","policy_version":"7","ref":{"call_id":"no:0/1","ordinal":2,"run":"run/1"},"requester":{"issuer":"local","subject":"ana","tenant":"north"},"requester_person":"ana","risk_class":"communication","risk_classes":[],"risk_level":"high","rules":["mail-out","phi-out"],"sealed_decisive":"","session":"s1","span_id":"0b0b0b0b0b0b0b0b","subject":"","target":"","tenant":"north","tool":"mail.send","tool_ref":"module:mail#mail.send@00","trace_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","truncated":true,"unbound":[],"view":{"$odd":"ü 😀","n":[1,2.5,true,null,1180591620717411303424],"to":"<EMAIL_1>"},"view_digest":"v1:view-no"}','run/1',NULL,'');
CREATE TABLE cursors (
    sink TEXT NOT NULL, log_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (sink, log_id)
) WITHOUT ROWID;
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "leases" VALUES('audit.checkpoint','436b134edc41cade',1605000031.123);
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
INSERT INTO "ledger" VALUES('north','5:run-1/9:plain-one/0','d','executed',0,X'',1605000000.0);
INSERT INTO "ledger" VALUES('north','5:run-1/9:plain-two/0','d','executed',0,X'',1605000101.123);
INSERT INTO "ledger" VALUES('north','5:run/1/6:no:0/1/2','v1:call-no','asked',1,X'',1605000101.123);
INSERT INTO "ledger" VALUES('north','5:run/1/7:ran:0/1/2','v1:call-ran','executed',1,X'',1605000001.0);
CREATE TABLE logs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    log_id TEXT NOT NULL UNIQUE,
    opened REAL NOT NULL,
    first TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO "logs" VALUES(1,'ca9fa792929bf77fbd50e0369c35afea',1605000000.0,'b5e4091f5f05f18f9badeb6634c7dc7102423ec752089fecf17ec15df5d32d40',23,'af85e126056c1d68424831aa2bfd985b748e17f837e0c211c1a08beb5296a70f');
INSERT INTO "logs" VALUES(2,'ab2841c0f9079d6dfabbb686ce73cae0',1605000001.123,'7ac84df767accda24451c902653d74d17290322916f27c55933e72998f6d40e9',5,'17a9bafae774d757ac5bf2ee85b0c554b9e7cb9952add180588427ea49c518c2');
INSERT INTO "logs" VALUES(3,'e1e8aea52bc5ffd958dd08d2d4d80b49',1605000101.123,'24ca76237fcebbb228554f03f420e461c921defdc33d87dba87e533bff3e2248',7,'2553a450c1f89e8a3b90be453e465e43268ffd5547e61624a7376b456017bd9a');
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO "meta" VALUES('epoch','ce4d4977447e6e507601000faf8b1d29');
INSERT INTO "meta" VALUES('purges',0);
INSERT INTO "meta" VALUES('schema_version',4);
INSERT INTO "meta" VALUES('time',1605000101.123);
CREATE TABLE outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    approval TEXT NOT NULL REFERENCES approvals (id)
, notice TEXT NOT NULL DEFAULT 'state', attempts INTEGER NOT NULL DEFAULT 0, holder TEXT NOT NULL DEFAULT '', until REAL NOT NULL DEFAULT 0.0);
INSERT INTO "outbox" VALUES(1,'north','approval-north-ran','state',0,'',0.0);
INSERT INTO "outbox" VALUES(2,'north','approval-north-no','state',0,'',0.0);
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
INSERT INTO "records" VALUES('ab2841c0f9079d6dfabbb686ce73cae0',1,'0000000000000000000000000000000000000000000000000000000000000000','7ac84df767accda24451c902653d74d17290322916f27c55933e72998f6d40e9','log.opened',1605000001.123,1605000001.123,'','','','','','{"process.pid":2596,"toolguard.audit.log_id":"ab2841c0f9079d6dfabbb686ce73cae0","toolguard.audit.registry.number":2,"toolguard.audit.registry.prev":"b5e4091f5f05f18f9badeb6634c7dc7102423ec752089fecf17ec15df5d32d40","toolguard.store.epoch":"ce4d4977447e6e507601000faf8b1d29"}');
INSERT INTO "records" VALUES('ab2841c0f9079d6dfabbb686ce73cae0',2,'7ac84df767accda24451c902653d74d17290322916f27c55933e72998f6d40e9','53b75f584f7cbd1a5ffe96ac72d992621ec522dfae8c13ce416e0085f6f942b6','audit.checkpoint',1605000001.123,1605000001.123,'','','879cf5c8615a43c8','','','{"toolguard.audit.checkpoint.log_id":"ca9fa792929bf77fbd50e0369c35afea","toolguard.audit.checkpoint.note":"toolguard/ce4d4977447e6e507601000faf8b1d29/ca9fa792929bf77fbd50e0369c35afea\n23\ntQbdwJk3HxWP5n9vuM+EcngyDU+D6TRhtpkRWF2GWio=\n\n— toolguard/ce4d4977447e6e507601000faf8b1d29/ca9fa792929bf77fbd50e0369c35afea FU/k6L19C2BQw34y4C5BFSlbcPNkCZ1kakIAKg+5YJHifTa30FJvxsSpZBlg52+jvDWDOwFA2gKtMFNPqNwT55KBkgY=\n","toolguard.audit.checkpoint.root":"b506ddc099371f158fe67f6fb8cf847278320d4f83e93461b69911585d865a2a","toolguard.audit.checkpoint.size":23}');
INSERT INTO "records" VALUES('ab2841c0f9079d6dfabbb686ce73cae0',3,'53b75f584f7cbd1a5ffe96ac72d992621ec522dfae8c13ce416e0085f6f942b6','cbfb4845860ad6dd3b39fd041f08446a721efd2b821240b85ef334828096cea6','audit.checkpoint',1605000001.123,1605000001.123,'','','c8fb6db3d36aea92','','','{"toolguard.audit.checkpoint.log_id":"registry","toolguard.audit.checkpoint.note":"toolguard/ce4d4977447e6e507601000faf8b1d29/registry\n1\nteQJH18F8Y+bretmNMfccQJCPsdSCJ/s8X7BXfXTLUA=\n\n— toolguard/ce4d4977447e6e507601000faf8b1d29/registry RW6naOy1hrakdY64tcnVxoacMzRfqG2eu9WYxJhrowHhLqWmrS0p+9uedoH8cYi4nAih3nhtU9TxZN4kt1PCmHy4ZgI=\n","toolguard.audit.checkpoint.root":"b5e4091f5f05f18f9badeb6634c7dc7102423ec752089fecf17ec15df5d32d40","toolguard.audit.checkpoint.size":1}');
INSERT INTO "records" VALUES('ab2841c0f9079d6dfabbb686ce73cae0',4,'cbfb4845860ad6dd3b39fd041f08446a721efd2b821240b85ef334828096cea6','6b9b4466911557f8033138dc0feebd50afbc5a56f40dc70c429f0599acdb1d50','audit.checkpoint',1605000101.123,1605000101.123,'','','8b3f9bc4d4adbadf','','','{"toolguard.audit.anchored":["63a8f62ebe9faca7:3:7d5b7c31bd683b8520058feea64658051af0c3b52035a49cce55fff454f29529"],"toolguard.audit.checkpoint.log_id":"e1e8aea52bc5ffd958dd08d2d4d80b49","toolguard.audit.checkpoint.note":"toolguard/ce4d4977447e6e507601000faf8b1d29/e1e8aea52bc5ffd958dd08d2d4d80b49\n7\npROhqPObNanBjkA2aOQ5FIFg5z1QkJEh6h8DgtwN8tc=\n\n— toolguard/ce4d4977447e6e507601000faf8b1d29/e1e8aea52bc5ffd958dd08d2d4d80b49 UWmPfHLbLPiAD3ONxh5oXMMZ9DhGJbNHU/4jW3aWKw/8hSedNm0B+AJvN1x8USFQdc/Y/9v1iDHyJ8jhCce/WTnKrgA=\n","toolguard.audit.checkpoint.root":"a513a1a8f39b35a9c18e403668e439148160e73d50909121ea1f0382dc0df2d7","toolguard.audit.checkpoint.size":7}');
INSERT INTO "records" VALUES('ab2841c0f9079d6dfabbb686ce73cae0',5,'6b9b4466911557f8033138dc0feebd50afbc5a56f40dc70c429f0599acdb1d50','17a9bafae774d757ac5bf2ee85b0c554b9e7cb9952add180588427ea49c518c2','audit.checkpoint',1605000101.123,1605000101.123,'','','90f11120a0fd861a','','','{"toolguard.audit.anchored":["63a8f62ebe9faca7:3:7d5b7c31bd683b8520058feea64658051af0c3b52035a49cce55fff454f29529"],"toolguard.audit.checkpoint.log_id":"registry","toolguard.audit.checkpoint.note":"toolguard/ce4d4977447e6e507601000faf8b1d29/registry\n3\n++olDxR/a/uVSH5tPKeBfjLQF+NHGTZG8TIKoqu4QBA=\n\n— toolguard/ce4d4977447e6e507601000faf8b1d29/registry RW6naHjrsZhHZeY1e6Tg9yb6VnhTJ1z3eQuajMbJtWSDJQ2hzjl9oREOn2EZoLk6NaL1meQPzTkI3Mg3v9o8BEG00AM=\n","toolguard.audit.checkpoint.root":"fbea250f147f6bfb95487e6d3ca7817e32d017e347193646f1320aa2abb84010","toolguard.audit.checkpoint.size":3}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',1,'0000000000000000000000000000000000000000000000000000000000000000','b5e4091f5f05f18f9badeb6634c7dc7102423ec752089fecf17ec15df5d32d40','log.opened',1605000000.0,1605000000.0,'','','','','','{"process.pid":2596,"toolguard.audit.log_id":"ca9fa792929bf77fbd50e0369c35afea","toolguard.audit.registry.number":1,"toolguard.audit.registry.prev":"0000000000000000000000000000000000000000000000000000000000000000","toolguard.store.epoch":"ce4d4977447e6e507601000faf8b1d29"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',2,'b5e4091f5f05f18f9badeb6634c7dc7102423ec752089fecf17ec15df5d32d40','cc8ec4cd0c5bdc73f794165fe102a216143cbacf8f27070bf623b8a325ed2473','call.decided',1605000000.0,1604999999.9,'plain-one','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','400b4f5f084379e4','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.decision.outcome":"allowed","toolguard.risk.level":"low","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',3,'cc8ec4cd0c5bdc73f794165fe102a216143cbacf8f27070bf623b8a325ed2473','75b7ffda888ef231c86f73b20c818949328be169cd9504060fd4728a6e2d6c6b','call.executing',1605000000.0,1604999999.9,'plain-one','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','aef3f5b37a653282','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',4,'75b7ffda888ef231c86f73b20c818949328be169cd9504060fd4728a6e2d6c6b','f889d4cdd9ea38906be36bc2d5f7aae36efb0661348d1ec1ff0fc7d9080dc836','call.returned',1605000000.2,1.60500000010000014307e+09,'plain-one','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','9ccc772148ca4094','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.decision.outcome":"executed","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',5,'f889d4cdd9ea38906be36bc2d5f7aae36efb0661348d1ec1ff0fc7d9080dc836','18993a08f962dceb249d1ffa01c604e7f95c6dbeed3a11727cbbf37d4e9ce2c5','call.decided',1605000001.0,1605000000.9,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','1499ef4f46c0c018','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.decision.outcome":"pending","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',6,'18993a08f962dceb249d1ffa01c604e7f95c6dbeed3a11727cbbf37d4e9ce2c5','dacefeb5e126fa2b17b94d3a3676b8e9c2c735c1b6af63eca782708324ce0b03','approval.requested',1605000001.0,1605000000.9,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','6a33b35c81352a83','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.approval.id":"approval-north-ran","toolguard.decision.outcome":"pending","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',7,'dacefeb5e126fa2b17b94d3a3676b8e9c2c735c1b6af63eca782708324ce0b03','10c2d411f9736323507e160683a71f64c8631abadb48eac0ed43848f6c844058','approval.verdict',1605000001.0,1605000000.9,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','bade9251aa48a066','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.approval.id":"approval-north-ran","toolguard.approver.id":"bo","toolguard.decision.outcome":"approved","toolguard.decision.reason_code":"approve","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',8,'10c2d411f9736323507e160683a71f64c8631abadb48eac0ed43848f6c844058','202c855a6680277bc9730e38242857abbddd8ef4b49c2fd4909052534dcb902a','call.executing',1605000001.0,1605000000.9,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','c08cb06038e278b6','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.approval.id":"approval-north-ran","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',9,'202c855a6680277bc9730e38242857abbddd8ef4b49c2fd4909052534dcb902a','8f33ac6fe706b4b0997b6c69ce07b5bd99d9329af9300eb127b3e52be4dec03b','call.returned',1605000001.0,1605000000.9,'call-ran','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','102db81c815bbc41','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.approval.id":"approval-north-ran","toolguard.decision.outcome":"executed","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',10,'8f33ac6fe706b4b0997b6c69ce07b5bd99d9329af9300eb127b3e52be4dec03b','7c18614be31e10541763e6195f220d9157bbf8b077fc42d818465c07815efabf','policy.loaded',1605000100.125,1605000099.625,'','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000002','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',11,'7c18614be31e10541763e6195f220d9157bbf8b077fc42d818465c07815efabf','7b45ecc512e95d5837c1910b3e5f9c366921ae463d7a8306580c6856f5e5f389','policy.refused',1605000100.25,1605000099.75,'','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000003','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',12,'7b45ecc512e95d5837c1910b3e5f9c366921ae463d7a8306580c6856f5e5f389','70ff4eb34efd2b1d0c6f729646fa90c4f6106933faafd5982a5fbed768dfa48e','call.decided',1605000100.375,1605000099.875,'call-3','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000004','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',13,'70ff4eb34efd2b1d0c6f729646fa90c4f6106933faafd5982a5fbed768dfa48e','e5a88e42c54c64136495c67fe2f14c4d402b8dc0bf8cb0ab98933b843af33271','call.executing',1605000100.5,1605000100.0,'call-4','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000005','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',14,'e5a88e42c54c64136495c67fe2f14c4d402b8dc0bf8cb0ab98933b843af33271','7d66e2b4d15ec5a09dde0f492bb29d0fb7621b46c9b37fa3806d677d42e62af5','call.returned',1605000100.625,1605000100.125,'call-5','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000006','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',15,'7d66e2b4d15ec5a09dde0f492bb29d0fb7621b46c9b37fa3806d677d42e62af5','f9eef89c195eebd0449103d911f798e141e3b31ec45a0defc793196ec7a37516','call.failed',1605000100.75,1605000100.25,'call-6','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000007','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',16,'f9eef89c195eebd0449103d911f798e141e3b31ec45a0defc793196ec7a37516','3a8214d1bf3735dd781e1792da22d8167f8f587af71e505a03d0a33d3b3bfb42','call.not_run',1605000100.875,1605000100.375,'call-7','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000008','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',17,'3a8214d1bf3735dd781e1792da22d8167f8f587af71e505a03d0a33d3b3bfb42','4e5830a74b42d5afd83ae4a813dd32002c4ede33321a2a75ab250c0391e3e70a','call.indeterminate',1605000101.0,1605000100.5,'call-8','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000009','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',18,'4e5830a74b42d5afd83ae4a813dd32002c4ede33321a2a75ab250c0391e3e70a','a34881a1646a75b4ab8166b61ca832ae7f2ed44966c2560d3feb9459e3197348','values.revealed',1605000101.875,1605000101.375,'call-15','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000010','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',19,'a34881a1646a75b4ab8166b61ca832ae7f2ed44966c2560d3feb9459e3197348','ecf16ed9956b872eb48379b4e37ee54741a6eb808fb592f782d69a033e2f8a1f','credential.released',1605000102.0,1605000101.5,'call-16','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000011','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',20,'ecf16ed9956b872eb48379b4e37ee54741a6eb808fb592f782d69a033e2f8a1f','fcda93a670e19e4f3ed0d8cd9f1c0727957caa8367e191ef60bf26541997331f','credential.revoked',1605000102.125,1605000101.625,'call-17','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000012','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',21,'fcda93a670e19e4f3ed0d8cd9f1c0727957caa8367e191ef60bf26541997331f','70fad868d5da5b810ef185ab03fb97bb24b8e40aa4be1344f3821af25e4553d0','credential.refused',1605000102.25,1605000101.75,'call-18','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000013','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',22,'70fad868d5da5b810ef185ab03fb97bb24b8e40aa4be1344f3821af25e4553d0','401a748288207c51751a167c5bd09fab9510dc1844a620784e4f19e12d1587f6','audit.review',1605000102.5,1605000102.0,'','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000015','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('ca9fa792929bf77fbd50e0369c35afea',23,'401a748288207c51751a167c5bd09fab9510dc1844a620784e4f19e12d1587f6','af85e126056c1d68424831aa2bfd985b748e17f837e0c211c1a08beb5296a70f','span.parked',1605000102.625,1605000102.125,'','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','0000000000000016','0b0b0b0b0b0b0b0b','0c0c0c0c0c0c0c0c','{"big":1e+21,"count":7,"list":["b","a"],"nested":{"z":[1,2.5],"ä":"x"},"none":null,"small":1e-07,"text":"Ünï \"quoted\" \\   \u0001 🩺","toolguard.tenant":"north","whole":42.0,"yes":true}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',1,'0000000000000000000000000000000000000000000000000000000000000000','24ca76237fcebbb228554f03f420e461c921defdc33d87dba87e533bff3e2248','log.opened',1605000101.123,1605000101.123,'','','','','','{"process.pid":2596,"toolguard.audit.log_id":"e1e8aea52bc5ffd958dd08d2d4d80b49","toolguard.audit.registry.number":3,"toolguard.audit.registry.prev":"7ac84df767accda24451c902653d74d17290322916f27c55933e72998f6d40e9","toolguard.store.epoch":"ce4d4977447e6e507601000faf8b1d29"}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',2,'24ca76237fcebbb228554f03f420e461c921defdc33d87dba87e533bff3e2248','fb17a42a5a84e466530d04313eb9f3c571a5ed162ac76324a30125a663193def','call.decided',1605000101.123,1605000101.023,'plain-two','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','9dd7d939c7fec749','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.decision.outcome":"allowed","toolguard.risk.level":"low","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',3,'fb17a42a5a84e466530d04313eb9f3c571a5ed162ac76324a30125a663193def','289b3decfe95bc9dae820ccf3425fadaf2fadab478051a2797e0144d0e000230','call.executing',1605000101.123,1605000101.023,'plain-two','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','49ca9a4aba207fe7','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',4,'289b3decfe95bc9dae820ccf3425fadaf2fadab478051a2797e0144d0e000230','edd44c12c10302a600c176b3fcdb5f5f98f61f859578d928922530d8a1932ae6','call.returned',1605000101.323,1605000101.223,'plain-two','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','37a31bb888858df9','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.decision.outcome":"executed","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',5,'edd44c12c10302a600c176b3fcdb5f5f98f61f859578d928922530d8a1932ae6','e8e225e817efb27480c8aa2905d971888a3b583803784fe584a07352542dba03','call.decided',1605000101.123,1605000101.023,'call-no','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','ceb3c7ea6b09a543','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.decision.outcome":"pending","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',6,'e8e225e817efb27480c8aa2905d971888a3b583803784fe584a07352542dba03','7f0427c7a0a65caacfc8f5377f2bfb12a7f3a3b3ac0c40c8d2cc2ce60366cf16','approval.requested',1605000101.123,1605000101.023,'call-no','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','244d8bf7a57e0fae','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.approval.id":"approval-north-no","toolguard.decision.outcome":"pending","toolguard.tenant":"north"}');
INSERT INTO "records" VALUES('e1e8aea52bc5ffd958dd08d2d4d80b49',7,'7f0427c7a0a65caacfc8f5377f2bfb12a7f3a3b3ac0c40c8d2cc2ce60366cf16','2553a450c1f89e8a3b90be453e465e43268ffd5547e61624a7376b456017bd9a','approval.verdict',1605000101.123,1605000101.023,'call-no','0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a','74f86aecce918591','0b0b0b0b0b0b0b0b','','{"gen_ai.conversation.id":"run-1","gen_ai.tool.name":"mail.send","toolguard.approval.id":"approval-north-no","toolguard.approver.id":"bo","toolguard.decision.outcome":"denied","toolguard.decision.reason_code":"deny","toolguard.tenant":"north"}');
CREATE TABLE token_counters (
    tenant TEXT NOT NULL,
    session TEXT NOT NULL,
    namespace TEXT NOT NULL,
    type TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (tenant, session, namespace, type)
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
CREATE TABLE uses (
    tenant TEXT NOT NULL, act TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (tenant, act)
) WITHOUT ROWID;
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
INSERT INTO "verdicts" VALUES('approval-north-no',0,'north','deny','bo',1605000101.123,'{"acting":[],"answer":"deny","assured":1,"at":1605000101.123,"auth":"token","channel":"inbox","groups":["nurses"],"identity":{"issuer":"local","subject":"bo","tenant":"north"},"over_budget":false,"person":"bo","reason":"seen","request":"approval-north-no","seen_call_digest":"v1:call-no","seen_decisive_digest":"","seen_view_digest":"v1:view-no","standing":null}');
INSERT INTO "verdicts" VALUES('approval-north-ran',0,'north','approve','bo',1605000001.0,'{"acting":[],"answer":"approve","assured":1,"at":1605000001.0,"auth":"token","channel":"inbox","groups":["nurses"],"identity":{"issuer":"local","subject":"bo","tenant":"north"},"over_budget":false,"person":"bo","reason":"seen","request":"approval-north-ran","seen_call_digest":"v1:call-ran","seen_decisive_digest":"","seen_view_digest":"v1:view-ran","standing":null}');
CREATE INDEX approvals_ref ON approvals (tenant, ref);
CREATE INDEX approvals_state ON approvals (tenant, state, n);
CREATE INDEX approvals_deadline ON approvals (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX records_call ON records (call) WHERE call <> '';
CREATE UNIQUE INDEX tokens_spelling ON tokens (tenant, session, spelling);
CREATE INDEX tokens_identity ON tokens (tenant, session, identity, idx, variant);
CREATE INDEX approvals_requester ON approvals (tenant, requester, created);
CREATE INDEX approvals_run ON approvals (tenant, run, created);
CREATE INDEX verdicts_person ON verdicts (tenant, person, at);
CREATE INDEX approvals_tenant ON approvals (tenant, n);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('logs',3);
INSERT INTO "sqlite_sequence" VALUES('outbox',2);
COMMIT;
