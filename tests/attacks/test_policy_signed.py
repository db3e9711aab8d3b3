"""Attackers who can write beside the policy: what they put there is not put into force, and stops no guard."""

import json
import os
import shutil
import threading
from contextlib import suppress

import pytest

from policy.test_signing import BEN, EVE, TEXT, Ward
from toolguard._core.audit import Kind
from toolguard.errors import PolicyError

LOOSE = TEXT % (2, "shadow")


@pytest.fixture
def ward(tmp_path):
    made = Ward(tmp_path)
    made.write()
    made.sign()
    return made


def edit(ward, change):
    said = json.loads(ward.signature.read_text())
    change(said)
    ward.signature.write_text(json.dumps(said))


def loosened(ward):
    ward.policy.write_text(LOOSE)


def own_key(ward):
    loosened(ward)
    ward.sign(EVE)


def own_key_with_a_pinned_id(ward):
    loosened(ward)
    pinned = json.loads(ward.signature.read_text())["key"]
    ward.sign(EVE)
    edit(ward, lambda said: said.update(key=pinned))


def signed_by_its_author(ward):
    loosened(ward)
    ward.sign(BEN, "ben", "ann")
    edit(ward, lambda said: said["statement"].update(author="ben"))


def other_digest(ward):
    old = json.loads(ward.signature.read_text())
    loosened(ward)
    ward.sign(EVE)
    digest = json.loads(ward.signature.read_text())["statement"]["sha256"]
    old["statement"]["sha256"] = digest
    ward.signature.write_text(json.dumps(old))


def twice_in_one_file(ward):
    old = ward.signature.read_text()
    loosened(ward)
    ward.sign(EVE)
    new = json.loads(ward.signature.read_text())["statement"]
    ward.signature.write_text(old.rstrip().removesuffix("}") + f', "statement": {json.dumps(new)}' + "}")


def a_list(ward):
    loosened(ward)
    ward.signature.write_text(f"[{ward.signature.read_text()}]")


def another_type(ward):
    edit(ward, lambda said: said["statement"].update(at=True))


def a_blank_behind(ward):
    ward.policy.write_text(ward.policy.read_text() + " ")


def carriage_returns(ward):
    ward.policy.write_bytes(ward.policy.read_bytes().replace(b"\n", b"\r\n"))


def a_byte_order_mark(ward):
    ward.policy.write_bytes(b"\xef\xbb\xbf" + ward.policy.read_bytes())


def a_comment(ward):
    ward.policy.write_text("# fine\n" + ward.policy.read_text())


def a_link_to_another_policy(ward):
    other = ward.folder / "other.yaml"
    other.write_text(LOOSE)
    ward.policy.unlink()
    ward.policy.symlink_to(other)


def a_link_to_its_own_signature(ward):
    loosened(ward)
    ward.signature.unlink()
    ward.signature.symlink_to(ward.policy)


def a_second_document(ward):
    ward.policy.write_text(ward.policy.read_text() + "---\n" + LOOSE)


def a_key_that_stands_twice(ward):
    ward.policy.write_text(ward.policy.read_text() + "mode: shadow\n")


def an_include(ward):
    ward.policy.write_text(ward.policy.read_text() + "include: ['pack:agents']\n")


def no_signature(ward):
    ward.signature.unlink()


def an_empty_one(ward):
    ward.signature.write_bytes(b"")


def a_folder_for_a_signature(ward):
    ward.signature.unlink()
    ward.signature.mkdir()


def a_pipe_for_a_signature(ward):
    ward.signature.unlink()
    os.mkfifo(ward.signature)


def a_pipe_for_a_policy(ward):
    ward.policy.unlink()
    os.mkfifo(ward.policy)


def a_device(ward):
    ward.policy.unlink()
    ward.policy.symlink_to("/dev/zero")


def nothing(ward):
    ward.policy.unlink()


SWAPS = [
    loosened, own_key, own_key_with_a_pinned_id, signed_by_its_author, other_digest, twice_in_one_file, a_list, another_type,
    a_blank_behind, carriage_returns, a_byte_order_mark, a_comment, a_link_to_another_policy, a_link_to_its_own_signature,
    a_second_document, a_key_that_stands_twice, an_include, no_signature, an_empty_one, a_folder_for_a_signature,
    a_pipe_for_a_signature, a_pipe_for_a_policy, a_device, nothing,
]  # fmt: skip


def soon(do):
    """What ``do`` raises, if it ends at all."""
    found = []

    def run():
        try:
            do()
        except Exception as fault:
            found.append(fault)
        else:
            found.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it never ended"
    return found[0]


@pytest.mark.parametrize("swap", SWAPS, ids=[s.__name__ for s in SWAPS])
def test_what_is_put_there_is_not_put_into_force_and_the_running_policy_stays(ward, swap):
    guard = ward.start()
    before = guard.parts.policy.sha256
    swap(ward)
    assert isinstance(soon(guard.reload), PolicyError)
    assert guard.parts.policy.sha256 == before
    assert [r.draft.kind for r in ward.store.records()][-1] is Kind.POLICY_REFUSED
    assert isinstance(soon(ward.start), PolicyError)
    guard.close()


def copy(ward, name):
    for file in (ward.policy, ward.signature):
        shutil.copy(file, file.with_name(f"{name}-{file.name}"))


def put_back(ward, name):
    for file in (ward.policy, ward.signature):
        shutil.copy(file.with_name(f"{name}-{file.name}"), file)


@pytest.mark.parametrize(
    ("first", "then"),
    [(1, 2), ("1.9", "1.10"), ("1.0", "1.0.1"), ("2", "10"), ("1.0-rc1", "1.0"), ("v1", "v2"), ("2026-01", "2026-02")],
)
def test_what_was_signed_once_is_not_put_back_by_whoever_kept_it(ward, first, then):
    ward.write(json.dumps(str(first)), "shadow")
    ward.sign(at=10)
    copy(ward, "old")
    ward.write(json.dumps(str(then)))
    ward.sign(at=20)
    guard = ward.start()
    put_back(ward, "old")
    assert getattr(soon(guard.reload), "reason", "") == "older_version"
    assert getattr(soon(ward.start), "reason", "") == "older_version"
    guard.close()


def test_nor_is_an_earlier_draft_of_the_same_version(ward):
    ward.write(3, "shadow")
    ward.sign(at=10)
    copy(ward, "draft")
    ward.write(3)
    ward.sign(at=20)
    ward.start().close()
    put_back(ward, "draft")
    assert getattr(soon(ward.start), "reason", "") == "older_version"


def test_a_guard_in_development_frees_no_old_version_on_the_store_it_shares(ward):
    ward.write(1, "shadow")
    ward.sign(at=10)
    copy(ward, "old")
    ward.write(5)
    ward.sign(at=20)
    ward.start().close()
    ward.configure(environment='environment = "development"')
    put_back(ward, "old")
    ward.start().close()  # nobody asks there
    ward.configure()
    assert getattr(soon(ward.start), "reason", "") == "older_version"


@pytest.mark.parametrize("name", ["WARD", "ward-", "ward.x", "ward ", "ｗard", "wаrd", "ward\u200b"])
def test_a_policy_of_a_name_that_only_looks_alike_is_another(ward, name):
    guard = ward.start()
    ward.policy.write_text((TEXT % (2, "shadow")).replace("name: ward", f"name: {json.dumps(name)}"))
    with suppress(PolicyError):  # most of them are no names at all
        ward.sign(at=30)
    assert isinstance(soon(guard.reload), PolicyError)
    assert guard.parts.policy.id == "ward"
    guard.close()
