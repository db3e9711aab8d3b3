"""The running service makes checkpoints, anchors them, and shows their stamp to whoever decides."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from server.process import configure, start, stop, wait_for
from server.visitors import Visitors
from toolguard._core.checkpoint import Checkpoint
from toolguard.journal import read_anchor, verify
from toolguard.keys import NoteSigner, NoteVerifier, Purpose, SecretKey, write_key
from toolguard.stores import open_store


def test_the_service_keeps_the_journal_anchored_and_its_stamp_in_every_message(tmp_path: Path) -> None:
    ward = configure(tmp_path)
    key = SecretKey.generate(Purpose.AUDIT)
    write_key(tmp_path / "audit.key", key)
    with (tmp_path / "toolguard.toml").open("a") as config:
        config.write('[audit]\nsigning_key = "audit.key"\nanchors = ["elsewhere.anchor"]\n')
    asked = ward.ask()
    process = start(tmp_path, "--port", "0", "--ready-file", str(tmp_path / "ready.json"))
    url, headers = wait_for(process, tmp_path), Visitors(ward).bearer("ada")
    stamp, until = "", time.monotonic() + 60.0
    while not stamp and time.monotonic() < until:
        stamp = httpx.get(f"{url}/v1/approvals/{asked.id}", headers=headers, timeout=60).json()["journal"]
        time.sleep(0.05)
    later = ward.ask()
    assert "Traceback" not in stop(process)
    ward.store.close()
    store = open_store(f"sqlite:///{tmp_path}/t.db", read_only=True)
    point = Checkpoint.parse_stamp(stamp, epoch=store.epoch)
    copy, verifier = read_anchor(tmp_path / "elsewhere.anchor"), NoteVerifier([NoteSigner(key).public_key])
    found = verify(store, verifier=verifier, anchors=[copy], stamps=[point])
    store.close()
    assert (found.faults, found.anchors[0].codes) == ((), ())
    sizes = [verifier.checkpoint(note) for note in copy.notes]
    assert point in [Checkpoint(origin=c.origin, size=c.size, root=c.root) for c in sizes]
    guards = max(c.size for c in sizes if c.origin.endswith(found.logs[0].log_id))
    assert guards == found.logs[0].records, f"the last one, at shutdown, holds {later.id!r} too"


def test_without_an_audit_key_no_stamp_is_shown(tmp_path: Path) -> None:
    ward = configure(tmp_path)
    assert ward.authority.stamp() == ""
    ward.store.close()
