"""The 18 identifiers of HIPAA Safe Harbor, and what looks like one."""

from __future__ import annotations

import pytest

from detection.marked import hidden, plain, wanted

FOUND = [
    # A names
    "Mr. James T. was operated on",
    "Compare [PERSON|Anna S.] and [PERSON|Robert Lewis], both on warfarin.",
    "[PERSON|Rosefield, Katya] was informed",
    "seen by [PERSON|Dr. Jürgen Dubois] today",
    "signed [PERSON|F. Lightfoot]",
    "pt [PERSON|maria gonzalez] c/o cough, husband [PERSON|arjun] at bedside",
    "PATIENT [PERSON|GRACE WILLIAMS] ADMITTED UNDER [PERSON|DR. HENRY ADEYEMI] FOR OBSERVATION",
    "[PERSON|Will] was seen today; [PERSON|Grace] reports pain",
    "La paciente [PERSON|Guadalupe Ríos Castañeda] tiene fiebre",
    # B places
    "Send it to [ADDRESS|3226 Orchid Crescent, Fernborough, VT 05401].",
    "Home: [ADDRESS|PO Box 191, Linden Falls, CT 13303]",
    "[ADDRESS|1659 Meadow Street Apt 4], second floor",
    "Lives in [LOCATION|Orchid Bay].",
    "moved from [LOCATION|Atlanta, GA] last year",
    "admitted to [FACILITY|St. Joseph's Hospital] overnight",
    "seen at [FACILITY|UCLA med center] and at [FACILITY|Elm Clinic]",
    "zip code: [ZIP|60614]",
    # C dates and ages
    "on [DATE|04/12/2023], [DATE|2023-04-12], [DATE|12.04.2023] and [DATE|April 12th, 2023]",
    "[DATE|15th of January 2022], [DATE|Jan 20th '23], [DATE|12-Feb-2023], [DATE|April 2023]",
    "at [DATE|2026-01-01T09:00:00Z] and [DATE|20260101T0900Z]",
    "date of birth [DATE|march third nineteen fifty two]",
    "nacida el [DATE|12 de agosto de 1965]",
    "DOB: [DATE_OF_BIRTH|5/5/61]",
    "since [DATE|October] she coughs",
    "a [AGE|92]-year-old; aged [AGE|104]; [AGE|96] y/o; [AGE|91M]".replace("91M]", "91]M"),
    # D, E, F
    "call [PHONE|(202) 555-0126] or [PHONE|+44 7700 900123] or [PHONE|302.555.0151 ext. 58]",
    "fax [FAX|212-555-0188]",
    "write to [EMAIL|maria.g+home@mail.example.co.uk], please",
    "her address is [EMAIL|maria dot gomez at example dot com] she said",
    # G, H, I, J, K
    "SSN [SSN|123-45-6789], SSN: [SSN|219099999], social security number [SSN|219 09 9999]",
    "MRN: [MRN|00293841]; chart number [MRN|MR314995]; record [MRN|6259845]",
    "member ID [HEALTH_PLAN_ID|HPX345678], Medicare [HEALTH_PLAN_ID|1EG4-TE5-MK73]",
    "insurance: [HEALTH_PLAN_ID|HP-789123]",
    "account number [ACCOUNT|AC-51280-001]; claim # [ACCOUNT|CLM-2024-00981]",
    "card [CREDIT_CARD|4111 1111 1111 1111], IBAN [ACCOUNT|GB82 WEST 1234 5698 7654 32]",
    "routing number [ACCOUNT|021000021]",
    "driver's license [LICENSE|D123-4567-8901], NPI [NPI|1234567893], DEA [DEA|AB1234563]",
    # L, M
    "VIN [VEHICLE|1HGCM82633A004352], plate [VEHICLE|7ABC123]",
    "serial number [DEVICE|PJN684920H], IMEI [DEVICE|490154203237518]",
    "UDI [DEVICE|(01)00844588003288(17)141120(10)7654321D]",
    # N, O
    "see [URL|https://portal.example.org/patient/713808/1]. Then",
    "from [IP_ADDRESS|192.0.2.218] and [IP_ADDRESS|2001:db8::8a2e:370:7334]",
    # P, R
    "fingerprint id: [BIOMETRIC|FP-99812-A]",
    "passport [ID|C01234567]; prior auth [HEALTH_PLAN_ID|PA-771920]; accession: [ID|S24-10293]",
]

LEFT = [
    "Parkinson's disease, Wilson disease, Hodgkin lymphoma, Graves disease; Babinski negative, Foley catheter",
    "BP 142/88, HR 76, RR 16, SpO2 96% RA, Temp 37.1 C, weight 82.5 kg, BMI 28.4, pH 7.39",
    "ICD-10 E11.9, I10, N18.3; CPT 99213; LOINC 4548-4; SNOMED 44054006; RxNorm 860975; NCT01234567; PMID 31234567",
    "an 18-year-old woman, aged 89, for 92 months, over 90 days, 95 patients, dose 100 mg",
    "diagnosed in 2021; the 2018 guideline; a 5-year plan; 12 months; twice daily",
    "Lisinopril 10 mg PO daily #90, refills 3. Metformin ER 500 mg BID with meals.",
    "SELECT id, status FROM orders WHERE total > 1200 AND status = 'shipped' ORDER BY created_at DESC LIMIT 50;",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8; uuid 123e4567-e89b-12d3-a456-426614174000",
    "def __init__(self, rate: float): self.rate = rate  # numpy.linalg.norm and os.path.join",
    "version 1.2.3.4 of http://terminology.hl7.org/CodeSystem/v3-ActReason and https://loinc.org/2951-2",
    "a high Framingham risk score; Glasgow Coma Scale 15; stage IV cancer; the Ottawa ankle rules",
    "strength 4/5 on the left and 5/5 on the right",
    "May I ask? She may march. It will rain. Grace period. Mark the site.",
    "He lives in Ohio; treated in Germany.",
    "worker 4482 finished job 99120 with exit status 0",
]


@pytest.mark.parametrize("marked", FOUND)
def test_identifiers_are_found_and_nothing_else(marked: str) -> None:
    if "[" not in marked:
        assert hidden(marked), marked
    else:
        assert hidden(plain(marked)) == wanted(marked)


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_an_identifier_is_left(text: str) -> None:
    assert hidden(text) == []


@pytest.mark.parametrize(
    "number",
    [
        "123-45-6789",
        "123‑45‑6789",
        "123 45 6789",
        "１２３-４５-６７８９",
        "123\u200b-45-\u200d6789",
        "987-65-4321",
        "000-12-3456",
    ],
)
def test_an_ssn_is_found_however_it_is_written(number: str) -> None:
    text = f"her number is {number}, thanks"
    (finding,) = hidden(text)
    assert finding == ("SSN", number)


def test_log_numbers_are_no_persons_and_an_address_is_no_url() -> None:
    text = "2024-03-18 07:22:31 worker-12 pid 4711 sent mail to anna@example.org"
    assert hidden(text) == [("DATE", "2024-03-18 07:22:31"), ("EMAIL", "anna@example.org")]


def test_overlapping_findings_become_one_and_offsets_hold() -> None:
    text = "Adresse: 6750 Birkenstraße, Willowcrest, VT 83194 — Núñez, Noemi — 24/2/2027"
    found = hidden(text)
    assert ("ADDRESS", "6750 Birkenstraße, Willowcrest, VT 83194") in found
    assert ("PERSON", "Núñez, Noemi") in found
    assert ("DATE", "24/2/2027") in found
