"""Names and sentences are read the same in every spelling."""

from __future__ import annotations

import pytest

from toolguard.analysis.language import read_name, sentence_verbs
from toolguard.analysis.words import british_to_american, inflections, split_words, unmask


@pytest.mark.parametrize(
    "name",
    ["deleteUserAccount", "delete_user_account", "delete-user-account", "DeleteUserAccount", "DELETE_USER_ACCOUNT",
     "delete.user.account", "delete user account", "delete/user/account"],
)  # fmt: skip
def test_every_spelling_convention_gives_the_same_words(name: str) -> None:
    assert split_words(name) == ("delete", "user", "account")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ListDBInstances", ("list", "db", "instances")),
        ("getHTTPResponse", ("get", "http", "response")),
        ("listAPIs", ("list", "apis")),
        ("s3PutObject2", ("s", "3", "put", "object", "2")),
        ("", ()),
    ],
)
def test_acronyms_and_digits_stand_apart(name: str, words: tuple[str, ...]) -> None:
    assert split_words(name) == words


@pytest.mark.parametrize(
    ("british", "american"),
    [("authorise", "authorize"), ("synchronises", "synchronizes"), ("enrol", "enroll"), ("analyse", "analyze"),
     ("cancelled", "cancel"), ("advise", "advise"), ("revise", "revise"), ("raise", "raise")],
)  # fmt: skip
def test_british_and_american_spelling_are_one(british: str, american: str) -> None:
    assert british_to_american(british) == american


def test_inflected_verbs_lead_to_their_base() -> None:
    forms = inflections(["delete", "drop", "copy", "push"])
    assert {forms[f] for f in ("deletes", "deleted", "deleting")} == {"delete"}
    assert forms["dropping"] == forms["dropped"] == "drop"
    assert forms["copies"] == forms["copied"] == "copy"
    assert forms["pushes"] == "push"


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [("dr\u043ep", "drop"), ("\uff24\uff32\uff2f\uff30", "DROP"), ("del\u200bete", "delete"), ("r\u00adm", "rm"),
     ("\u0421REATE", "CREATE"), ("plain", "plain"), ("M\u00fcller", "M\u00fcller")],
)  # fmt: skip
def test_look_alike_and_invisible_letters_are_folded(disguised: str, plain: str) -> None:
    assert unmask(disguised) == plain


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("delete_user", "delete"),
        ("users_delete", "delete"),
        ("issue_read", "read"),
        ("jira_get_issue", "get"),
        ("get_deleted_items", "get"),
        ("BatchGetItems", "get"),
        ("list_releases", "list"),
        ("whoami", "whoami"),
        ("access_control_set", "set"),
        ("pods_exec", "exec"),
        ("un_tag_resource", "untag"),
        ("weather", ""),
    ],
)
def test_a_name_has_one_head_verb(name: str, head: str) -> None:
    assert read_name(name).head == head


def test_delete_always_speaks_even_beside_a_verb_of_looking() -> None:
    assert "delete" in read_name("get_and_delete_message").verbs
    assert "drop" in read_name("list_or_drop_tables").verbs


@pytest.mark.parametrize(
    ("sentence", "verbs"),
    [
        ("Deletes a user.", ("delete",)),
        ("Create, patch, or delete a resource", ("create", "patch", "delete")),
        ("Get or update the scale of a resource", ("get", "update")),
        ("This tool will create a coupon", ("create",)),
        ("Use this tool to list all files", ("list",)),
        ("Grants permission to delete a bucket", ("delete",)),
        ("Permanently deletes a team", ("delete",)),
        ("Allows a user to stream video", ()),
        ("Executes a search query against an index", ("query",)),
        ("The customer is already set", ()),
    ],
)
def test_a_sentence_puts_forward_the_verbs_that_open_it(sentence: str, verbs: tuple[str, ...]) -> None:
    assert sentence_verbs(sentence)[0] == verbs
