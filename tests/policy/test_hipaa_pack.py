"""The HIPAA pack as it ships: what typical hospital tools may do under it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from policy.support import HEAD, decided, facts, found, judged, quiet
from toolguard._core.policy import Decision, Effect, Handling, Policy
from toolguard.policyfile import load_policy, pack_names, read_pack
from toolguard.policyfile.cel import CelCondition

PACK = load_policy(read_pack("hipaa"), name="hipaa.yaml")
ALLOW, MASK, ASK, DENY = Effect.ALLOW, Effect.MASK, Effect.REQUIRE_APPROVAL, Effect.DENY
MRN = {"MRN": "note"}

# tool, arguments, identifiers that reach the tool, effect, the rule that says so (None: the default)
CASES = [
    # reading one patient's record: allowed, the model sees tokens
    ("fhir.read", {"resourceType": "Patient", "id": "p1"}, {}, MASK, "reads-are-masked"),
    ("fhir.search", {"path": "Observation?patient=p1&_count=20"}, {}, MASK, "reads-are-masked"),
    ("ehr.get_chart", {"patient": "p1"}, {}, MASK, "reads-are-masked"),
    ("ehr.get_chart", {"patient": "p1", "limit": 20}, {}, MASK, "reads-are-masked"),
    ("ehr.get_chart", {"patient": "p1", "limit": None}, {}, MASK, "reads-are-masked"),
    ("ehr.get_chart", {"patient": "p1", "limit": "20"}, {}, MASK, "reads-are-masked"),
    ("get_patient", {"id": "p1"}, {}, MASK, "reads-are-masked"),
    # writing to it: the default for its risk
    ("ehr.add_note", {"patient": "p1", "text": "stable"}, {}, ALLOW, None),
    ("ehr.update_medication", {"patient": "p1", "dose": "10 mg"}, {}, ALLOW, None),
    # bulk
    ("fhir.search", {"path": "Patient/$export"}, {}, DENY, "no-bulk-export"),
    ("fhir.search", {"path": "Patient/%24export"}, {}, DENY, "no-bulk-export"),
    ("fhir.operation", {"request": {"name": "$everything"}}, {}, DENY, "no-bulk-export"),
    ("ehr.query", {"body": '{"op": "$EXPORT"}'}, {}, DENY, "no-bulk-export"),
    ("ehr.export_patients", {"ward": "3"}, {}, ASK, "export-by-name"),
    ("warehouse.bulk_read", {"table": "visits"}, {}, DENY, "export-by-name"),
    ("ehr.search", {"limit": 500}, {}, ASK, "many-records-at-once"),
    ("ehr.search", {"limit": "500"}, {}, ASK, "many-records-at-once"),
    ("ehr.search", {"limit": "all"}, {}, ASK, "many-records-at-once"),
    ("ehr.search", {"limit": [500]}, {}, ASK, "many-records-at-once"),
    ("fhir.search", {"_count": 1000}, {}, ASK, "many-records-at-once"),
    ("search_patients", {"page_size": 101}, {}, ASK, "many-records-at-once"),
    # disclosure
    ("send_email", {"to": "x", "note": "m"}, MRN, ASK, "phi-in-a-message"),
    ("send_email", {"to": "x", "note": "m"}, {}, ALLOW, None),
    ("outlook.send_email", {"to": "x", "note": "m"}, MRN, ASK, "phi-leaves-hospital"),
    ("slack.post_message", {"channel": "#ward", "note": "m"}, MRN, ASK, "phi-in-a-message"),
    ("http_post", {"url": "https://api.partner.example/in", "note": "m"}, MRN, ASK, "phi-leaves-hospital"),
    ("http_post", {"url": "https://api.partner.example/in", "note": "m"}, {}, ALLOW, None),
    ("http_post", {"url": "http://api.partner.example/in", "note": "m"}, MRN, DENY, "no-phi-in-clear"),
    ("http_post", {"url": "HTTP://api.partner.example/in", "note": "m"}, MRN, DENY, "no-phi-in-clear"),
    ("s3.upload_file", {"path": "a.csv", "note": "m"}, MRN, ASK, "phi-leaves-hospital"),
    ("web_search", {"query": "dosage of ibuprofen"}, {}, MASK, "searches-without-identifiers"),
    ("web_search", {"query": "q", "note": "m"}, MRN, ASK, "phi-leaves-hospital"),
    ("ehr.get_notes", {"kind": "Psychotherapy  note"}, {}, ASK, "psychotherapy-notes"),
    # integrity
    ("fhir.delete", {"id": "p1"}, {}, DENY, "no-deletion-of-records"),
    ("ehr.delete_note", {"id": "n1"}, {}, DENY, "no-deletion-of-records"),
    ("delete_patient", {"id": "p1"}, {}, DENY, "no-deletion-of-records"),
    ("audit.delete_log", {}, {}, DENY, "no-tampering-with-audit-logs"),
    ("audit.update_entry", {"id": "1"}, {}, DENY, "no-tampering-with-audit-logs"),
    ("audit.append_entry", {"text": "opened chart"}, {}, ALLOW, None),
    ("audit.search", {"text": "opened chart"}, {}, ALLOW, None),
    ("run_sql", {"query": "select count(*) from visits where ward = 3"}, {}, ALLOW, None),
    ("run_sql", {"query": "DELETE FROM visits WHERE id = 3"}, {}, ASK, "sql-changes"),
    ("run_sql", {"query": "DROP TABLE visits"}, {}, DENY, "other-destruction"),
    ("run_sql", {"query": "dr/**/op TABLE visits;"}, {}, ASK, "code-runs-with-approval"),
    ("run_sql", {"query": "GRANT ALL ON visits TO bob"}, {}, ASK, "access-changes"),
    # access and security
    ("shell", {"command": "ls"}, {}, ASK, "code-runs-with-approval"),
    ("shell", {"command": "rm -rf /"}, {}, DENY, "code-runs-with-approval"),
    ("vault.rotate_api_key", {"name": "lab"}, {}, ASK, "access-changes"),
    ("iam.grant_role", {"user": "bob", "role": "admin"}, {}, ASK, "access-changes"),
    ("send_email", {"to": "x", "note": "m"}, {"SECRET": "note"}, DENY, "secrets-stay"),
    ("fhir.read", {"id": "p1", "break_glass": True}, {}, DENY, "no-emergency-by-agents"),
    ("fhir.read", {"id": "p1", "break_glass": "yes"}, {}, DENY, "no-emergency-by-agents"),
    ("fhir.read", {"id": "p1", "break_glass": False}, {}, MASK, "reads-are-masked"),
    # what nobody named
    ("format_disk", {"disk": "/dev/sda"}, {}, DENY, None),
    ("frobnicate", {}, {}, DENY, None),
]  # fmt: skip


def call(
    tool: str, data: dict[str, object], reaching: dict[str, str], loaded: Policy = PACK, **changes: object
) -> Decision:
    seen = found(data, **reaching)
    return judged(loaded, tool, data, present=seen, revealed=seen, **changes)


@pytest.mark.parametrize(("tool", "data", "reaching", "effect", "rule"), CASES)
def test_what_a_hospitals_tools_may_do(
    tool: str, data: dict[str, object], reaching: dict[str, str], effect: Effect, rule: str | None
) -> None:
    decision = call(tool, data, reaching)
    assert decision.effect is effect, (decision.rule_ids, decision.risk)
    assert rule is None or rule in decision.rule_ids


def test_every_case_that_asks_names_somebody_who_can_answer() -> None:
    for tool, data, reaching, effect, _ in CASES:
        if effect is ASK:
            assert call(tool, data, reaching).approver_rules


def test_each_rule_is_reached_by_a_case() -> None:
    fired = {r for tool, data, reaching, _, _ in CASES for r in call(tool, data, reaching).rule_ids}
    elsewhere = {"marketing-and-sale"}  # and what asks for history: in hipaa.cases.yaml
    assert fired == {r.id for r in PACK.rules if r.match.past is None and not r.match.origin} - elsewhere


def test_results_are_masked_and_bounded_when_records_are_read() -> None:
    obligations = call("fhir.read", {"id": "p1"}, {}).obligations
    assert (obligations.results, obligations.max_result_chars) == (Handling.MASK, 200_000)


def test_a_search_engine_gets_no_identifier_even_if_a_policy_trusts_it() -> None:
    assert call("web_search", {"query": "q"}, {}).obligations.args == {"*": Handling.MASK}


def test_no_tool_is_trusted_with_an_identifier_by_name_alone() -> None:
    for tool in PACK.tools:
        assert not tool.trusted_for
        assert Handling.UNMASK not in tool.args.values()
        assert not tool.trusted_results


def test_every_rule_names_the_section_it_serves() -> None:
    for rule in PACK.rules:
        assert re.search(r"\b164\.\d{3}\([a-z]\)", rule.because), rule.id


def test_no_condition_fails_for_want_of_an_argument() -> None:
    for rule in PACK.rules:
        if isinstance(rule.when, CelCondition):
            assert rule.when.holds(facts({})) is False, rule.id


def test_a_hospitals_own_policy_includes_it_and_names_its_people() -> None:
    own = load_policy(
        HEAD
        + "include: [pack:hipaa]\n"
        + "approvals: {privacy: {approvers: [person:ann, person:bob], quorum: 2}}\n"
        + "tools: {ehr.search_patients: {source: hospital.tools, trusted_for: [PERSON, MRN], risk: low}}\n"
    )
    asked = call("send_email", {"to": "x", "note": "m"}, MRN, own)
    assert {r.name for r in asked.approver_rules} == {"privacy"}
    assert asked.approver_rules[0].quorum == 2
    assert "hipaa/phi-in-a-message" in asked.rule_ids
    search = own.plan(facts(tool="ehr.search_patients", source="hospital.tools").tool)
    assert search.rule.trusted_for == {"PERSON", "MRN"}
    stranger = facts(tool="ehr.search_patients", source="mcp:evil")
    elsewhere = decided(own, replace(stranger, history=quiet(own.plan(stranger.tool))))
    assert elsewhere.reason_code == "drift"


def test_packs_are_found_by_name_only() -> None:
    assert "hipaa" in pack_names()
    for name in ("../hipaa", "hipaa.yaml", "", "nope", "/etc/passwd"):
        with pytest.raises(KeyError):
            read_pack(name)
