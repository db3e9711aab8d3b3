"""T13: a yes to a call holds for what its references hold at that moment, and for nothing that takes its place."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

import toolguard
from references.conftest import LOADED
from toolguard import Suspended
from toolguard._core.approval import request_digest
from toolguard._core.call import keyed_digest
from toolguard.config import SystemClock
from toolguard.errors import ConfigError, ContentError, InvalidatedError, ToolFailedError
from toolguard.references import Contents, FileReader

RAN = []


@pytest.fixture(autouse=True)
def _fresh():
    RAN.clear()


def upload(path: str) -> str:
    """Upload a letter."""
    RAN.append(Path(path).read_bytes())
    return "sent"


def asked(session, drive, tool, args, call_id="c1"):
    with pytest.raises(Suspended) as waits:
        drive(session, "call", tool, args, call_id=call_id)
    return waits.value.approval_id


def test_what_did_not_change_runs(session, desk, drive, file):
    approval = asked(session, drive, upload, {"path": str(file)})
    desk.approve(approval)
    assert drive(session, "call", upload, {"path": str(file)}, call_id="c1") == "sent"
    assert RAN == [b"Dear Dr. Chen, all is well."]


def test_the_request_says_what_is_bound_and_its_digest_covers_it(session, desk, drive, file):
    request = desk.store.get("general", asked(session, drive, upload, {"path": str(file)})).request
    assert list(request.bound) == ["path"]
    assert request.bound["path"].startswith("v1:")
    assert request.unbound == ()
    again = desk.store.get("general", asked(session, drive, upload, {"path": str(file)}, "c2")).request
    assert again.bound == request.bound  # keyed and stable, so that people can compare
    assert "all is well" not in repr(request)
    key = session._scope.digest_key
    assert request_digest(key, request) == request.view_digest
    for other in ({"path": "v1:" + "0" * 64}, {}):
        assert request_digest(key, replace(request, bound=other)) != request.view_digest
    assert request_digest(key, replace(request, unbound=("url",))) != request.view_digest


def replaced(file):
    """Another file takes its name, with the same words in it."""
    other = file.with_suffix(".new")
    other.write_bytes(file.read_bytes())
    other.replace(file)


def rewritten(file):
    file.write_text("Dear Dr. Chen, all is lost.")


def rewritten_in_secret(file):
    """The same size and the same times, to the nanosecond."""
    before = file.stat()
    rewritten(file)
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def removed(file):
    file.unlink()


def made_a_fifo(file):
    file.unlink()
    os.mkfifo(file)


def made_a_link(file):
    """A link to another file of the same content takes its place."""
    other = file.with_suffix(".other")
    file.replace(other)
    file.symlink_to(other)


def grown(file):
    with file.open("a") as more:
        more.write("P.S. send everything to attacker.example")


def locked_up(file):
    """Its folder is gone from under it."""
    file.parent.joinpath("elsewhere").mkdir()
    file.replace(file.parent / "elsewhere" / file.name)


CHANGES = [replaced, rewritten, rewritten_in_secret, removed, made_a_fifo, made_a_link, grown, locked_up]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_what_changed_between_the_yes_and_the_claim_does_not_run(session, desk, drive, file, reasons, change):
    approval = asked(session, drive, upload, {"path": str(file)})
    desk.approve(approval)
    change(file)
    with pytest.raises(InvalidatedError) as refused:
        drive(session, "call", upload, {"path": str(file)}, call_id="c1")
    assert refused.value.code == "content_changed"
    assert "do not retry" not in str(refused.value)
    assert RAN == []
    assert desk.store.get("general", approval).state.value == "invalidated"
    assert reasons() == ("invalidated", "content_changed")


def test_a_link_that_leads_elsewhere_now_does_not_run(session, desk, drive, file, tmp_path):
    link, other = tmp_path / "link", tmp_path / "other.txt"
    other.write_bytes(file.read_bytes())
    link.symlink_to(file)
    approval = asked(session, drive, upload, {"path": str(link)})
    desk.approve(approval)
    link.unlink()
    link.symlink_to(other)
    with pytest.raises(InvalidatedError):
        drive(session, "call", upload, {"path": str(link)}, call_id="c1")
    link.unlink()
    link.symlink_to(file)
    approval = asked(session, drive, upload, {"path": str(link)}, "c2")
    desk.approve(approval)
    assert drive(session, "call", upload, {"path": str(link)}, call_id="c2") == "sent"


def test_a_folder_on_the_way_that_leads_elsewhere_now_does_not_run(session, desk, drive, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "letter.txt").write_text("the same words")
    way = tmp_path / "way"
    way.symlink_to(tmp_path / "one")
    desk.approve(asked(session, drive, upload, {"path": str(way / "letter.txt")}))
    way.unlink()
    way.symlink_to(tmp_path / "two")
    with pytest.raises(InvalidatedError):
        drive(session, "call", upload, {"path": str(way / "letter.txt")}, call_id="c1")
    assert RAN == []


def test_a_relative_path_is_bound_to_where_it_led(session, desk, drive, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    desk.approve(asked(session, drive, upload, {"path": file.name}))
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path / "away")
    with pytest.raises(InvalidatedError):
        drive(session, "call", upload, {"path": file.name}, call_id="c1")


def a_socket(tmp_path):
    place = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))
    return place


def a_fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def a_loop(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return tmp_path / "loop"


def huge(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing
    return tmp_path / "huge"


UNFIT = [
    pytest.param(lambda p: p / "none", "content_missing", id="missing"),
    pytest.param(lambda p: p / "letter.txt" / "inside", "content_missing", id="below a file"),
    pytest.param(lambda p: p, "content_not_regular", id="folder"),
    pytest.param(lambda p: Path("/"), "content_not_regular", id="root"),
    pytest.param(a_fifo, "content_not_regular", id="fifo"),
    pytest.param(a_socket, "content_not_regular", id="socket"),
    pytest.param(lambda p: "/dev/zero", "content_not_regular", id="device"),
    pytest.param(lambda p: "/dev/stdin", "content_not_regular", id="standard input"),
    pytest.param(a_loop, "content_unreadable", id="link to itself"),
    pytest.param(huge, "content_too_large", id="huge"),
    pytest.param(lambda p: "x\0y", "content_unreadable", id="null byte"),
    pytest.param(lambda p: "/" + "x" * 5000, "content_unreadable", id="endless name"),
    pytest.param(lambda p: "", "content_not_regular", id="empty"),
    pytest.param(lambda p: "https://files.example/letter", "content_missing", id="url"),
]


@pytest.mark.parametrize(("make", "code"), UNFIT)
def test_what_cannot_be_read_is_refused_before_anyone_is_asked(session, desk, drive, file, reasons, make, code):
    place = str(make(file.parent))
    with pytest.raises(ContentError) as refused:
        drive(session, "call", upload, {"path": place}, call_id="c1")
    assert refused.value.code == code
    assert "'path'" in str(refused.value)
    assert len(place) < 3 or place not in str(refused.value) + refused.value.model_text
    assert reasons() == ("denied", code)
    assert desk.store.list("general") == ()
    assert RAN == []


def test_the_model_learns_nothing_from_which_code_it_was():
    """Whether a file is there or forbidden is not for whoever writes paths to find out."""
    texts = {ContentError("x", code=c).model_text for c in ("content_missing", "content_unreadable")}
    assert len(texts) == 1


def test_a_forbidden_file_is_refused(file):
    """As somebody who may not enter its folder: pytest's own belong to whoever runs it."""
    root = os.geteuid() == 0
    file.chmod(0)
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(ContentError) as refused, FileReader().open(str(file)):
            raise AssertionError("opened")
    finally:
        if root:
            os.seteuid(0)
    assert refused.value.code == "content_unreadable"


def test_whatever_a_reader_raises_is_refused_and_not_repeated(session, rows, drive, reasons):
    def send_rows(table: str) -> str:
        return "sent"

    for fail in (PermissionError("/srv/ada-byron"), RuntimeError("ada byron"), KeyError("ada byron")):
        rows.fail = fail
        with pytest.raises(ContentError) as refused:
            drive(session, "call", send_rows, {"table": "cohort"})
        assert "byron" not in str(refused.value)
        assert reasons() == ("denied", "content_unreadable")


@pytest.mark.parametrize("change", ["content", "version", "gone"])
def test_a_row_set_is_bound_like_a_file(session, desk, rows, drive, change):
    def send_rows(table: str) -> str:
        RAN.append(table)
        return "sent"

    rows.tables["cohort"] = [b"4711", b"4712"]
    desk.approve(asked(session, drive, send_rows, {"table": "cohort"}))
    if change == "content":
        rows.tables["cohort"] = [b"4711", b"4713"]
    elif change == "version":
        rows.version = "2"
    else:
        del rows.tables["cohort"]
    with pytest.raises(InvalidatedError):
        drive(session, "call", send_rows, {"table": "cohort"}, call_id="c1")
    assert RAN == []


def test_how_a_content_comes_in_pieces_does_not_matter(rows):
    from toolguard._core.steps import Reference

    contents = Contents({"rows": rows}, clock=SystemClock())
    reference = (Reference(path="t", reader="rows", value="t"),)
    rows.tables["t"] = [b"ab", b"c"]
    one = contents.digests(reference, b"k" * 32)
    rows.tables["t"] = [b"a", b"", b"bc"]
    assert contents.digests(reference, b"k" * 32) == one
    assert contents.digests(reference, b"j" * 32) != one  # keyed
    rows.version = "1a"
    rows.tables["t"] = [b"bc"]
    assert contents.digests(reference, b"k" * 32) != one  # what is identity is not content
    assert keyed_digest(b"k" * 32, "x", b"") != one["t"]


def test_a_slow_content_is_given_up(rows):
    from toolguard._core.steps import Reference
    from toolguard.testing.fakes import FakeClock

    clock = FakeClock()

    def drip():
        while True:
            clock.advance(1)
            yield b"x"

    rows.tables["t"] = drip()
    with pytest.raises(ContentError) as refused:
        Contents({"rows": rows}, seconds=5, clock=clock).digests((Reference(path="t", reader="rows", value="t"),), b"k")
    assert refused.value.code == "content_slow"


def test_a_file_that_changes_while_it_is_read_is_refused(file):
    with pytest.raises(ContentError) as refused, FileReader().open(str(file)) as content:
        next(content.chunks)
        grown(file)
        list(content.chunks)
    assert refused.value.code == "content_unstable"


def test_a_link_put_in_the_way_while_the_path_is_walked_is_refused(file, tmp_path, monkeypatch):
    """The folder is swapped for a link after the path was resolved."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "letter.txt").write_text("approved")
    resolve = Path.resolve

    def swapped(self, strict=False):
        found = resolve(self, strict=strict)
        inner.rename(tmp_path / "moved")
        inner.symlink_to(tmp_path)
        return found

    monkeypatch.setattr(Path, "resolve", swapped)
    with pytest.raises(ContentError) as refused, FileReader().open(str(inner / "letter.txt")):
        raise AssertionError("opened")
    assert refused.value.code in ("content_unreadable", "content_missing")


def test_every_item_of_a_list_is_bound(session, desk, drive, tmp_path):
    def upload_all(bundle: dict[str, list[str]]) -> str:
        RAN.append(len(bundle["files"]))
        return "sent"

    files = [tmp_path / f"{n}.txt" for n in range(3)]
    for f in files:
        f.write_text(f.name)
    args = {"bundle": {"files": [str(f) for f in files]}}
    approval = asked(session, drive, upload_all, args)
    assert list(desk.store.get("general", approval).request.bound) == [f"bundle.files.{n}" for n in range(3)]
    desk.approve(approval)
    files[2].write_text("another")
    with pytest.raises(InvalidatedError):
        drive(session, "call", upload_all, args, call_id="c1")
    desk.approve(asked(session, drive, upload_all, args, "c2"))
    assert drive(session, "call", upload_all, args, call_id="c2") == "sent"


@pytest.mark.parametrize("files", [{"a": "b"}, 7, ["x", 7]])
def test_what_should_be_a_reference_and_is_no_text_is_refused(session, drive, tmp_path, files):
    def upload_all(bundle: dict) -> str:
        return "sent"

    with pytest.raises(ContentError, match="neither text nor a list"):
        drive(session, "call", upload_all, {"bundle": {"files": files if files != ["x", 7] else [7]}})


def test_too_many_references_are_refused(session, drive, file):
    def upload_all(bundle: dict) -> str:
        return "sent"

    with pytest.raises(ContentError, match="more than 100"):
        drive(session, "call", upload_all, {"bundle": {"files": [str(file)] * 101}})


def test_an_absent_reference_binds_nothing(session, desk, drive):
    def upload_all(bundle: dict) -> str:
        return "sent"

    approval = asked(session, drive, upload_all, {"bundle": {"files": None}})
    assert desk.store.get("general", approval).request.bound == {}
    desk.approve(approval)
    assert drive(session, "call", upload_all, {"bundle": {"files": None}}, call_id="c1") == "sent"


def test_a_reference_the_policy_forgot_makes_the_old_yes_void(desk, session, drive, file):
    """The policy of another guard on the same store names no references: what was approved is no longer checked."""
    desk.approve(asked(session, drive, upload, {"path": str(file)}))
    lax = replace(LOADED, tools=tuple(replace(t, references={}) for t in LOADED.tools))
    with desk.guard(lax).session(caller=session.caller, run="r1") as other, pytest.raises(InvalidatedError):
        drive(other, "call", upload, {"path": str(file)}, call_id="c1")
    assert RAN == []


UNBOUND = [
    ({"url": "https://files.example/letter"}, ("url",)),
    ({"url": "not an address"}, ()),
    ({"target": "/srv/share/letter.txt"}, ("target",)),
    ({"target": "Patient/4711"}, ("target",)),
    ({"target": "just words, no place"}, ()),
    ({"items": [{"file_path": "a.txt"}]}, ("items",)),
    ({"target": "s3://bucket/key"}, ("target",)),
    ({"url": "https://files.example/a", "target": "/b"}, ("target", "url")),
]


@pytest.mark.parametrize(("args", "names"), UNBOUND)
def test_references_that_nothing_binds_are_named(session, desk, args, names):
    def fetch(url: str = "", target: str = "", items: list[dict] | None = None) -> str:
        return "ok"

    with pytest.raises(Suspended) as waits:
        session.call(fetch, args)
    request = desk.store.get("general", waits.value.approval_id).request
    assert (request.unbound, request.bound) == (names, {})


def test_beside_a_bound_reference_another_one_is_still_named(session, desk, file):
    def upload_all(bundle: dict) -> str:
        return "sent"

    with pytest.raises(Suspended) as waits:
        session.call(upload_all, {"bundle": {"files": [str(file)], "callback_url": "https://hook.example/x"}})
    request = desk.store.get("general", waits.value.approval_id).request
    assert (list(request.bound), request.unbound) == (["bundle.files.0"], ("bundle",))


def test_an_argument_name_the_model_made_up_is_not_repeated():
    from toolguard import Tool
    from toolguard.analysis import analyser_for

    plan = analyser_for(Tool.describe("fetch", source="app", schema={"properties": {"path": {"type": "string"}}}))
    assert plan.pointers({"path": "/a", "Ada Byron file": "/srv/x"}) == ("(undeclared)", "path")


def test_a_reader_nobody_has_is_refused_when_the_guard_is_made(desk):
    with pytest.raises(ConfigError, match="reads 'table' of 'send_rows' with 'rows', and there is no such reader"):
        desk.guard(LOADED)


def reader():
    from references.conftest import Rows

    return Rows()


def test_readers_of_ones_own_come_from_the_configuration():
    from toolguard.references import open_readers

    assert set(open_readers({"rows": "python:references.test_binding:reader"})) == {"rows"}
    for source, says in (
        ("python:references.test_binding:none", "AttributeError"),
        ("rows", "write it so"),
        ("python:builtins:object", "no method 'open'"),
    ):
        with pytest.raises(ConfigError, match=says):
            open_readers({"rows": source})
    with pytest.raises(ConfigError, match="built in"):
        open_readers({"file": "python:references.test_binding:reader"})


# --- the verified copy -----------------------------------------------------------------------------------------------


def careful(path: str) -> str:
    """Upload a letter: the very bytes that were approved."""
    with toolguard.current_call().reference("path") as file:
        RAN.append(file.read())
    return "sent"


careful.__name__ = "upload"


def test_a_careful_tool_gets_the_very_bytes_that_were_approved(session, desk, drive, file):
    desk.approve(asked(session, drive, careful, {"path": str(file)}))
    assert drive(session, "call", careful, {"path": str(file)}, call_id="c1") == "sent"
    assert RAN == [b"Dear Dr. Chen, all is well."]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_and_nothing_where_it_changed_after_the_claim(session, desk, drive, file, change):
    def upload(path: str) -> str:
        change(file)
        return toolguard.current_call().reference("path").read().decode()

    desk.approve(asked(session, drive, upload, {"path": str(file)}))
    with pytest.raises(ToolFailedError) as failed:
        drive(session, "call", upload, {"path": str(file)}, call_id="c1")
    assert isinstance(failed.value.original, ContentError)
    assert failed.value.original.code.startswith("content_")


def test_the_copy_stays_what_it_was(session, desk, drive, file):
    def upload(path: str) -> str:
        with toolguard.current_call().reference("path") as copy:
            rewritten(file)
            return copy.read().decode()

    desk.approve(asked(session, drive, upload, {"path": str(file)}))
    assert drive(session, "call", upload, {"path": str(file)}, call_id="c1") == "Dear Dr. Chen, all is well."


def test_a_call_nobody_had_to_approve_gets_the_content_as_it_is(session, drive, file):
    def read(path: str) -> str:
        return toolguard.current_call().reference("path").read().decode()

    assert drive(session, "call", read, {"path": str(file)}) == "Dear Dr. Chen, all is well."


def test_only_what_the_policy_names_can_be_had(session, drive, file):
    def read(path: str) -> str:
        toolguard.current_call().reference("other")
        return "never"

    def look(path: str) -> str:
        toolguard.current_call().reference("path")
        return "never"

    for tool in (read, look):
        with pytest.raises(ToolFailedError) as failed:
            drive(session, "call", tool, {"path": str(file)})
        assert failed.value.original.code == "content_not_bound"


def test_after_the_call_nothing_can_be_had(session, drive, file):
    kept = []

    def read(path: str) -> str:
        kept.append(toolguard.current_call())
        return "ok"

    drive(session, "call", read, {"path": str(file)})
    with pytest.raises(toolguard.CredentialError, match="has ended"):
        kept[0].reference("path")
