"""What a tool may do is read from its annotations, name, description and schema."""

from __future__ import annotations

from typing import Any

import pytest

from toolguard._core.call import Annotations, Tool
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard.analysis import classify_iam, classify_tool

NO_HINTS = Annotations()


def tool(name: str, description: str = "", annotations: Annotations = NO_HINTS, **properties: Any) -> Tool:
    schema = {
        "type": "object",
        "properties": {k: {"type": v} if isinstance(v, str) else v for k, v in properties.items()},
    }
    return Tool.describe(name, source="test", description=description, schema=schema, annotations=annotations)


def risk(name: str, description: str = "", annotations: Annotations = NO_HINTS, **properties: Any) -> Risk:
    return classify_tool(tool(name, description, annotations, **properties))


@pytest.mark.parametrize(
    ("name", "risk_class", "level"),
    [
        ("get_patient", "read", "low"),
        ("listPatients", "read", "low"),
        ("search-notes", "read", "low"),
        ("issue_read", "read", "low"),
        ("create_note", "write", "medium"),
        ("updatePatientAddress", "write", "medium"),
        ("prescribe_medication", "write", "medium"),
        ("send_letter", "communication", "medium"),
        ("notifyNurse", "communication", "medium"),
        ("delete_note", "destructive", "high"),
        ("NoteDelete", "destructive", "high"),
        ("purge_records", "destructive", "high"),
        ("delete_all_patients", "destructive", "critical"),
        ("drop_database", "destructive", "critical"),
        ("cancel_appointment", "destructive", "medium"),
        ("grant_access", "privilege", "high"),
        ("set_user_permissions", "privilege", "high"),
        ("delete_bucket_policy", "privilege", "high"),
        ("assume_role", "privilege", "high"),
        ("export_patients", "exfiltration", "high"),
        ("share_document", "exfiltration", "high"),
        ("transfer_money", "financial", "high"),
        ("create_refund", "financial", "high"),
        ("place_order", "financial", "high"),
        ("execute_code", "code_execution", "high"),
        ("run_shell_script", "code_execution", "high"),
        ("frobnicate", "write", "medium"),
        ("weather", "write", "medium"),
    ],
)
def test_the_name_tells_class_and_level(name: str, risk_class: str, level: str) -> None:
    found = risk(name)
    assert (found.risk_class.value, found.level.label) == (risk_class, level)


def test_a_tool_of_which_nothing_is_known_may_write() -> None:
    assert risk("").level is RiskLevel.MEDIUM
    assert risk("").risk_class is RiskClass.WRITE


@pytest.mark.parametrize(
    "verb", ["delete", "Delete", "remove", "purge", "destroy", "wipe", "erase", "truncate", "drop"]
)
@pytest.mark.parametrize(
    "pattern", ["{}_item", "item_{}", "get_and_{}_item", "list_{}_items", "batch_{}", "API-{}-a-block"]
)
def test_the_delete_family_is_never_a_read(verb: str, pattern: str) -> None:
    found = risk(pattern.format(verb), "Get an item.", Annotations(read_only=True))
    assert "destructive" in found.classes
    assert found.level >= RiskLevel.MEDIUM


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("resources_scale", "Get or update the scale of a resource"),
        ("item", "Deletes an item."),
        ("fetch_thing", "Creates a thing and returns it"),
        ("get_queue", "Get the queue, and then delete every message in it."),
    ],
)
def test_the_description_raises_what_the_name_hides(name: str, description: str) -> None:
    assert risk(name, description).risk_class is not RiskClass.READ


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("current_user", "Get details about the user account that owns the API token"),
        ("API-post-search", "Search by title"),
        ("manage_conversations", "List, search, and fetch conversations."),
        ("get_job_logs", "Download logs for a specific workflow job"),
        ("query_index", "Executes a search query against the index and returns matching documents"),
        ("list_notifications", "Lists notifications, including unread ones, mentions and review requests."),
    ],
)
def test_a_tool_that_only_looks_is_a_read(name: str, description: str) -> None:
    assert risk(name, description).risk_class is RiskClass.READ


@pytest.mark.parametrize("text", ["This action cannot be undone.", "This is irreversible.", "Permanently deletes the row.",
                                  "This is a destructive operation."])  # fmt: skip
def test_an_authors_warning_counts_wherever_it_stands(text: str) -> None:
    found = risk("process_record", f"Process a record. It takes an id and returns the outcome. {text}")
    assert found.risk_class is RiskClass.DESTRUCTIVE


def test_a_warning_that_is_denied_does_not_count() -> None:
    assert "destructive" not in risk("get_record", "Get a record. This is not a destructive operation.").classes


@pytest.mark.parametrize(
    ("hints", "risk_class"),
    [
        (Annotations(destructive=True), "destructive"),
        (Annotations(read_only=False), "write"),
        (Annotations(read_only=True), "read"),
        (Annotations(), "read"),
    ],
)
def test_annotations_of_an_untrusted_server_only_raise(hints: Annotations, risk_class: str) -> None:
    assert risk("get_patient", annotations=hints).risk_class.value == risk_class
    worse = risk("delete_patient", annotations=hints)
    assert worse.risk_class is RiskClass.DESTRUCTIVE
    assert worse.level >= RiskLevel.HIGH


def test_a_trusted_server_may_lower_but_not_close_free_form_arguments() -> None:
    trusted = Annotations(read_only=True, trusted=True)
    assert risk("delete_cache_view", annotations=trusted).risk_class is RiskClass.READ
    assert risk("query", annotations=trusted, sql="string").risk_class is RiskClass.CODE_EXECUTION
    assert risk("remove_draft", annotations=Annotations(destructive=False, trusted=True)).risk_class is RiskClass.WRITE


@pytest.mark.parametrize(
    ("properties", "risk_class"),
    [
        ({"sql": "string"}, "code_execution"),
        ({"sql_query": "string"}, "code_execution"),
        ({"command": "string"}, "code_execution"),
        ({"cmd": "array"}, "code_execution"),
        ({"script": "string"}, "code_execution"),
        ({"command": {"type": "string", "enum": ["start", "stop"]}}, "write"),
        ({"code": "string"}, "write"),
        ({"icd_code": "string"}, "write"),
        ({"amount": "number"}, "financial"),
        ({"recipients": "array"}, "communication"),
        ({"webhook_url": "string"}, "exfiltration"),
        ({"options": {"type": "object", "properties": {"sql": {"type": "string"}}}}, "code_execution"),
        ({"title": "string"}, "write"),
    ],
)
def test_the_schema_shows_what_arguments_carry(properties: dict[str, Any], risk_class: str) -> None:
    assert risk("process", **properties).risk_class.value == risk_class


def test_an_amount_or_recipient_filter_of_a_search_stays_a_read() -> None:
    assert risk("search_invoices", amount="number", recipient="string").risk_class is RiskClass.READ


def test_a_code_argument_of_a_tool_that_runs_it_is_code() -> None:
    assert risk("run_python", code="string").risk_class is RiskClass.CODE_EXECUTION


def test_every_observation_is_kept_and_names_no_value() -> None:
    found = risk("delete_user", "Deletes a user. This cannot be undone.", Annotations(destructive=True))
    assert {e.source for e in found.evidence} == {"name", "description", "annotation"}
    assert all(e.text for e in found.evidence)
    assert len(set(found.evidence)) == len(found.evidence)


def test_references_in_a_schema_are_followed_and_cycles_end() -> None:
    schema = {
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"properties": {"sql": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}}},
    }
    found = classify_tool(Tool.describe("process", source="test", schema=schema))
    assert found.risk_class is RiskClass.CODE_EXECUTION


@pytest.mark.parametrize(
    ("action", "description", "risk_class"),
    [
        ("s3:GetObject", "Grants permission to retrieve objects", "read"),
        ("s3:DeleteBucket", "Grants permission to delete a bucket", "destructive"),
        ("s3:PutBucketPolicy", "Grants permission to put a policy on a bucket", "privilege"),
        ("s3:PutLifecycleConfiguration", "", "write"),
        ("s3:PutLifecyclePolicy", "", "write"),
        ("iam:AttachRolePolicy", "", "privilege"),
        ("iam:CreateAccessKey", "", "write"),
        ("sts:AssumeRole", "", "privilege"),
        ("ec2:DescribeInstances", "", "read"),
        ("ec2:TerminateInstances", "", "destructive"),
        ("*:*", "", "privilege"),
        ("s3:*", "", "privilege"),
        ("ListThings", "", "read"),
        ("Frobnicate", "", "write"),
    ],
)
def test_cloud_actions_are_read_as_language(action: str, description: str, risk_class: str) -> None:
    assert classify_iam(action, description).risk_class.value == risk_class


def test_touching_keys_and_people_is_grave_even_if_it_decides_nothing() -> None:
    assert classify_iam("iam:CreateAccessKey").level is RiskLevel.HIGH
    assert risk("add_team_member").level is RiskLevel.HIGH


@pytest.mark.parametrize(
    ("name", "description", "risk_class"),
    [
        ("mail_folder_stats", "Number of messages per folder.", "read"),
        ("order_status", "", "read"),
        ("rewrite_history", "Rewrites the history of a branch.", "write"),
        ("frobnicate_details", "", "write"),
        ("verify_cover", "Verify that a member is covered.", "read"),
        ("verify_email", "Verify an e-mail address by a letter.", "write"),
        ("parse_pdf", "Parse a PDF and return its text.", "read"),
        ("extract_names", "Extract names from a text.", "read"),
        ("extract_archive", "Extract an archive into a folder.", "write"),
        ("take_screenshot", "Take a screenshot of the page.", "read"),
        ("translate_text", "", "read"),
        ("occupancy", "Current status of a ward.", "read"),
        ("invoke_tool", "Invoke a tool and return its result.", "code_execution"),
        ("comment_on_issue", "Comment on an issue.", "communication"),
        ("post_message", "Post a message to a channel.", "communication"),
        ("place_call", "Place a phone call.", "communication"),
        ("trash_email", "Put an e-mail in the trash.", "destructive"),
        ("approve_expense", "", "financial"),
        ("make_public", "Make an object public.", "privilege"),
        ("add_user_to_group", "", "privilege"),
        ("create_trust", "Creates a trust relationship.", "privilege"),
        ("set_object_ownership", "", "privilege"),
        ("put_policy", "Create or overwrite a policy.", "privilege"),
        ("modify_attribute", "Grants permission to modify permission settings of a disk", "privilege"),
    ],
)
def test_sentences_say_what_names_leave_open(name: str, description: str, risk_class: str) -> None:
    assert risk(name, description).risk_class.value == risk_class


def test_a_tool_that_says_it_runs_nothing_is_judged_by_what_it_is_given() -> None:
    assert risk("explain_query", "Explain a plan without running the query.", sql="string").level is RiskLevel.LOW
    assert risk("explain_query", "Explain a plan.", sql="string").level is RiskLevel.HIGH
