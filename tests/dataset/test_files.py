"""``toolguard mask``: files in, files out; joins and intervals survive, in any order and on any number of cores."""

import datetime
import gzip
import json
import random

import pytest

from dataset.files import as_csv, as_jsonl, from_csv, from_jsonl, mask, visits
from toolguard.keys import Purpose, SecretKey, write_key

CLEAR = ("Margaret", "O'Neil", "Smith", "Gonzalez", "555-10", "P1000")


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "data.key"
    write_key(path, SecretKey.generate(Purpose.SEAL))
    return path


def masked_csv(tmp_path, rows, key, *more, name="v.csv"):
    source = tmp_path / name
    source.write_text(as_csv(rows), "utf-8", newline="")
    out = tmp_path / f"masked-{random.random()}.csv"
    mask(source, "--out", out, "--key", key, "--subject", "patient_id", *more)
    return from_csv(out.read_bytes().decode())


def test_nothing_that_names_someone_is_left(tmp_path, key):
    rows = masked_csv(tmp_path, visits(12, 3), key)
    assert len(rows) == 36
    text = json.dumps(rows)
    assert not [clear for clear in CLEAR if clear in text]
    assert {row["code"] for row in rows} == {"E11.9"}
    assert all(row["note"].count("\n") == 1 for row in rows)


def test_the_same_record_is_masked_the_same_in_any_order_and_number_of_processes(tmp_path, key):
    rows = visits(40, 14)
    assert len(as_csv(rows)) > 64 << 10  # less is masked in one process
    order = list(range(len(rows)))
    random.Random(7).shuffle(order)
    alone = masked_csv(tmp_path, rows, key, "--jobs", 1)
    shuffled = masked_csv(tmp_path, [rows[n] for n in order], key, "--jobs", 8)
    assert shuffled == [alone[n] for n in order]


def test_one_patient_is_one_pseudonym_in_files_of_every_kind(tmp_path, key):
    rows = visits(6, 2)
    (tmp_path / "v.csv").write_text(as_csv(rows), "utf-8")
    (tmp_path / "v.jsonl").write_text(as_jsonl(rows), "utf-8")
    mask(tmp_path / "v.csv", tmp_path / "v.jsonl", "--out", tmp_path / "m", "--key", key, "--subject", "patient_id")
    assert from_csv((tmp_path / "m/v.csv").read_text("utf-8")) == from_jsonl(
        (tmp_path / "m/v.jsonl").read_text("utf-8")
    )


def test_joins_survive_where_files_name_the_patient_differently(tmp_path, key):
    (tmp_path / "a.csv").write_text("patient_id,score\n84021733,12\n84021734,14\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"who": {"mrn": 84021734}, "result": "fine"}\n', "utf-8")
    mask(
        *(tmp_path / "a.csv", tmp_path / "b.jsonl", "--out", tmp_path / "m", "--key", key),
        *("--subject", "patient_id", "--subject", "/who/mrn"),
    )
    scores = {row["patient_id"]: row["score"] for row in from_csv((tmp_path / "m/a.csv").read_text("utf-8"))}
    (result,) = from_jsonl((tmp_path / "m/b.jsonl").read_text("utf-8"))
    assert scores[result["who"]["mrn"]] == "14"


def days(rows, name="visit_date"):
    return [datetime.date.fromisoformat(row[name]) for row in rows]


def test_dates_move_by_one_number_of_days_for_each_patient(tmp_path, key):
    rows = visits(10, 4)
    masked = masked_csv(tmp_path, rows, key)
    moved: dict[str, set[int]] = {}
    for row, before, after in zip(rows, days(rows), days(masked), strict=True):
        moved.setdefault(row["patient_id"], set()).add((after - before).days)
    assert all(len(shifts) == 1 for shifts in moved.values())
    assert len(set.union(*moved.values())) > 5
    assert 0 not in set.union(*moved.values())


def test_dates_in_a_note_move_with_those_in_columns(tmp_path, key):
    for row in masked_csv(tmp_path, visits(5, 2), key):
        assert row["visit_date"] in row["note"]


def test_a_name_in_a_note_is_the_patient_of_the_record_whole_or_in_part(tmp_path, key):
    for row in masked_csv(tmp_path, visits(12, 1), key):
        assert row["note"].count(row["name"]) == 2


def test_a_date_without_a_patient_keeps_its_year_alone(tmp_path, key):
    (tmp_path / "v.csv").write_text("patient_id,visit_date\n,2021-05-06\nP1,2021-05-06\n", "utf-8")
    mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key, "--subject", "patient_id")
    nobody, somebody = from_csv((tmp_path / "m.csv").read_text("utf-8"))
    assert nobody["visit_date"] == "2021"
    assert datetime.date.fromisoformat(somebody["visit_date"]) != datetime.date(2021, 5, 6)


def test_another_key_gives_other_pseudonyms(tmp_path, key):
    other = tmp_path / "other.key"
    write_key(other, SecretKey.generate(Purpose.SEAL))
    one, two = (masked_csv(tmp_path, visits(3, 1), k) for k in (key, other))
    assert not {row["name"] for row in one} & {row["name"] for row in two}


def test_a_key_is_made_beside_the_output_and_used_again(tmp_path):
    (tmp_path / "v.csv").write_text(as_csv(visits(3, 1)), "utf-8")
    first = mask(tmp_path / "v.csv", "--out", tmp_path / "m")
    made = tmp_path / "m/toolguard-mask.key"
    assert made.stat().st_mode & 0o777 == 0o600
    assert "new key" in first.stderr
    before = (tmp_path / "m/v.csv").read_bytes()
    again = mask(tmp_path / "v.csv", "--out", tmp_path / "m", "--restart")
    assert "new key" not in again.stderr
    assert (tmp_path / "m/v.csv").read_bytes() == before


# --- what is masked how


def one_row(tmp_path, key, text, *more, name="v.csv", ok=(0,)):
    (tmp_path / name).write_text(text, "utf-8")
    mask(tmp_path / name, "--out", tmp_path / f"m-{name}", "--key", key, *more, ok=ok)
    return (tmp_path / f"m-{name}").read_text("utf-8")


def test_columns_are_what_they_are_said_to_be(tmp_path, key):
    text = one_row(tmp_path, key, "a,b\nzebra,zebra\n", "--columns", "a=PERSON", "--operator", "PERSON=redact")
    assert text == "a,b\n<PERSON>,zebra\n"


def test_a_kept_column_stays_as_it_is(tmp_path, key):
    text = one_row(tmp_path, key, "name,author\nAna Diaz,Ana Diaz\n", "--keep", "author", "--operator", "PERSON=redact")
    assert text == "name,author\n<PERSON>,Ana Diaz\n"


def test_what_a_policy_always_denies_is_masked_in_a_kept_column_too(tmp_path, key):
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: p, version: 1}\n"
        "approvals: {default: {approvers: ['group:privacy']}}\nmasking:\n  deny: {project heron: ID}\n  operators: {ID: redact}\n",
        "utf-8",
    )
    text = one_row(tmp_path, key, "title\nOn Project Heron\n", "--keep", "title", "--policy", policy)
    assert text == "title\nOn <ID>\n"


@pytest.mark.parametrize(
    ("operator", "column", "cell", "masked"),
    [
        ("MRN=redact", "mrn", "84021733", "<MRN>"),
        ("MRN=keep", "mrn", "84021733", "84021733"),
        ("ZIP=zip3", "zip", "03601", "000"),
        ("DATE=year", "visit_date", "2021-05-06", "2021"),
    ],
)
def test_an_operator_is_taken_as_given(tmp_path, key, operator, column, cell, masked):
    assert one_row(tmp_path, key, f"{column}\n{cell}\n", "--operator", operator) == f"{column}\n{masked}\n"


def test_format_preserving_encryption_keeps_the_form(tmp_path, key):
    text = one_row(tmp_path, key, "mrn\nAB-84021733\n", "--operator", "MRN=fpe", "--columns", "mrn=MRN")
    cell = text.splitlines()[1]
    assert cell != "AB-84021733"
    assert cell[:2].isalpha()
    assert cell[:2].isupper()
    assert cell[3:].isdigit()
    assert len(cell) == 11


def test_fhir_references_stay_references(tmp_path, key):
    lines = [
        {"resourceType": "Patient", "id": "pat1", "name": [{"family": "O'Neil"}], "birthDate": "1960-01-02"},
        {
            "resourceType": "Observation",
            "subject": {"reference": "Patient/pat1"},
            "effectiveDateTime": "2021-05-06",
            "valueQuantity": {"value": 7.1},
        },
    ]
    text = one_row(
        *(tmp_path, key, as_jsonl(lines), "--subject", "/subject/reference", "--subject", "/id"), name="f.ndjson"
    )
    patient, observation = from_jsonl(text)
    assert observation["subject"]["reference"] == f"Patient/{patient['id']}"
    assert patient["id"] != "pat1"
    assert observation["valueQuantity"] == {"value": 7.1}
    shift = datetime.date.fromisoformat(observation["effectiveDateTime"]) - datetime.date(2021, 5, 6)
    assert datetime.date.fromisoformat(patient["birthDate"]) - datetime.date(1960, 1, 2) == shift


def test_names_as_columns_are_masked_in_the_header(tmp_path, key):
    text = one_row(tmp_path, key, "week,Margaret O'Neil\n1,4\n", "--operator", "PERSON=redact")
    assert text == "week,<PERSON>\n1,4\n"


# --- forms of files


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("a,column 3", "x,Mr. Margaret O'Neil,ok"),  # a cell too many is called as the column before it
        ("a,a 3,a", "x,Mr. Margaret O'Neil,ok"),
        ("a,,column 2", "x,Mr. Margaret O'Neil,ok"),
    ],
)
def test_no_cell_hides_behind_another_of_the_same_name(tmp_path, key, header, row):
    assert "O'Neil" not in one_row(tmp_path, key, f"{header}\n{row}\n")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_rows_in_which_nothing_is_found_stay_as_they_were(tmp_path, key, ending):
    text = f'code,"what, exactly"{ending}"E11.9","a ""b"" c"{ending}I10,{ending}'
    (tmp_path / "v.csv").write_text(text, "utf-8", newline="")
    mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key)
    assert (tmp_path / "m.csv").read_bytes().decode() == text


def test_lines_in_which_nothing_is_found_stay_as_they_were(tmp_path, key):
    text = '{"code":"E11.9","value":1.50}\r\n\r\n{ "code" : "I10", "n": 12345678901234567890 }'
    (tmp_path / "v.jsonl").write_text(text, "utf-8", newline="")
    mask(tmp_path / "v.jsonl", "--out", tmp_path / "m.jsonl", "--key", key)
    assert (tmp_path / "m.jsonl").read_bytes().decode() == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_keep_what_parts_their_cells(tmp_path, key, delimiter):
    rows = visits(2, 2)
    (tmp_path / "v.csv").write_text(as_csv(rows, delimiter=delimiter), "utf-8")
    mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key, "--subject", "patient_id")
    text = (tmp_path / "m.csv").read_text("utf-8")
    assert text.splitlines()[0] == delimiter.join(rows[0])
    assert "O'Neil" not in text


@pytest.mark.parametrize(
    ("encoding", "options"), [("utf-8", ()), ("utf-8-sig", ()), ("latin-1", ("--encoding", "latin-1"))]
)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
def test_encodings_are_kept(tmp_path, key, encoding, options, ending):
    text = {
        "csv": "name,dose\nMargaret O'Neil,42 µg naïve\n",
        "jsonl": '{"name": "Margaret O\'Neil", "dose": "42 µg naïve"}\n',
        "txt": "Patient: Margaret O'Neil takes 42 µg naïve.\n",
    }[ending]
    source = tmp_path / f"v.{ending}"
    source.write_bytes(text.encode(encoding))
    out = tmp_path / f"m.{ending}"
    mask(source, "--out", out, "--key", key, "--operator", "PERSON=redact", *options)
    assert out.read_bytes().decode(encoding) == text.replace("Margaret O'Neil", "<PERSON>")
    assert out.read_bytes().startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
def test_gzip_in_gzip_out(tmp_path, key, ending):
    rows = visits(30, 10)
    text = {"csv": as_csv, "jsonl": as_jsonl, "txt": lambda r: "\n\n".join(x["note"] for x in r)}[ending](rows)
    (tmp_path / f"v.{ending}").write_text(text, "utf-8", newline="")
    with gzip.open(tmp_path / f"v.{ending}.gz", "wb") as file:
        file.write(text.encode())
    mask(tmp_path / f"v.{ending}", tmp_path / f"v.{ending}.gz", "--out", tmp_path / "m", "--key", key)
    assert gzip.decompress((tmp_path / f"m/v.{ending}.gz").read_bytes()) == (tmp_path / f"m/v.{ending}").read_bytes()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
def test_an_empty_file_stays_empty(tmp_path, key, ending):
    (tmp_path / f"v.{ending}").write_bytes(b"")
    mask(tmp_path / f"v.{ending}", "--out", tmp_path / f"m.{ending}", "--key", key)
    assert (tmp_path / f"m.{ending}").read_bytes() == b""


def test_long_text_is_cut_at_empty_lines_and_loses_nothing(tmp_path, key):
    paragraph = "The quick brown fox jumps over the lazy dog.\nAnd again.\n\n"
    text = paragraph * 4000
    (tmp_path / "v.txt").write_text(text, "utf-8")
    result = mask(tmp_path / "v.txt", "--out", tmp_path / "m.txt", "--key", key, "--json")
    assert (tmp_path / "m.txt").read_text("utf-8") == text
    assert json.loads(result.stdout)["records"] > 2


# --- bad lines

BAD = {
    "broken.jsonl": (b'{"a": 1}\n{"a": Margaret}\n{"a": 3}\n', "line 2 is not JSON"),
    "twice.jsonl": (b'{"a": 1}\n{"a": 1, "a": 2}\n', "line 2 names a key twice"),
    "bytes.jsonl": (b'{"a": 1}\n{"a": "Margaret \xff"}\n', "line 2 is not utf-8"),
    "bytes.csv": (b"a,b\n1,2\n3,Margaret \xff\n5,6\n", "line 3 is not utf-8"),
    "bytes.txt": (b"one\ntwo Margaret \xff\n", "line 2 is not utf-8"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_stops_the_run_and_is_named_by_number(tmp_path, key, name):
    content, says = BAD[name]
    (tmp_path / name).write_bytes(content)
    result = mask(tmp_path / name, "--out", tmp_path / f"m-{name}", "--key", key, ok=(3,))
    assert says in result.stderr
    assert "Margaret" not in result.output
    assert not (tmp_path / f"m-{name}").exists()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_can_be_withheld_and_keeps_its_place(tmp_path, key, name):
    content, _ = BAD[name]
    (tmp_path / name).write_bytes(content)
    arguments = (tmp_path / name, "--out", tmp_path / f"m-{name}", "--key", key, "--on-error", "withhold", "--json")
    result = mask(*arguments, ok=(1,))
    masked = (tmp_path / f"m-{name}").read_bytes()
    assert json.loads(result.stdout)["withheld"] == 1
    assert b"Margaret" not in masked
    if not name.endswith(".txt"):
        assert masked.count(b"\n") == content.count(b"\n")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("v.csv", b'a,b\n1,"never closed\n' + b"x\n" * 10, None),
        ("v.csv", "a,b\n".encode("utf-16"), "is UTF-16"),
        ("v.unknown", b"x", "--format"),
        ("v.csv", b"\na,b\n", "begins with an empty line"),
        ("v.parquet", b"no parquet", "cannot be read as Parquet"),
    ],
)
def test_files_that_cannot_be_masked_say_what_to_do(tmp_path, key, name, content, says):
    (tmp_path / name).write_bytes(content)
    result = mask(tmp_path / name, "--out", tmp_path / "m.out", "--key", key, ok=(0, 3))
    assert (says or "") in result.stderr
    assert (result.exit_code == 3) == (says is not None)


def test_an_output_is_never_written_over_unasked(tmp_path, key):
    (tmp_path / "v.csv").write_text("a\n1\n", "utf-8")
    mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key)
    assert "is there already" in mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key, ok=(3,)).stderr
    assert (
        "replace its own input" in mask(tmp_path / "v.csv", "--out", tmp_path / "v.csv", "--key", key, ok=(3,)).stderr
    )


# --- the report


def test_the_report_counts_types_columns_and_records(tmp_path, key):
    (tmp_path / "v.csv").write_text(as_csv(visits(4, 2)), "utf-8")
    arguments = (tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key, "--subject", "patient_id")
    result = mask(*arguments, "--json", "--report", tmp_path / "r.json")
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert report["records"] == report["masked"] == 8
    (file,) = report["files"]
    assert file["columns"]["patient_id"] == {"ID": 8}
    assert file["columns"]["name"] == {"PERSON": 8}
    assert file["columns"]["note"]["PHONE"] == 8
    assert report["operators"]["DATE"] == "date_shift"
    assert not [clear for clear in CLEAR if clear in result.output]


def test_the_table_is_for_people(tmp_path, key):
    (tmp_path / "v.csv").write_text(as_csv(visits(4, 2)), "utf-8")
    result = mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key, "--subject", "patient_id")
    assert "8 records in 1 file: 8 masked, 0 withheld" in result.stdout
    assert "pseudonym" in result.stdout
