"""Parquet: types survive, and what is found in one kind of file is found in the other."""

import datetime
import decimal
import sys

import pytest

from dataset.files import as_csv, from_csv, mask, visits
from toolguard.keys import Purpose, SecretKey, write_key

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "data.key"
    write_key(path, SecretKey.generate(Purpose.SEAL))
    return path


def masked(tmp_path, table, key, *more, ok=(0,), **options):
    pq.write_table(table, tmp_path / "v.parquet", **options)
    mask(tmp_path / "v.parquet", "--out", tmp_path / "m.parquet", "--key", key, *more, ok=ok)
    return pq.read_table(tmp_path / "m.parquet")


DAY = datetime.date(2021, 5, 6)
TYPED = {
    "patient_id": pa.array([84_021_733, 84_021_733, 84_021_734], pa.int64()),
    "visit": pa.array([DAY, DAY + datetime.timedelta(days=9), DAY], pa.date32()),
    "admitted": pa.array([datetime.datetime(2021, 5, 6, 7, 8, 9, 10)] * 3, pa.timestamp("ns")),
    "zoned": pa.array([datetime.datetime(2021, 5, 6, 7, tzinfo=datetime.UTC)] * 3, pa.timestamp("us", "UTC")),
    "ward": pa.array(["north", "south", None]).dictionary_encode(),
    "value": pa.array([7.1, 7.2, None], pa.float64()),
    "amount": pa.array([decimal.Decimal("12.30")] * 3, pa.decimal128(10, 2)),
    "mrn": pa.array([84021733.0, None, 84021734.0], pa.float64()),
    "fasting": pa.array([True, False, None]),
    "names": pa.array([["Margaret O'Neil"], [], ["Ana Gonzalez", "Wei Zhang"]], pa.list_(pa.string())),
    "contact": pa.array(
        [{"phone": "(212) 555-0188", "floor": 3}, None, {"phone": None, "floor": 4}],
        pa.struct([("phone", pa.string()), ("floor", pa.int32())]),
    ),
    "tags": pa.array([[("seen by", "Margaret O'Neil")], [], None], pa.map_(pa.string(), pa.string())),
    "scan": pa.array([b"Margaret O'Neil", None, b""], pa.binary()),
}


def test_every_type_survives_and_nothing_that_names_someone(tmp_path, key):
    before = pa.table(TYPED)
    after = masked(tmp_path, before, key, "--subject", "patient_id")
    plain = [t.value_type if pa.types.is_dictionary(t) else t for t in before.schema.types]
    assert after.schema.types == plain
    assert after.num_rows == 3
    text = str(after.to_pydict())
    assert not [c for c in ("O'Neil", "Gonzalez", "Zhang", "555-0188", "84021733", "84021734") if c in text]
    kept = ("ward", "value", "amount", "fasting")
    assert {n: after.column(n).to_pylist() for n in kept} == {n: before.column(n).to_pylist() for n in kept}
    assert after.column("scan").null_count == 3
    assert [c and c["floor"] for c in after.column("contact").to_pylist()] == [3, None, 4]


def test_numbers_that_identify_become_other_numbers_that_join(tmp_path, key):
    after = masked(tmp_path, pa.table(TYPED), key, "--subject", "patient_id").to_pydict()
    first, second, third = after["patient_id"]
    assert first == second != third
    assert all(10**7 <= n < 10**8 for n in (first, third))
    assert after["mrn"][0] not in (None, 84021733.0)
    assert after["mrn"][1] is None


def test_dates_and_times_move_with_their_patient(tmp_path, key):
    after = masked(tmp_path, pa.table(TYPED), key, "--subject", "patient_id").to_pydict()
    shift = after["visit"][0] - DAY
    assert shift
    assert after["visit"][1] - DAY == shift + datetime.timedelta(days=9)
    assert after["zoned"][0] - datetime.datetime(2021, 5, 6, 7, tzinfo=datetime.UTC) == shift
    admitted = pq.read_table(tmp_path / "m.parquet").column("admitted").cast(pa.timestamp("us")).to_pylist()[0]
    assert admitted - datetime.datetime(2021, 5, 6, 7, 8, 9, 10) == shift


def test_without_a_patient_a_date_keeps_its_year(tmp_path, key):
    after = masked(tmp_path, pa.table({"visit": TYPED["visit"]}), key)
    assert after.column("visit").to_pylist() == [datetime.date(2021, 1, 1)] * 3


def test_a_typed_value_that_cannot_hold_its_replacement_is_emptied_and_counted(tmp_path, key):
    after = masked(tmp_path, pa.table({"mrn": TYPED["patient_id"]}), key, "--operator", "MRN=redact")
    assert after.column("mrn").null_count == 3


def test_a_patient_is_the_same_in_parquet_and_csv(tmp_path, key):
    rows = visits(6, 2)
    (tmp_path / "v.csv").write_text(as_csv(rows), "utf-8", newline="")
    mask(tmp_path / "v.csv", "--out", tmp_path / "m.csv", "--key", key, "--subject", "patient_id")
    after = masked(tmp_path, pa.Table.from_pylist(rows), key, "--subject", "patient_id")
    assert after.to_pylist() == from_csv((tmp_path / "m.csv").read_bytes().decode())


@pytest.mark.parametrize("jobs", [1, 4])
def test_rows_keep_their_order_over_groups_and_processes(tmp_path, key, jobs):
    rows = [{**row, "n": n} for n, row in enumerate(visits(60, 20))]
    after = masked(
        *(tmp_path, pa.Table.from_pylist(rows), key, "--subject", "patient_id", "--jobs", jobs), row_group_size=333
    )
    assert after.column("n").to_pylist() == list(range(1200))


def test_no_rows_give_the_same_columns(tmp_path, key):
    after = masked(tmp_path, pa.table(TYPED).slice(0, 0), key)
    assert after.schema.names == list(TYPED)
    assert after.num_rows == 0


def test_the_missing_extra_is_named(tmp_path, key, monkeypatch):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "v.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = mask(tmp_path / "v.parquet", "--out", tmp_path / "m.parquet", "--key", key, ok=(3,))
    assert "toolguard-middleware[dataset]" in result.stderr


def test_a_masked_number_that_its_type_cannot_hold_is_left_empty_and_counted(tmp_path, key):
    phones = pa.array([2_012_555_000 + n for n in range(40)], pa.int32())
    out = masked(
        tmp_path, pa.table({"phone": phones}), key, "--columns", "phone=PHONE", "--report", tmp_path / "r.json"
    )
    new = out["phone"].to_pylist()
    assert out.schema.field("phone").type == pa.int32()
    assert 0 < new.count(None) < 40
    assert not set(new) & set(phones.to_pylist())
    assert f'"emptied": {new.count(None)}' in (tmp_path / "r.json").read_text()
