"""``toolguard mask --findings``: one answer a line, and what it says was found is what is masked."""

import json
import re

import pytest
from typer.testing import CliRunner

from toolguard.cli.main import build
from toolguard.config import default_detector
from toolguard.dataset.chunks import Chunk
from toolguard.dataset.find import find_lines
from toolguard.detection import DefaultDetector
from toolguard.errors import DetectionError

NOTE = "Seen today: Margaret O'Neil, MRN 84021733, phone (212) 555-0188. O'Neil is well."
RECORDS = [
    {"id": 1, "text": NOTE},
    {"id": "two", "text": "No one is named here."},
    {"id": None, "text": ""},
    {"id": 4, "text": json.dumps({"mrn": 84021733, "patient_name": "Margaret O'Neil", "n": [1, 2]})},
    {"id": 5, "data": {"patient_name": "Margaret O'Neil", "a/b~c": [{"note": NOTE}], "mrn": 84021733}},
    {"id": 6, "data": {"jane.roe@example.org": {"ssn": "219-09-9999"}}},
    {"id": 7, "data": NOTE},
    {"id": 8, "text": "half a pair \ud83d and \u2028 a line separator, says Margaret O'Neil"},
    {"id": 9, "text": "<PERSON_1> wrote to Margaret O'Neil"},
]


@pytest.fixture(scope="module")
def work():
    return find_lines(default_detector(), withhold=False)


def answers(work, records):
    data = "".join(json.dumps(r) + "\n" for r in records).encode()
    return [json.loads(line) for line in work(Chunk(data, 1, len(data))).data.decode().split("\n")[:-1]]


def leaf(value, finding):
    if "path" not in finding:
        return value
    steps = [s.replace("~1", "/").replace("~0", "~") for s in finding["path"].split("/")[1:]]
    if finding.get("key"):
        return steps[-1]
    for step in steps:
        value = value[int(step) if isinstance(value, list) else step]
    return value if isinstance(value, str) else str(value)


def rebuilt(text, findings):
    """A pattern of the masked text: everything outside the findings as it was, a token for each."""
    parts, at = [], 0
    for f in sorted(findings, key=lambda f: f["start"]):
        parts += [re.escape(text[at : f["start"]]), rf'(?:"?<{f["type"]}_\d+[a-z]*>"?)']
        at = f["end"]
    return "".join([*parts, re.escape(text[at:])])


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: str(r["id"]))
def test_findings_cover_exactly_what_is_masked(work, record):
    (answer,) = answers(work, [record])
    assert answer["id"] == record["id"]
    (name,) = {"text", "data"} & set(record)
    if isinstance(record[name], str):
        assert re.fullmatch(rebuilt(record[name].replace("\ud83d", "\ufffd"), answer["findings"]), answer[name])
    for f in answer["findings"]:
        assert 0 <= f["start"] < f["end"] <= len(leaf(record[name], f))
        assert 0 < f["score"] <= 1


def test_what_was_found_is_gone_and_the_rest_is_there(work):
    (answer,) = answers(work, [RECORDS[0]])
    assert answer["text"] == "Seen today: <PERSON_1>, MRN <MRN_1>, phone <PHONE_1>. <PERSON_2> is well."
    assert [NOTE[f["start"] : f["end"]] for f in answer["findings"]] == [
        "Margaret O'Neil",
        "84021733",
        "(212) 555-0188",
        "O'Neil",
    ]


def test_json_in_text_stays_json(work):
    (answer,) = answers(work, [RECORDS[3]])
    assert json.loads(answer["text"]) == {"mrn": "<MRN_1>", "patient_name": "<PERSON_1>", "n": [1, 2]}


def test_data_is_masked_in_place_with_pointers(work):
    (answer,) = answers(work, [RECORDS[4]])
    assert answer["data"]["patient_name"] == "<PERSON_1>"
    assert answer["data"]["mrn"] == "<MRN_1>"
    assert "/a~1b~0c/0/note" in {f["path"] for f in answer["findings"]}
    (answer,) = answers(work, [RECORDS[5]])
    assert answer["data"] == {"<EMAIL_1>": {"ssn": "<SSN_1>"}}
    assert [f.get("key", False) for f in answer["findings"]] == [True, False]


def test_a_token_shaped_word_of_the_text_is_not_given_to_anyone_else(work):
    (answer,) = answers(work, [RECORDS[8]])
    assert answer["text"] == "<PERSON_1> wrote to <PERSON_2>"


class Failing:
    version = "failing/1"

    def session(self):
        return self

    def inspect(self, value, *, origin, schema=None):
        raise DetectionError("broken")


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: str(r["id"]))
def test_what_cannot_be_looked_into_is_withheld_whole(record):
    (answer,) = answers(find_lines(Failing(), withhold=False), [record])
    shown = json.dumps({k: v for k, v in answer.items() if k not in ("id", "findings")})
    assert shown in ('{"text": "<WITHHELD>"}', '{"data": null}')
    assert all(f["type"] == "WITHHELD" for f in answer["findings"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"text": "Margaret O\'Neil"', "line 2 is not JSON (at character 27 of the line)"),
        (b'{"text": "a", "text": "b"}', "line 2 names a key twice"),
        (b'{"text": NaN}', "line 2 holds NaN or Infinity, which is not JSON"),
        (b'{"note": "Margaret"}', "line 2 is no object with 'text' or 'data'"),
        (b'["Margaret"]', "line 2 is no object with 'text' or 'data'"),
        (b'{"text": 7}', "line 2 has a 'text' that is no string; put other values under 'data'"),
        (b'{"text": "\xff"}', "line 2 is not utf-8 (byte 10 of the line)"),
        (b'{"data":' + b"[" * 200_000, "line 2 is nested too deeply"),
    ],
    ids=lambda v: v[:24] if isinstance(v, str) else "",
)
def test_a_bad_line_is_named_by_its_number_alone(line, says):
    good = b'{"id": 1, "text": "fine"}\n'
    data = good + line + b"\n" + good
    stopped = find_lines(DefaultDetector(), withhold=False)(Chunk(data, 1, len(data)))
    assert stopped.bad == says
    assert stopped.data.count(b"\n") == 1
    went_on = find_lines(DefaultDetector(), withhold=True)(Chunk(data, 1, len(data)))
    assert went_on.data.count(b"\n") == 3
    assert went_on.withheld == 1


def test_the_command_keeps_order_in_any_number_of_processes(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"id": n, "text": f"{NOTE} Bed {n}."}) + "\n" for n in range(600)), "utf-8")
    outputs = [
        CliRunner().invoke(build(["mask"]), ["mask", "--findings", str(source), "--jobs", jobs]) for jobs in ("1", "3")
    ]
    assert [o.exit_code for o in outputs] == [0, 0]
    assert outputs[0].stdout == outputs[1].stdout
    assert [json.loads(line)["id"] for line in outputs[0].stdout.splitlines()] == list(range(600))


def test_the_command_reads_standard_input():
    result = CliRunner().invoke(build(["mask"]), ["mask", "--findings", "-"], input=json.dumps(RECORDS[0]))
    assert json.loads(result.stdout)["id"] == 1


def test_the_command_says_which_line_is_bad_and_nothing_of_it(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1, "text": "fine"}\n{"id": 2, "text": Margaret}\n', "utf-8")
    result = CliRunner().invoke(build(["mask"]), ["mask", "--findings", str(source)])
    assert result.exit_code == 3
    assert "line 2 is not JSON" in result.stderr
    assert "Margaret" not in result.stderr
    assert len(result.stdout.splitlines()) == 1
