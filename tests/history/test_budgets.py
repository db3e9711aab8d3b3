"""T24: a budget of patients holds however the look-ups are spread, spelled or raced."""

import asyncio
import functools
import json
import os
import re
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.conftest import HEAD
from history.test_rules import chart, play, rule
from toolguard import DeniedError, Suspended
from toolguard._core.mask import Finding
from toolguard._core.patients import patient_key, patients_in
from toolguard.keys import write_key
from toolguard.stores import open_store

BUDGET = [rule({"patients": {"more_than": 3, "per": "1d"}})]


def test_T24_a_new_session_for_each_look_up_changes_nothing(ward):
    guard = ward.guard(BUDGET)
    said = []
    for n in range(6):
        with guard.session(caller=ward.person()) as session:
            said += play(ward, session, [chart(str(n))])
    assert said == ["ran"] * 3 + ["denied"] * 3


def test_T24_nor_do_two_agents_two_names_of_one_person_and_a_restart(ward):
    guard = ward.guard(BUDGET)
    again = ward.guard(BUDGET, store=open_store(ward.desk.store_url, clock=ward.clock))
    said = []
    for n, (which, more) in enumerate(
        [
            (guard, {}),
            (guard, {"agent": "night-agent"}),
            (again, {"who": "7781", "issuer": "badge"}),  # the directory knows her by her badge, too
            (again, {"roles": {"chief"}}),
        ]
    ):
        with which.session(caller=ward.person(**more)) as session:
            said += play(ward, session, [chart(str(n))])
    assert said == ["ran", "ran", "ran", "denied"]
    again.close()


ONE = [
    "MRN 12 34",
    "mrn-1234",
    "MRN: 1234",
    "1234",
    "１２３４",
    " 1234 ",
    "Patient/1234",
    "#1234",
    "MRN#12-34",
    "١٢٣٤",
    "mrn\u200b1234",
    "12.34",
]
"""Spellings of one number."""


@pytest.mark.parametrize("spelled", ONE)
def test_spellings_of_one_patient_are_one(spelled):
    assert patient_key(spelled) == "1234"


@pytest.mark.parametrize(
    ("one", "other"),
    [("1234", "01234"), ("a1", "a2"), ("MRN", "ID"), ("mrn 12", "mrn 21"), ("idris", "ris"), ("no-1", "no-2")],
)
def test_two_patients_are_never_one(one, other):
    assert patient_key(one) != patient_key(other)
    assert patient_key(one)


SEVERAL = {
    "a list": ["1", "2", "3", "4"],
    "a list in a text": '["1", "2", "3", "4"]',
    "commas": "1,2,3,4",
    "lines": "1\n2\n3;4",
    "objects in a text": json.dumps([{"id": str(n)} for n in range(4)]),
    "lists in lists": functools.reduce(lambda inner, _: [inner], range(40), ["1", ["2", "3"], "4"]),
    "a text in a text": json.dumps(json.dumps(["1", "2", "3", "4"])),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_patients_in_one_argument_are_several(name):
    assert len(patients_in({"patient": SEVERAL[name]}, ["patient"], ())) == 4


def test_numbers_that_are_found_count_where_the_policy_names_no_field(ward):
    guard = ward.guard(BUDGET)
    with guard.session(caller=ward.person()) as session:
        calls = [("send", {"to": "bo", "text": f"about MRN-{n}"}) for n in range(5)]
        assert play(ward, session, calls) == ["ran"] * 3 + ["denied"] * 2


def test_a_token_counts_as_whom_it_stands_for(ward):
    guard = ward.guard(BUDGET)
    for _ in range(3):
        with guard.session(caller=ward.person()) as session:
            token = session.mask("MRN-4711")
            assert token == "<MRN_1>"
            assert play(ward, session, [("send", {"to": "bo", "text": token})]) == ["ran"]
    with guard.session(caller=ward.person()) as session:
        said = [play(ward, session, [("send", {"to": "bo", "text": session.mask(f"MRN-{n}")})]) for n in range(4)]
        assert said == [["ran"], ["ran"], ["denied"], ["denied"]]


def test_of_several_kinds_of_number_the_one_that_tells_most_apart_counts():
    data = {"rows": ["MRN-1 123-45-6789", "MRN-2 123-45-6780", "MRN-2"]}
    found = [
        Finding(path=("rows", i), start=m.start(), end=m.end(), type=kind)
        for i, text in enumerate(data["rows"])
        for kind, shape in (("MRN", r"MRN-\d"), ("SSN", r"\d{3}-\d\d-\d{4}"))
        for m in re.finditer(shape, text)
    ]
    assert patients_in(data, [], found) == {"1", "2"}


def test_a_result_that_is_passed_counts_too(ward):
    guard = ward.guard(
        [*BUDGET, rule({"tool": "lookup"}, "allow", id="ok")],
    )

    def read_file(path: str) -> str:
        """Read a file."""
        return "MRN-1 MRN-2 MRN-3"

    with guard.session(caller=ward.person()) as session:
        session.call(read_file, {"path": "/x"})
        assert play(ward, session, [chart("2"), chart("9")]) == ["ran", "denied"]


def test_of_a_flood_of_patients_no_more_are_kept_than_tell_that_it_is_one(ward):
    guard = ward.guard(BUDGET)
    with guard.session(caller=ward.person()) as session:
        assert play(ward, session, [("send", {"to": "bo", "text": " ".join(f"MRN-{n}" for n in range(500))})]) == [
            "denied"
        ]
    passing = ward.guard([rule({"patients": {"more_than": 3, "per": "1d"}}, "mask", results="mask")], name="p.yaml")
    with passing.session(caller=ward.person()) as session:
        assert play(ward, session, [("search", {"name": "a", "most": 500})]) == ["ran"]
        assert play(ward, session, [("search", {"name": "a", "most": 500})]) == ["ran"]
    with closing(sqlite3.connect(ward.folder / "toolguard.db")) as db:
        assert db.execute("SELECT count(*) FROM marks WHERE kind = 'patient'").fetchone()[0] == 4


# --- the race


@pytest.mark.parametrize("effect", ["deny", "require_approval"])
def test_threads_that_race_never_pass_the_budget(ward, effect):
    guard = ward.guard([rule({"patients": {"more_than": 10, "per": "1d"}}, effect)])
    said, lock = [], threading.Lock()

    def look_up(worker):
        for n in range(5):
            with guard.session(caller=ward.person()) as session:
                mine = play(ward, session, [chart(f"{worker}-{n}")])
            with lock:
                said.extend(mine)

    threads = [threading.Thread(target=look_up, args=(w,)) for w in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("ran") == len(ward.ran) == 10
    assert len(said) == 40
    assert set(said) == {"ran", "denied" if effect == "deny" else "asked"}


async def test_calls_on_one_event_loop_never_pass_the_budget(ward):
    guard = ward.guard([rule({"patients": {"more_than": 4, "per": "1d"}})])

    async def look_up(n):
        with guard.session(caller=ward.person()) as session:
            await session.acall(ward.tool("chart"), {"patient": str(n)})

    done = await asyncio.gather(*(look_up(n) for n in range(12)), return_exceptions=True)
    assert len(ward.ran) == 4
    assert [type(d) for d in done if d is not None] == [DeniedError] * 8


def test_a_call_that_came_second_is_judged_again_and_asked(ward):
    """Judged while there was room; claimed when another call had taken it."""
    guard = ward.guard([rule({"patients": {"more_than": 1, "per": "1d"}}, "require_approval")])
    bound = guard.tool(ward.tool("chart"))
    with guard.session(caller=ward.person()) as session:
        ref = session.ref("late")
        permit = session.authorise(bound, {"patient": "1"}, ref=ref)
        assert play(ward, session, [chart("2")]) == ["ran"]
        with pytest.raises(Suspended) as waiting:
            session.execute(bound, permit)
        ward.desk.approve(waiting.value.approval_id)
        permit = session.authorise(bound, {"patient": "1"}, ref=ref)
        assert session.execute(bound, permit).value == {"ok": True}
    assert ward.ran == [("chart", "2"), ("chart", "1")]


def test_a_call_that_came_second_is_denied_and_the_record_says_by_which_rule(ward):
    guard = ward.guard([rule({"tool": "clock", "more_than": {"calls": 1, "per": "1h"}})])
    bound = guard.tool(ward.tool("clock"))
    with guard.session(caller=ward.person()) as session:
        permit = session.authorise(bound, {}, ref=session.ref())
        assert play(ward, session, ["clock"]) == ["ran"]
        with pytest.raises(DeniedError, match="'r'"):
            session.execute(bound, permit)
    last = list(ward.desk.store.records())[-1].draft.body
    assert last["toolguard.policy.rule.id"] == ["r"]
    assert last["toolguard.decision.outcome"] == "denied"
    assert last["toolguard.history.counts"] == ["calls:2>1"]


WORKER = """
import json, sys, threading
from pathlib import Path
from toolguard import Caller, DeniedError, Guard
from toolguard.keys import KeyRing
from toolguard.testing import NoDetector

folder, store, worker = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def chart(patient: str) -> str:
    "Look into one patient's chart."
    with open(folder / "effects", "a") as effects:
        effects.write(patient + "\\n")
    return "ok"

guard = Guard(folder / "policy.yaml", store=store, keys=KeyRing.load(folder / "guard.key"),
              directory=folder / "directory.yaml", trusted=json.loads(sys.argv[4]), detector=NoDetector())
print("ready", flush=True)
sys.stdin.readline()

def look_up(thread):
    for n in range(4):
        with guard.session(caller=Caller.of("ana", agent=f"agent-{worker}", tenant="general")) as session:
            try:
                session.call(chart, {"patient": f"{worker}-{thread}-{n}"})
            except DeniedError:
                pass

threads = [threading.Thread(target=look_up, args=(t,)) for t in range(8)]
for t in threads: t.start()
for t in threads: t.join()
guard.close()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_processes_that_race_never_pass_the_budget(ward, kind, request):
    url = ward.desk.store_url if kind == "sqlite" else request.getfixturevalue("store_database")
    write_key(ward.folder / "guard.key", ward.desk.seal_key)
    rules = json.dumps(
        {"id": "r", "because": "b", "effect": "deny", "match": {"patients": {"more_than": 9, "per": "1d"}}}
    )
    (ward.folder / "policy.yaml").write_text(f"{HEAD}rules: [{rules}]\n", "utf-8")
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                textwrap.dedent(WORKER),
                str(ward.folder),
                url,
                str(n),
                json.dumps(ward.desk.trusted),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for n in range(2)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            assert worker.wait(60) == 0
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            worker.stdin.close()
            worker.stdout.close()
    looked = (ward.folder / "effects").read_text().split()
    assert len(looked) == len(set(looked)) == 9


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(0, 5))
def test_the_count_is_that_of_distinct_patients(ids, most):
    seen = patients_in({"patient": [f"MRN-{i}" for i in ids]}, ["patient"], ())
    assert len(seen) == len(set(ids))
