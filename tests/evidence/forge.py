"""What an attacker with a key does to a pack: sign it anew, or write the whole history anew."""

from __future__ import annotations

import hashlib
import json

from toolguard._core.checkpoint import Checkpoint, Note
from toolguard._core.tree import root
from toolguard.evidence.verify import split_notes
from toolguard.keys import NoteSigner

Members = dict[str, bytes]
RECORDS, LOGS, NOTES = "integrity/records-0001.jsonl", "integrity/logs.json", "integrity/checkpoints.txt"


def resealed(members: Members, signer: NoteSigner) -> Members:
    """The members as they are now, with a manifest that fits them, signed by ``signer``."""
    kept = {k: v for k, v in members.items() if k not in ("manifest.json", "manifest.note")}
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in kept.items()
    ]
    text = json.dumps(manifest).encode()
    body = f"{manifest['format']}\n{manifest['version']}\n{hashlib.sha256(text).hexdigest()}\n"
    return {**kept, "manifest.json": text, "manifest.note": signer.sign(body, name=manifest["format"]).encode()}


def forged(members: Members, signer: NoteSigner, old: bytes, new: bytes) -> Members:
    """``old`` becomes ``new`` in every record, and all that depends on it is made anew: of one log, from its beginning."""
    (log,) = json.loads(members[LOGS])
    assert log["start"] == 0
    lines, leaves, prev = [], [], "0" * 64
    renamed: dict[str, str] = {}
    for line in members[RECORDS].split(b"\n")[:-1]:
        record, whole = json.loads(line), line
        line = line.replace(old, new).replace(f'"prev":"{record["prev"]}"'.encode(), f'"prev":"{prev}"'.encode())
        prev = hashlib.sha256(b"\x00" + line).hexdigest()
        renamed[hashlib.sha256(b"\x00" + whole).hexdigest()] = prev
        lines.append(line)
        leaves.append(prev)
    ahead, behind = log["next_to"]
    if behind is not None:  # the record after them is chained to the last of them
        behind = behind.replace(json.loads(behind)["prev"], prev)
        log["next_to"] = [ahead, behind]
        log["after"] = [hashlib.sha256(b"\x00" + behind.encode()).hexdigest(), *log["after"][1:]]
    leaves += log["after"]
    notes = []
    for text in split_notes(members[NOTES].decode()):
        said = Checkpoint.parse(Note.parse(text).body)
        if said.origin == log["origin"]:
            text = signer.checkpoint(Checkpoint(origin=said.origin, size=said.size, root=root(leaves[: said.size])))
        notes.append(text)
    tables = {name: members[name].replace(b"denied,", b"allowed,") for name in ("population.csv", "approvals.csv")}
    for was, now in renamed.items():
        tables["population.csv"] = tables["population.csv"].replace(was.encode(), now.encode())
    changed = {
        **members,
        RECORDS: b"".join(line + b"\n" for line in lines),
        LOGS: json.dumps([{**log, "root": root(leaves)}]).encode(),
        NOTES: "".join(notes).encode(),
        "integrity/consistency.json": b"[]",
        **tables,
    }
    return resealed(changed, signer)
