"""Kinds of text beyond notes: messages, tables, code, logs, speech."""

from __future__ import annotations

import pytest

from detection.marked import hidden, plain, wanted

HL7 = "\r".join(
    [
        r"MSH|^~\&|ADT1|MERCY|LAB|ELAB|202402151530||ADT^A01|MSG00001|P|2.5",
        "PID|1||PATID1234^5^M11^ADT1^MR||EVERYMAN^ADAM^A^III||19610615|M||C|2222 HOME STREET^^GREENSBORO^NC^27401||(555) 555-2004|||S||PAT12345^2^M10|444333333|987654^NC",
        "OBX|1|NM|2951-2^Sodium^LN||140|mmol/L|136-145|N|||F",
    ]
)


def test_hl7_segments_are_read_by_field() -> None:
    found = hidden(HL7)
    for piece in (
        "PATID1234",
        "EVERYMAN",
        "ADAM",
        "19610615",
        "2222 HOME STREET",
        "GREENSBORO",
        "27401",
        "(555) 555-2004",
        "PAT12345",
        "444333333",
        "987654",
    ):
        assert any(piece in text for _, text in found), piece
    assert not any("Sodium" in text or text in ("140", "MR", "136-145") for _, text in found)


def test_csv_columns_are_read_by_their_header() -> None:
    text = 'name,dob,mrn,phone,diagnosis\nOlga Petrova,1971-02-03,889123,617-555-0101,asthma\n"Nguyen, Minh",1988-11-30,889124,617-555-0102,type 2 diabetes'
    texts = [text for _, text in hidden(text)]
    assert texts == [
        "Olga Petrova",
        "1971-02-03",
        "889123",
        "617-555-0101",
        "Nguyen, Minh",
        "1988-11-30",
        "889124",
        "617-555-0102",
    ]


def test_markdown_tables_too() -> None:
    assert [t for _, t in hidden("| Patient | MRN | Dx |\n|---|---|---|\n| Zo Quill | 77812 | gout |")] == [
        "Zo Quill",
        "77812",
    ]


@pytest.mark.parametrize(
    "marked",
    [
        "SELECT * FROM patients WHERE last_name = '[PERSON|Hernandez]' AND zip = '[ZIP|60614]';",
        "INSERT INTO patients (first_name, last_name, ssn) VALUES ('[PERSON|Femi]', '[PERSON|Okonkwo]', '[SSN|219-09-9999]');",
        'grep -r "[PERSON|Samantha Rhodes]" /var/data',
        'user=[ID|jfitzgerald] ip=[IP_ADDRESS|10.12.4.7] patient_id=[ID|7781234] name="[PERSON|Deborah Lin]"',
        "NAME|[PERSON|Renata Marlowe]\nBIRTH|[DATE|10 June 1970]\nCHART|[MRN|6385297]\nDX|asthma",
        "my number is [PHONE|five five five, two one two, nine eight seven six]",
        "I was born on [DATE|the twelfth of June nineteen eighty four].",
        "Speaker 1: Hi, this is [PERSON|Kathy] calling for [PERSON|Mr. Delacroix].",
        "> On [DATE|Mon, Mar 4, 2024] [PERSON|Marcus Osei] wrote:",
        "PATIENT: [PERSON|CHEN, LI WEI]",
        'filter_by(mrn="[MRN|55-203-11]")',
        "Authorization: Bearer [SECRET|abcd1234efgh5678ijkl]",
        "export OPENAI_API_KEY=[SECRET|sk-proj-abcdefghijklmnopqrstuvwx]",
        "postgres://app:[SECRET|s3cr3tpw]@db",
    ],
)
def test_labels_code_logs_and_speech(marked: str) -> None:
    found = hidden(plain(marked))
    for kind, text in wanted(marked):
        assert any(text in piece for _, piece in found), (kind, text, found)
