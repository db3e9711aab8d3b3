"""The file that verifies packs: what it passes, and everything it catches. T21, T26."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evidence.conftest import packed
from evidence.forge import forged, resealed
from evidence.hospital import DAY, JUNE, Hospital, period_of
from toolguard.evidence import Pack, verify
from toolguard.evidence.zipped import zip_bytes
from toolguard.keys import NoteSigner, Purpose, SecretKey
from toolguard.population import Population

Members = dict[str, bytes]


def written(folder: Path, members: Members) -> Path:
    """Not compressed: what is signed are the members."""
    path = folder / "pack.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return path


def checked(folder: Path, members: Members, keys: Sequence[str], anchors: Sequence[Path] = ()) -> verify.Report:
    return verify.verify(str(written(folder, members)), keys, [str(a) for a in anchors])


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages in which there is cryptography and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    for name in ("cryptography", "cffi", "_cffi_backend"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (folder / origin.name).symlink_to(origin)
    return folder


def run(bare: Path, script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The verifier as an auditor runs it: no site packages, no environment, another folder."""
    code = f"import runpy, sys; sys.path.append({str(bare)!r}); runpy.run_path(sys.argv[0], run_name='__main__')"
    start = f"import sys; sys.argv = {[str(script), *map(str, arguments)]!r}; {code}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start], capture_output=True, text=True, env={}, cwd=script.parent, timeout=60
    )


@pytest.fixture
def script(tmp_path: Path, pack: Pack) -> Path:
    path = tmp_path / "verify.py"
    path.write_bytes(pack.members["verify.py"])
    return path


def test_a_good_pack_holds_in_an_environment_with_nothing_but_cryptography(
    tmp_path: Path, hospital: Hospital, pack: Pack, bare: Path, script: Path
) -> None:
    path = written(tmp_path, pack.members)
    done = run(bare, script, path, "--key", hospital.audit.public_key.line, "--anchor", hospital.anchor)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.endswith("holds\n")
    assert f"exactly the {len(pack.population.calls)} calls" in done.stdout
    told = run(bare, script, path, "--key", hospital.audit.public_key.line, "--json")
    assert json.loads(told.stdout)["exit"] == 0


GAPS: list[tuple[str, Callable[[Hospital], list[object]], str]] = [
    ("the key was not given", lambda h: ["--anchor", h.anchor], "the keys were taken from the pack itself"),
]


@pytest.mark.parametrize(("what", "arguments", "said"), GAPS, ids=[g[0] for g in GAPS])
def test_exit_2_where_something_is_missing(
    tmp_path: Path,
    hospital: Hospital,
    pack: Pack,
    bare: Path,
    script: Path,
    what: str,
    arguments: Callable[[Hospital], list[object]],
    said: str,
) -> None:
    done = run(bare, script, written(tmp_path, pack.members), *arguments(hospital))
    assert done.returncode == 2
    assert said in done.stdout


def test_t21_a_pack_without_an_anchor_is_not_whole(tmp_path: Path, hospital: Hospital, population: Population) -> None:
    report = checked(tmp_path, packed(hospital, population, anchors=()).members, [hospital.audit.public_key.line])
    assert report.exit_code == 2
    assert any("no anchor" in gap for gap in report.gaps)


def test_records_that_no_checkpoint_covers_are_said(tmp_path: Path, hospital: Hospital) -> None:
    """The newest checkpoint of a store stands in its anchors, and in the journal with the next one only."""
    newest = period_of(hospital, JUNE, hospital.clock.now() + DAY)
    keys = [hospital.audit.public_key.line]
    report = checked(tmp_path, packed(hospital, newest, anchors=()).members, keys)
    assert report.faults == []
    assert any("covered by no signed checkpoint" in gap for gap in report.gaps)
    assert checked(tmp_path, packed(hospital, newest).members, keys).exit_code == 0


def test_a_period_in_the_middle_of_a_log_holds_too(tmp_path: Path, hospital: Hospital) -> None:
    middle = period_of(hospital, JUNE + 4 * DAY, JUNE + 8 * DAY)
    assert middle.period.logs[0].start > 0
    members = packed(hospital, middle).members
    report = checked(tmp_path, members, [hospital.audit.public_key.line], [hospital.anchor])
    assert (report.exit_code, report.faults, report.gaps) == (0, [], [])


UNREADABLE: list[tuple[str, Callable[[Members], bytes]]] = [
    ("no zip", lambda _: b"PK? no"),
    ("an empty file", lambda _: b""),
    ("a zip without a manifest", lambda m: zip_bytes({k: v for k, v in m.items() if k != "manifest.json"})),
    ("a manifest that is no JSON", lambda m: zip_bytes({**m, "manifest.json": b"{"})),
    ("another format", lambda m: zip_bytes({**m, "manifest.json": m["manifest.json"].replace(b"evidence-pack", b"x")})),
    (
        "a later version",
        lambda m: zip_bytes({**m, "manifest.json": m["manifest.json"].replace(b'"version": 1', b'"version": 2')}),
    ),
]


@pytest.mark.parametrize(("what", "made"), UNREADABLE, ids=[u[0] for u in UNREADABLE])
def test_exit_3_where_it_is_no_pack(
    tmp_path: Path, pack: Pack, bare: Path, script: Path, what: str, made: Callable[[Members], bytes]
) -> None:
    (tmp_path / "pack.zip").write_bytes(made(pack.members))
    done = run(bare, script, tmp_path / "pack.zip")
    assert done.returncode == 3
    assert done.stderr.startswith("cannot be checked: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "--what"], ["a", "--key"]])
def test_exit_3_where_it_is_asked_wrongly(bare: Path, script: Path, arguments: list[str]) -> None:
    assert run(bare, script, *arguments).returncode == 3


def test_every_member_is_covered_by_the_manifest(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    """Edited, left out or swapped with another: each of them, one after the other."""
    keys = [verify.Key(hospital.audit.public_key.line)]
    names = sorted(set(pack.members) - {"manifest.json"})
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        edited = {**pack.members, name: _flipped(pack.members[name])}
        dropped = {k: v for k, v in pack.members.items() if k != name}
        swapped = {**pack.members, name: pack.members[other], other: pack.members[name]}
        for how, members in (("edited", edited), ("dropped", dropped), ("swapped", swapped)):
            if members != pack.members:  # two that are the same are no other for being swapped
                report = verify.Report()
                verify.check_manifest(verify.Pack(str(written(tmp_path, members))), keys, report)
                assert report.exit_code == 1, (how, name)


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else b"x"


def test_a_member_that_nobody_signed_is_seen(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    report = checked(tmp_path, {**pack.members, "note.txt": b"x"}, [hospital.audit.public_key.line])
    assert report.faults == ["member 'note.txt' is not in the manifest"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_stands_twice_is_seen(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    path = written(tmp_path, pack.members)
    with zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("population.csv", pack.members["population.csv"])
    report = verify.verify(str(path), [hospital.audit.public_key.line])
    assert report.exit_code == 1


def test_a_manifest_signed_by_another_key_is_refused_in_a_bare_environment(
    tmp_path: Path, hospital: Hospital, pack: Pack, bare: Path, script: Path
) -> None:
    other = NoteSigner(SecretKey.generate(Purpose.AUDIT))
    members = {**pack.members, "integrity/keys.txt": f"{other.public_key.line}\n".encode()}
    path = written(tmp_path, resealed(members, other))
    done = run(bare, script, path, "--key", hospital.audit.public_key.line)
    assert done.returncode == 1
    assert "the manifest's signature is of another key" in done.stdout
    told = run(bare, script, path)  # trusting the pack's own keys: its checkpoints are of the real one
    assert told.returncode == 1


INSIDER: list[tuple[str, Callable[[Members], Members], str]] = [
    (
        "leaves a call out of the population",
        lambda m: {**m, "population.csv": b"\r\n".join(m["population.csv"].split(b"\r\n")[:-2]) + b"\r\n"},
        "the population holds exactly",
    ),
    (
        "calls a denial something else",
        lambda m: {**m, "population.csv": m["population.csv"].replace(b",denied,denied,", b",allowed,denied,", 1)},
        "the population holds exactly",
    ),
    (
        "edits a record",
        lambda m: {
            **m,
            _R: m[_R].replace(b'"toolguard.decision.effect":"deny"', b'"toolguard.decision.effect":"allow"', 1),
        },
        "follow each other",
    ),
    (
        "takes a record out",
        lambda m: {**m, _R: b"\n".join(m[_R].split(b"\n")[:50] + m[_R].split(b"\n")[51:])},
        "follow each other",
    ),
    (
        "moves a record",
        lambda m: {**m, _R: b"\n".join([*m[_R].split(b"\n")[:50], *m[_R].split(b"\n")[51:53], m[_R].split(b"\n")[50]])},
        "follow each other",
    ),
    ("draws other samples", lambda m: {**m, _S: m[_S].replace(m[_S].split(b",")[7], b"0" * 32)}, "the seed draws"),
    (
        "takes a checkpoint's signature off",
        lambda m: {**m, _C: m[_C].replace("\u2014 ".encode(), b"- ", 1)},
        "checkpoint",
    ),
    (
        "takes a log out of the registry",
        lambda m: {**m, _G: b'{"leaves":[],"logs":[],"origin":"","root":""}'},
        "registry",
    ),
]
_R, _S, _C, _G = (
    "integrity/records-0001.jsonl",
    "samples/samples.csv",
    "integrity/checkpoints.txt",
    "integrity/registry.json",
)


@pytest.mark.parametrize(("what", "change", "said"), INSIDER, ids=[i[0] for i in INSIDER])
def test_what_an_insider_with_the_key_changes_in_one_place_is_caught(
    tmp_path: Path, hospital: Hospital, pack: Pack, what: str, change: Callable[[Members], Members], said: str
) -> None:
    """The manifest is signed anew, with the real key: only what the files say of each other is left."""
    changed = change(dict(pack.members))
    assert changed != pack.members
    report = checked(tmp_path, resealed(changed, hospital.audit), [hospital.audit.public_key.line], [hospital.anchor])
    assert report.exit_code == 1
    assert any(said in fault for fault in report.faults), report.faults


def test_wherever_a_period_is_cut_its_pack_accuses_nobody(tmp_path: Path, hospital: Hospital) -> None:
    rng = random.Random(5)
    times = sorted({record.draft.at for record in hospital.store.records()})
    for _ in range(8):
        since, until = sorted(rng.sample(times, 2))
        members = packed(hospital, period_of(hospital, since, until)).members
        report = checked(tmp_path, members, [hospital.audit.public_key.line], [hospital.anchor])
        assert report.faults == [], (since, until)


CELLS = {
    "population.csv": (
        "call decided_at decided_as outcome effect reason tool agent actor assurance risk_level controls policy_id policy_version "
        "policy_sha256 arguments_hmac identifiers approvals executing_at executed_hmac ended_at ended_error result_withheld log seq hash"
    ),
    "approvals.csv": (
        "approval call requested_at tool risk_level asked_by quorum answers authenticated outcome ended_at executed_at "
        "attempts_refused reveals arguments_hmac call_hmac view_hmac policy_sha256"
    ),
    "exceptions.csv": "at call approval person log seq",
    "phi.csv": "call type count",
    "samples/samples.csv": "call decided_at tool outcome",
}
"""What the verifier works out of the records; what else stands in tables it says to be the exporter's words."""


@pytest.mark.parametrize("table", CELLS)
def test_a_cell_that_is_not_what_the_records_say_is_caught(
    tmp_path: Path, hospital: Hospital, pack: Pack, table: str
) -> None:
    rows = list(csv.DictReader(io.StringIO(pack.members[table].decode(), newline="")))
    for name in CELLS[table].split():
        at = next((n for n, row in enumerate(rows) if row[name]), 0)
        was = rows[at][name]
        forged_cell = (
            "2026-06-02T03:04:05.678Z" if name.endswith("_at") or name == "at" else "7" if was.isdigit() else "forged"
        )
        assert forged_cell != was
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({**row, name: forged_cell} if n == at else row for n, row in enumerate(rows))
        members = resealed({**pack.members, table: out.getvalue().encode()}, hospital.audit)
        report = checked(tmp_path, members, [hospital.audit.public_key.line], [hospital.anchor])
        assert report.exit_code == 1, (name, was)


def test_t21_a_history_written_anew_with_a_stolen_key_is_caught_by_the_auditors_anchor_alone(
    tmp_path: Path, hospital: Hospital, population: Population
) -> None:
    """A denial becomes an approval in the records, every hash after it and every checkpoint is made anew."""
    pack = packed(hospital, population, anchors=(), sampling=None)
    members = forged(
        pack.members,
        hospital.audit,
        b'"toolguard.decision.outcome":"denied"',
        b'"toolguard.decision.outcome":"allowed"',
    )
    keys = [hospital.audit.public_key.line]
    without = checked(tmp_path, members, keys)
    assert (without.exit_code, without.faults) == (2, [])
    assert any("no anchor" in gap for gap in without.gaps)
    with_anchor = checked(tmp_path, members, keys, [hospital.anchor])
    assert with_anchor.exit_code == 1
    assert any("your anchor says that its first" in fault for fault in with_anchor.faults)


def test_a_mark_out_of_an_approval_message_is_an_anchor_too(
    tmp_path: Path, hospital: Hospital, population: Population
) -> None:
    pack = packed(hospital, population, anchors=(), sampling=None)
    log = json.loads(pack.members["integrity/logs.json"])[0]
    marks = tmp_path / "marks.txt"
    marks.write_text(f"{log['log']} {log['size']} {log['root']}\n")
    keys = [hospital.audit.public_key.line]
    assert checked(tmp_path, pack.members, keys, [marks]).exit_code == 0
    marks.write_text(f"{log['log']} {log['size']} {'0' * 64}\n")
    assert checked(tmp_path, pack.members, keys, [marks]).exit_code == 1


def test_a_log_that_was_cut_is_caught_by_an_anchor_that_had_seen_more(
    tmp_path: Path, hospital: Hospital, population: Population
) -> None:
    pack = packed(hospital, population, sampling=None)
    (log,) = json.loads(pack.members["integrity/logs.json"])
    cut = {**log, "continues": False, "next_to": [log["next_to"][0], None]}
    members = resealed({**pack.members, "integrity/logs.json": json.dumps([cut]).encode()}, hospital.audit)
    marks = tmp_path / "marks.txt"
    keys = [hospital.audit.public_key.line]
    mark = f"{log['log']} {log['size'] + 5} {'ab' * 32}"
    marks.write_text(f"{mark} 2026-06-20\n")
    assert any("it ends before" in fault for fault in checked(tmp_path, members, keys, [marks]).faults)
    marks.write_text(f"{mark}\n")  # nobody knows when that was: perhaps the log grew later
    undated = checked(tmp_path, members, keys, [marks])
    assert (undated.exit_code, undated.faults) == (2, [])
    assert any("write behind each mark the day" in gap for gap in undated.gaps)


def test_an_anchor_whose_lines_were_edited_is_no_anchor(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    lines = hospital.anchor.read_bytes().split(b"\n")
    edited = tmp_path / "edited.anchor"
    edited.write_bytes(b"\n".join([lines[0], *lines[2:]]))
    report = checked(tmp_path, pack.members, [hospital.audit.public_key.line], [edited])
    assert "your anchor's lines do not follow each other" in report.faults


def test_t26_a_pack_of_today_verifies_with_the_verifier_of_its_format_version(pack: Pack) -> None:
    """The format's version stands in manifest, signature and verifier; whoever changes the one changes them all."""
    manifest = json.loads(pack.members["manifest.json"])
    assert (
        (manifest["format"], manifest["version"]) == (verify.FORMAT, verify.VERSION) == ("toolguard/evidence-pack", 1)
    )
    digest = hashlib.sha256(pack.members["manifest.json"]).hexdigest()
    assert pack.members["manifest.note"].decode().startswith(f"toolguard/evidence-pack\n1\n{digest}\n\n")


def test_t26_a_pack_written_by_the_first_version_still_verifies() -> None:
    """Kept as it was written then: neither this package nor a newer verifier may ever fail it."""
    folder = Path(__file__).parent / "kept"
    key = (folder / "v1.key").read_text("ascii").strip()
    report = verify.verify(str(folder / "v1.zip"), [key], [str(folder / "v1.anchor")])
    assert (report.exit_code, report.faults, report.gaps) == (0, [], [])


NONSENSE = [None, True, -1, 10**40, 0.5, "", "zz", [], [[]], {}, {"a": []}, "\u202e", "[" * 5]


def _mangled(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """The value with one thing in it replaced by nonsense."""
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.8):
        key = rng.choice(list(value))
        return {**value, key: _mangled(rng, value[key], depth + 1)}
    if isinstance(value, list) and value and (depth == 0 or rng.random() < 0.8):
        at = rng.randrange(len(value))
        return [*value[:at], _mangled(rng, value[at], depth + 1), *value[at + 1 :]]
    return rng.choice(NONSENSE)


def test_nonsense_in_a_pack_is_a_fault_and_never_a_crash(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    """Signed anew by the real key each time: what is read is all the verifier has to defend itself."""
    rng = random.Random(7)
    names = ["integrity/logs.json", "integrity/registry.json", "integrity/consistency.json", "samples/call-0001.json"]
    for n in range(60):
        name = rng.choice(names)
        mangled = json.dumps(_mangled(rng, json.loads(pack.members[name]))).encode()
        members = resealed({**pack.members, name: mangled}, hospital.audit)
        report = checked(tmp_path, members, [hospital.audit.public_key.line], [hospital.anchor])
        assert report.exit_code in (0, 1, 2), (n, name)
    for name in (
        *names,
        "population.csv",
        "samples/samples.csv",
        "integrity/checkpoints.txt",
        "integrity/records-0001.jsonl",
    ):
        for data in (b"", b"\xff\xfe", b"[" * 200_000, b'"' + b"x" * 200_000, b"a,b\r\n" * 10):
            members = resealed({**pack.members, name: data}, hospital.audit)
            none = name == "integrity/checkpoints.txt" and not data.strip()  # the same ones stand in the anchors
            wanted = 0 if none else 1
            assert checked(tmp_path, members, [hospital.audit.public_key.line]).exit_code == wanted, (name, data[:20])


def test_a_damaged_zip_ends_with_a_code(tmp_path: Path, hospital: Hospital, pack: Pack) -> None:
    rng, whole = random.Random(3), pack.bytes
    path = tmp_path / "damaged.zip"
    seen = set()
    for _ in range(60):
        at = rng.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
        seen.add(verify.main([str(path), "--key", hospital.audit.public_key.line]))
    assert seen <= {0, 1, 3}
    assert seen & {1, 3}


def test_checks_of_many_logs_are_counted_in_one_line_unless_asked_for() -> None:
    def of(log: str) -> list[str]:
        return [f"log {log * 32}: its tree has its root", f"log {log * 32} begins with its opening record"]

    holds = ["the manifest is signed", *of("a"), *of("b"), "the samples are those that the seed draws"]
    assert verify.brief(holds) == [
        "the manifest is signed",
        "2 logs: 4 checks of their records, trees and checkpoints (--all prints each)",
        "the samples are those that the seed draws",
    ]
    one = ["the manifest is signed", *of("a")]
    assert verify.brief(one) == one


def test_what_a_pack_says_steers_no_terminal(
    tmp_path: Path, hospital: Hospital, pack: Pack, capsys: pytest.CaptureFixture[str]
) -> None:
    (log,) = json.loads(pack.members["integrity/logs.json"])
    hostile = {**log, "log": "\x1b[2J\u202eall holds"}
    members = resealed({**pack.members, "integrity/logs.json": json.dumps([hostile]).encode()}, hospital.audit)
    assert verify.main([str(written(tmp_path, members)), "--key", hospital.audit.public_key.line]) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said
