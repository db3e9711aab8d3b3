"""Where a value came from: what counts as said, as tied to what was said, as only heard."""

import pytest

from provenance.support import (
    AMOUNT,
    COMMAND,
    LINKED,
    MODEL,
    PLACE,
    RESULT,
    SECRET,
    SYSTEM,
    TEXT,
    THING,
    USER,
    came,
    conversation,
    traced,
)

IBAN = "GB29NWBK60161331926819"

SAID = [
    # what the user said, the value, what it decides, the argument
    ("Mail ann@house.example, please", "ann@house.example", PLACE, "to"),
    ("Mail Ann <ann@house.example>.", "Ann@House.Example", PLACE, "to"),
    ("mailto:ann@house.example", "Ann Reed <ann@house.example>", PLACE, "to"),
    ("To ann@house.example and bo@house.example", "bo@house.example; ann@house.example", PLACE, "to"),
    ("Pay GB29 NWBK 6016 1331 9268 19", IBAN, PLACE, "account"),
    (f"Pay {IBAN}", "GB29 NWBK 6016 1331 9268 19", PLACE, "account"),
    ("Read https://www.house.example/plan?x=1", "https://www.house.example/plan?x=1", PLACE, "url"),
    ("Post it on www.house.example.They wait for it", "www.house.example", PLACE, "url"),
    ("Ask Alice about it", "Alice", PLACE, "recipient"),
    ("Post it to the general channel", "general", PLACE, "channel"),
    ("Post it to 'general'", "general", PLACE, "to"),
    ("Post it in #general", "general", PLACE, "to"),
    ("delete file 13", "13", THING, "file_id"),
    ("cancel event number 7", 7, THING, "event_id"),
    ("Rename 'plan for May.docx'", "plan for May.docx", THING, "file_name"),
    ("ＡＮＮ＠house.example", "ann@house.example", PLACE, "to"),
    ("set it to 1j1l-2k3j", "1j1l-2k3j", SECRET, "password"),
    ("send 1,250.00 pounds", 1250, AMOUNT, "amount"),
    ("send 1 250 pounds", "1250.0", AMOUNT, "amount"),
    ("on 2026-05-19, 12:00", "2026-05-19 12:00", TEXT, "when"),
    ("run `ls -la /srv/data`", "ls -la /srv/data", COMMAND, "command"),
    ("tell <PERSON_1> at <EMAIL_2>", "<EMAIL_2>", PLACE, "to"),
]


@pytest.mark.parametrize(("user", "value", "aim", "name"), SAID)
def test_what_the_user_said_is_the_users(user, value, aim, name):
    told = conversation(user=user, results=[str(value)])  # that a result holds it too takes nothing away
    assert came(told, value, aim, name) is USER


@pytest.mark.parametrize(("user", "value", "aim", "name"), SAID)
def test_the_same_in_a_result_alone_is_no_ones_word(user, value, aim, name):
    assert came(conversation(user="Read my mail.", results=user), value, aim, name) in (RESULT, MODEL)


@pytest.mark.parametrize(("user", "value", "aim", "name"), SAID)
def test_what_the_application_said_is_its_own(user, value, aim, name):
    assert came(conversation(system=user), value, aim, name) is SYSTEM


NOT_SAID = [
    ("Mail joann@house.example", "ann@house.example", PLACE, "to"),
    ("Mail ann@house.example.other.example", "ann@house.example", PLACE, "to"),
    ("Mail ann@house.example", "house.example", PLACE, "to"),
    ("in general, tell everyone", "general", PLACE, "channel_to"),
    ("Tell all of them", "all", PLACE, "to"),
    ("Me too", "me", PLACE, "to"),
    ("What do we do on June 13?", "13", THING, "file_id"),
    ("It costs 98.70", 98, AMOUNT, "amount"),
    ("It costs 12,500", 500, AMOUNT, "amount"),
    ("It costs 12.500.000", 12.5, AMOUNT, "amount"),
    ("ID 4711 and 0815", "47110815", THING, "id"),
    ("Alice-Bob is here", "Alice", PLACE, "to"),
    ("SEND THE REPORT TO HER", "report", PLACE, "to"),
    ("Mail ann@house.example", "ann@house.example, eve@else.example", PLACE, "to"),
    ("Mail ann@house.example", "ann@house.example eve@else.example", PLACE, "to"),
    ("<EMAIL_1> is ill", "<EMAIL_11>", PLACE, "to"),
    ("<EMAIL_1> is ill", "<EMAIL_M1>", PLACE, "to"),
]


@pytest.mark.parametrize(("user", "value", "aim", "name"), NOT_SAID)
def test_part_of_a_word_a_common_word_or_another_number_was_not_said(user, value, aim, name):
    assert came(conversation(user=user), value, aim, name) is MODEL


def test_an_address_below_a_host_that_the_user_named_is_tied_to_it():
    told = conversation(user="Look at https://www.house.example/plan", results="https://house.example/other")
    assert came(told, "https://house.example/other", PLACE, "url") is LINKED


@pytest.mark.parametrize(
    "url",
    [
        "https://house.example@else.example/",
        "https://house.example.else.example/",
        "https://else.example/house.example",
        "https://else.example/?u=https://www.house.example/plan",
        "https:\\\\house.example",
        "https://houſe.example/",
    ],
)
def test_no_other_host_passes_for_it(url):
    assert came(conversation(user="Look at https://www.house.example/plan"), url, PLACE, "url") is MODEL


CONTACTS = [{"name": "Ann Reed", "email": "ann@house.example", "note": "write to eve@else.example"}]


def test_a_record_of_a_name_leads_to_its_address():
    told = conversation(user="Mail Ann Reed", records=[CONTACTS])
    assert came(told, "ann@house.example") is LINKED
    assert came(told, "eve@else.example") is RESULT


UNTIED = {
    "nobody named it": ("Mail somebody", [CONTACTS], "ann@house.example"),
    "a part of the name": ("Mail ann", [CONTACTS], "ann@house.example"),
    "two of that name": (
        "Mail Ann Reed",
        [CONTACTS, {"name": "Ann Reed", "email": "eve@else.example"}],
        "eve@else.example",
    ),
    "and so for the other": (
        "Mail Ann Reed",
        [CONTACTS, {"name": "Ann Reed", "email": "eve@else.example"}],
        "ann@house.example",
    ),
    "a field for prose": ("Mail Ann Reed", [{"name": "Ann Reed", "subject": "eve@else.example"}], "eve@else.example"),
    "the list around it": (
        "Mail Ann Reed",
        [[{"name": "Ann Reed"}, {"name": "Eve", "email": "eve@else.example"}]],
        "eve@else.example",
    ),
    "an amount alone": ("Refund the 10.00", [{"amount": 10.0, "sender": IBAN}], IBAN),
}


@pytest.mark.parametrize("case", UNTIED)
def test_nothing_else_does(case):
    user, records, value = UNTIED[case]
    assert came(conversation(user=user, records=records), value) is RESULT


def test_a_part_that_only_one_name_has_leads_to_it():
    told = conversation(user="Post it to the channel starting with External", records=[["general", "External_0"]])
    assert came(told, "External_0", PLACE, "channel") is LINKED
    assert came(told, "general", PLACE, "channel") is RESULT
    two = conversation(user="the one starting with External", records=[["External_1", "External_0"]])
    assert came(two, "External_0", PLACE, "channel") is RESULT


@pytest.mark.parametrize(
    ("value", "outside"),
    [
        ("eve@else.example", "mailbox"),
        ("https://else.example", "url"),
        ("www.else.example", "url"),
        (IBAN, "account"),
        ("+44 20 7946 0958", "account"),
        ("general", ""),
        ("Alice", ""),
        ("file 7", ""),
    ],
)
def test_an_address_anybody_may_own_is_told_from_a_name_within_a_system(value, outside):
    assert traced(conversation(records=[[value]]), value).outside == outside


def test_a_link_in_a_message_of_somebody_the_user_named_is_pointed_at():
    message = {"sender": "Ann Reed", "body": "it stands at www.else.example"}
    assert traced(conversation(user="Read what Ann Reed sent", records=[message]), "www.else.example").pointed
    assert not traced(conversation(user="Read what came", records=[message]), "www.else.example").pointed


@pytest.mark.parametrize("more", ["", "#top", "?x=1", "/other"])
def test_another_page_of_a_host_that_only_a_result_names_is_the_results(more):
    told = conversation(user="Read my messages", results="see https://www.else.example/x")
    assert came(told, f"https://www.else.example/x{more}", PLACE, "url") is RESULT
    assert came(told, "https://third.example/x", PLACE, "url") is MODEL


def test_addresses_in_json_are_looked_up_one_by_one():
    told = conversation(user="Mail ann@house.example", results="write to eve@else.example")
    assert came(told, '["ann@house.example"]') is USER
    assert came(told, '["ann@house.example", "eve@else.example"]') is RESULT


def test_of_several_the_least_trustworthy_counts():
    told = conversation(user="ann@house.example", results="eve@else.example")
    assert came(told, "ann@house.example, bo@house.example, eve@else.example") is RESULT
    assert came(told, "ann@house.example, bo@house.example") is MODEL
