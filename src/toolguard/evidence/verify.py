#!/usr/bin/env python3
"""Check a toolguard evidence pack. One file; needs Python 3.10 or newer and the package 'cryptography', nothing else.

    python verify.py PACK.zip --key 'toolguard-pub:v1:audit-…:…' [--anchor FILE]...

Give the audit key's public line as you got it from the organisation by another way than this pack, and your own copies of
anchors (the anchor file, or a text of lines such as '<log> <size> <root> 2026-06-12' from messages, with the day you got
each). An anchor may be newer than the pack: what it says of later times is not held against it. What is checked: the manifest's
signature and every member's hash; every record's hash and the chain; the roots of each log's tree against the signed
checkpoints and your anchors; the registry of logs; the samples' proofs, and that they are what the seed draws; and that
the population holds exactly the calls the records tell of.

Exit codes: 0 everything holds · 1 something was changed · 2 holds, but something is missing (the key was not given, no
anchor, records no checkpoint covers, no calls) · 3 this is not a pack that can be read.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import re
import signal
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # pragma: no cover - there is nothing to check without it
    sys.exit("verify.py needs the package 'cryptography': python -m pip install cryptography")

FORMAT, VERSION = "toolguard/evidence-pack", 1
GENESIS = "0" * 64
ANCHORED = b"toolguard.audit.anchored"
MARK, YOURS, THEIRS = "your mark", "your anchor", "an anchor in the pack"
MOST = 4 * 1000 * 1000 * 1000  # bytes of a pack, unpacked: more is no pack
MOST_MEMBERS = 100000
GRACE = 3600.0  # seconds after the period's end in which a checkpoint may still be of records of the period
BEGAN = 120.0  # the same for the first one of a new log: one is made within a minute
UNDATED = float("inf")
MOST_RATIO, SMALL = (
    200,
    64 * 1000 * 1000,
)  # a zip that unpacks to more than so many times its size is a bomb, unless it is small


_WRONG = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    MemoryError,
    csv.Error,
)
"""What reading something that is not what it should be can raise; RecursionError is a RuntimeError."""


PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
"""A member's name: one that leads out of the folder a pack is unpacked into is none."""


class Unreadable(Exception):  # noqa: N818 - it is what the pack is
    """This is not a pack, or of a version this file does not know."""


class Report:
    """What was found: faults (exit 1), gaps (exit 2), what holds, and what the pack only says."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.gaps: list[str] = []
        self.holds: list[str] = []
        self.says: list[str] = []
        self.yours = 0
        """How many of the auditor's own anchors speak of records that are shown."""
        self.after: dict[str, set[str]] = {"undated": set(), "soon": set(), "began": set(), "later": set()}
        """Logs that were longer, or there at all, by an anchor that may be newer than the pack."""

    def check(self, good: bool, what: str) -> bool:
        (self.holds if good else self.faults).append(what)
        return good

    def contradicts(self, log: str, by: float, until: float, what: str, *, new: bool = False) -> None:
        """An anchor says more of a log than the pack shows (``new``: that there is such a log): a fault if that was so before the
        period ended (it was said at the time ``by`` at the latest), and nothing to the pack if it was so long after.
        """
        if by < until:
            self.check(False, what)
        elif by == UNDATED:
            self.after["undated"].add(log)
        elif new:
            self.after["began" if by <= until + BEGAN else "later"].add(log)
        else:
            self.after["soon" if by <= until + GRACE else "later"].add(log)

    def tell_after(self) -> None:
        """Say what could not be held against the pack, and what to do about it."""
        again = "have the period exported again, the pack then shows what follows"
        for when, said, mend in (
            ("undated", "at a time that nothing tells", f"write behind each mark the day you got it, or {again}"),
            ("soon", "within an hour of the period's end", again),
            ("began", "right after the period's end, when they began", "have a period exported that ends later"),
        ):
            if logs := sorted(self.after[when]):
                shown = ", ".join(logs[:3]) + (" and others" if logs[3:] else "")
                self.gaps.append(f"your anchor says more of {len(logs)} logs than this pack, {said} ({shown}): {mend}")
        if later := self.after["later"]:
            self.says.append(
                f"your anchor goes on after this pack: {len(later)} logs grew or began later, which says nothing of the period"
            )

    @property
    def exit_code(self) -> int:
        return 1 if self.faults else 2 if self.gaps else 0


# --- hashes and trees (RFC 6962)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha(b"\x01" + left + right)


class Tree:
    """A tree that grows at its end; only the roots of its full subtrees are kept."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)

    def add(self, leaf: bytes) -> None:
        full = self.size
        while full & 1:
            leaf = node(self.peaks.pop(), leaf)
            full >>= 1
        self.peaks.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        if not self.peaks:
            return sha(b"")
        found = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            found = node(peak, found)
        return found


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(other, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, other)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistent(first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = ([first_root] if first & (first - 1) == 0 else []) + list(proof)
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node(other, before), node(other, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = node(after, other)
        at, last = at >> 1, last >> 1
    return last == 0 and before == first_root and after == second_root


# --- keys and signed notes (C2SP signed-note, tlog-checkpoint)


class Key:
    """A public line ``toolguard-pub:v1:<id>:<base64>``."""

    def __init__(self, line: str) -> None:
        parts = line.strip().split(":")
        if len(parts) != 4 or parts[:2] != ["toolguard-pub", "v1"]:
            raise Unreadable("a key is a line 'toolguard-pub:v1:<id>:<base64>'")
        try:
            raw = base64.b64decode(parts[3], validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 32 or parts[2] != f"audit-{sha(b'audit' + bytes(1) + raw).hex()[:16]}":
            raise Unreadable("a key is no audit key, or its id does not fit its bytes")
        self.id, self.raw, self.line = parts[2], raw, line.strip()

    def signed(self, name: str, body: str, signature: bytes) -> bool:
        wanted = sha(name.encode() + b"\n\x01" + self.raw)[:4]
        if signature[:4] != wanted:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature[4:], body.encode())
        except InvalidSignature:
            return False
        return True


def note_body(text: str, keys: Iterable[Key], name: str = "") -> tuple[str, str]:
    """(body, id of the key that signed it, or "") of a signed note; the name is the body's first line by default."""
    body, gap, rest = text.rpartition("\n\n")
    if not gap or not rest.endswith("\n"):
        raise ValueError("not a note")
    body += "\n"
    name = name or body.partition("\n")[0]
    for line in rest[:-1].split("\n"):
        dash, said, encoded = line.split(" ")
        signature = base64.b64decode(encoded, validate=True)
        if dash != "\u2014" or said != name:
            continue
        for key in keys:
            if key.signed(name, body, signature):
                return body, key.id
    return body, ""


def checkpoint(body: str) -> tuple[str, int, bytes]:
    """(origin, size, root) of a checkpoint's body."""
    lines = body.split("\n")
    origin, size, root = lines[:3]
    if not size.isdigit() or (len(size) > 1 and size[0] == "0"):
        raise ValueError("not a checkpoint")
    raw = base64.b64decode(root, validate=True)
    if len(raw) != 32:
        raise ValueError("not a checkpoint")
    return origin, int(size), raw


def split_notes(text: str) -> list[str]:
    """Notes that stand one after the other: each ends with its signature lines."""
    notes: list[str] = []
    held: list[str] = []
    signed = False
    for line in text.splitlines(keepends=True):
        if signed and not line.startswith("\u2014 "):
            notes.append("".join(held))
            held, signed = [], False
        held.append(line)
        signed = signed or line.startswith("\u2014 ")
    return [*notes, "".join(held)] if "".join(held).strip() else notes


# --- the pack


class Pack:
    """The members of a zip, and its manifest."""

    def __init__(self, path: str) -> None:
        try:
            with zipfile.ZipFile(path) as pack:
                infos = pack.infolist()
                names = [info.filename for info in infos]
                large = sum(info.file_size for info in infos)
                packed = sum(info.compress_size for info in infos)
                if len(names) > MOST_MEMBERS or large > min(MOST, max(SMALL, MOST_RATIO * packed)):
                    raise Unreadable("this is larger than any pack")
                self.members = {info.filename: pack.read(info) for info in infos}
                self.twice = len(names) != len(set(names))
                self.strange = sorted(name for name in names if not PLAIN.fullmatch(name))
        except (OSError, zipfile.BadZipFile, zlib.error, *_WRONG) as error:
            raise Unreadable(f"this file cannot be read as a zip ({type(error).__name__})") from None
        try:
            self.manifest = json.loads(self.members["manifest.json"])
            kind, version = self.manifest["format"], self.manifest["version"]
            self.listed = {m["name"]: (m["size"], m["sha256"]) for m in self.manifest["members"]}
        except _WRONG:
            raise Unreadable("this zip has no manifest of a toolguard evidence pack") from None
        if (kind, version) != (FORMAT, VERSION):
            raise Unreadable(f"this is {kind!r} version {version!r}; this file checks {FORMAT!r} version {VERSION}")

    def json(self, name: str) -> Any:
        return json.loads(self.members[name])

    def parts(self, stem: str, ending: str) -> list[bytes]:
        """The members a long one was split into, in order."""
        return [self.members[n] for n in sorted(self.members) if n.startswith(stem) and n.endswith(ending)]

    def rows(self, stem: str) -> list[dict[str, str]]:
        tables = (io.StringIO(part.decode(), newline="") for part in self.parts(stem, ".csv"))
        return [row for table in tables for row in csv.DictReader(table)]


def pack_keys(pack: Pack) -> list[Key]:
    return [Key(line) for line in pack.members.get("integrity/keys.txt", b"").decode().splitlines() if "audit-" in line]


def check_manifest(pack: Pack, keys: Sequence[Key], report: Report) -> None:
    text = pack.members.get("manifest.note", b"").decode("utf-8", "replace")
    wanted = f"{FORMAT}\n{VERSION}\n{sha(pack.members['manifest.json']).hex()}\n"
    try:
        body, signer = note_body(text, keys, FORMAT)
    except ValueError:
        body, signer = "", ""
    if body != wanted:
        report.check(False, "the manifest is not the one that was signed")
    elif not signer:
        report.check(False, "the manifest's signature is of another key, or does not fit")
    else:
        report.check(True, f"the manifest is signed by {signer}")
    report.check(not pack.twice, "no member stands in the pack twice")
    if pack.strange:
        report.check(False, f"{len(pack.strange)} members have names that no pack has: do not unpack it")
    good = True
    for name, (size, digest) in sorted(pack.listed.items()):
        data = pack.members.get(name)
        if data is None:
            good = report.check(False, f"member {name!r} is missing")
        elif len(data) != size or sha(data).hex() != digest:
            good = report.check(False, f"member {name!r} was changed")
    for name in sorted(set(pack.members) - set(pack.listed) - {"manifest.json", "manifest.note"}):
        good = report.check(False, f"member {name!r} is not in the manifest")
    if good:
        report.check(True, f"{len(pack.listed)} members are as the manifest says")


def read_records(pack: Pack) -> dict[str, list[bytes]]:
    """Log → its records' lines, in the order they stand in."""
    found: dict[str, list[bytes]] = {}
    for part in pack.parts("integrity/records-", ".jsonl"):
        for line in part.split(b"\n"):
            if line:
                found.setdefault(json.loads(line)["log"], []).append(line)
    return found


Claim = tuple[int, bytes, str, float]
"""Size, root, who says so, and when that was said at the latest (UTC seconds; ``UNDATED``)."""
Claims = dict[str, list[Claim]]
"""Log (or ``registry``) → what is said of it."""
Leaves = dict[int, tuple[bytes, dict[str, Any]]]
Roots = dict[int, bytes]


def check_edges(log: dict[str, Any], last: str, since: float, until: float, report: Report) -> None:
    """What stands right before and right after the shown records is not of the period, or they were cut too short."""
    name = log["log"]
    if "next_to" not in log:
        if log["start"] or log["continues"]:
            report.says.append(f"log {name}: it was cut where the period begins and ends (this pack does not show it)")
        return
    ahead, behind = log["next_to"]
    good = (ahead is None) == (log["start"] == 0) and (behind is None) == (not log["continues"])
    if ahead is not None:
        good = (
            good and sha(b"\x00" + ahead.encode()).hex() == log["prev"] and not since <= json.loads(ahead)["at"] < until
        )
    if behind is not None:
        record = json.loads(behind)
        good = good and (record["log"], record["seq"], record["prev"]) == (name, log["end"] + 1, last)
        good = good and not since <= record["at"] < until
        good = good and (not log["after"] or sha(b"\x00" + behind.encode()).hex() == log["after"][0])
    report.check(good, f"log {name}: what stands next to the shown records is not of the period")


def check_log(
    log: dict[str, Any],
    lines: list[bytes],
    claims: list[Claim],
    since: float,
    until: float,
    report: Report,
) -> tuple[Leaves, Roots]:
    """One log: hashes, chain, and its tree's roots. Returns {seq: (leaf, record)} and {size: root}."""
    name = log["log"]
    tree = Tree(log["start"], [bytes.fromhex(p) for p in log["peaks"]])
    prev, seq = log["prev"], log["start"]
    leaves: Leaves = {}
    roots = {log["start"]: tree.root}
    chained = len(lines) == log["end"] - log["start"]
    for line in lines:
        record = json.loads(line)
        seq += 1
        chained = chained and (record["seq"], record["prev"], record["log"]) == (seq, prev, name)
        leaf = sha(b"\x00" + line)
        prev = leaf.hex()
        leaves[seq] = (leaf, record)
        tree.add(leaf)
        roots[tree.size] = tree.root
    report.check(chained, f"log {name}: {len(lines)} records follow each other without a gap")
    if log["start"] == 0 and lines:
        first = sha(b"\x00" + lines[0]).hex()
        begins = first == log["first"] and log["prev"] == GENESIS
        report.check(begins, f"log {name} begins with its opening record")
    check_edges(log, prev, since, until, report)
    for leaf in log["after"]:
        tree.add(bytes.fromhex(leaf))
        roots[tree.size] = tree.root
    good = report.check(
        (tree.size, tree.root.hex()) == (log["size"], log["root"]), f"log {name}: its tree has its root"
    )
    confirmed = check_claims(name, claims, roots, log, until, report) if good else 0
    if lines and confirmed < log["end"]:
        open_end = log["end"] - max(confirmed, log["start"])
        report.gaps.append(f"log {name}: {open_end} records are covered by no signed checkpoint")
    return leaves, roots


def check_claims(
    name: str, claims: list[Claim], roots: Roots, log: dict[str, Any], until: float, report: Report
) -> int:
    """Holds the roots against what was signed or anchored; the largest size that a signature covers."""
    confirmed, fits = 0, 0
    for size, root, source, by in claims:
        if size in roots:
            if roots[size] != root:
                report.check(False, f"log {name}: {source} says that its first {size} records were others")
                continue
            fits += 1
            report.yours += name != "registry" and source in (YOURS, MARK) and size > log["start"]
            if source != MARK:  # a mark is no signature
                confirmed = max(confirmed, size)
        elif size > log["size"] and not log["continues"]:
            what = f"log {name}: {source} says that it held {size} records; it ends before"
            if name != "registry" or by < until:  # that other logs began later is said of each of them
                report.contradicts(name, by, until, what)
    if fits:
        report.check(True, f"log {name}: its tree fits {fits} checkpoints and anchors")
    return confirmed


def read_claims(
    pack: Pack, keys: Sequence[Key], anchors: Iterable[str], heads: dict[str, float], report: Report
) -> Claims:
    """Log (or "registry") → [(size, root, source)], out of the pack and out of the auditor's own anchors."""
    claims: Claims = {}
    epoch, anchored = pack.manifest["store"], 0

    def take(origin: str, size: int, root: bytes, source: str, by: float = 0.0) -> int:
        prefix, _, log = origin.rpartition("/")
        if prefix == f"toolguard/{epoch}":
            claims.setdefault(log, []).append((size, root, source, by))
            return 1
        return 0

    def take_note(text: str, source: str, by: float = 0.0) -> int:
        try:
            body, signer = note_body(text, keys)
            origin, size, root = checkpoint(body)
        except (ValueError, IndexError):
            report.check(False, f"{source} cannot be read")
            return 0
        if not signer:
            report.check(False, f"{source} is signed by none of the keys")
            return 0
        return take(origin, size, root, source, by)

    for part in pack.parts("integrity/checkpoints", ".txt"):
        for text in split_notes(part.decode()):
            take_note(text, "a checkpoint")
    for part in pack.parts("integrity/anchors", ".txt"):
        for text in split_notes(part.decode()):
            anchored += take_note(text, THEIRS)
    for path in anchors:
        anchored += read_anchor(path, epoch, take, take_note, heads, report)
    if not anchored:
        report.gaps.append("no anchor: a cut at the end of the newest log before this export could not be seen")
    return claims


def read_anchor(
    path: str,
    epoch: str,
    take: Callable[[str, int, bytes, str, float], int],
    take_note: Callable[[str, str, float], int],
    heads: dict[str, float],
    report: Report,
) -> int:
    """An anchor file (JSON lines, chained), notes, or lines '<log> <size> <root> [<day>]' that somebody kept."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"an anchor cannot be read ({type(error).__name__})") from None
    lines = [line for line in text.splitlines() if line.strip()]
    source, found = YOURS, 0
    if lines and lines[0].lstrip().startswith("{"):
        prev, id_ = GENESIS, ""
        notes: list[tuple[str, float]] = []
        for line in lines:
            try:
                entry = json.loads(line)
                told, note, at = entry["prev"], entry["note"], entry.get("at", UNDATED)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if told != prev:
                report.check(False, "your anchor's lines do not follow each other")
            prev = sha(line.encode()).hex()
            id_ = id_ or prev[:16]
            known = heads.get(f"{id_}:{entry.get('n')}:{prev}", UNDATED)
            notes.append((note, min(known, float(at) if isinstance(at, (int, float)) else UNDATED)))
        by = UNDATED
        for note, at in reversed(notes):  # a line is no later than those after it
            by = min(by, at)
            found += take_note(note, source, by)
        return found
    if "\u2014 " in text:
        return sum(take_note(note, source, UNDATED) for note in split_notes(text))
    for line in lines:
        log, size, root, *day = line.split()[:5] if len(line.split()) in (3, 4) else ("", "", "")
        if not size.isdigit() or len(root) != 64:
            raise Unreadable(
                "an anchor's line is '<log> <size> <root of 64 hex digits>', and the day you got it: 2026-06-12"
            )
        found += take(f"toolguard/{epoch}/{log}", int(size), bytes.fromhex(root), MARK, end_of(*day))
    return found


def end_of(day: str = "") -> float:
    """The end of a day, or a time (UTC), as an auditor writes it down; ``UNDATED`` where nothing was."""
    if not day:
        return UNDATED
    try:
        moment = datetime.fromisoformat(day[:-1] + "+00:00" if day.endswith("Z") else day)
    except ValueError:
        raise Unreadable("behind an anchor's line stands the day you got it: 2026-06-12, or 2026-06-12T14:30") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)  # noqa: UP017 - Python 3.10 has no datetime.UTC
    return moment.timestamp() + (86400.0 if len(day) == 10 else 0.0)


def anchor_heads(lines: dict[str, list[bytes]]) -> dict[str, float]:
    """How far anchors had come by the records' word: ``<id>:<number>:<hash>`` of a line → a time at which it was there."""
    found: dict[str, float] = {}
    for line in (line for log in lines.values() for line in log if ANCHORED in line):
        record = json.loads(line)
        for head in record["body"].get(ANCHORED.decode()) or ():
            found[str(head)] = min(found.get(str(head), UNDATED), record["at"])
    return found


def check_registry(pack: Pack, logs: list[dict[str, Any]], claims: Claims, until: float, report: Report) -> None:
    registry = pack.json("integrity/registry.json")
    roots, tree = {0: sha(b"")}, Tree()
    for leaf in registry["leaves"]:
        tree.add(bytes.fromhex(leaf))
        roots[tree.size] = tree.root
    places = dict(zip(registry["logs"], registry["leaves"], strict=False))
    fits = len(registry["logs"]) == len(registry["leaves"]) and len(places) == len(registry["logs"])
    fits = fits and all(places.get(log["log"]) == log["first"] for log in logs)
    report.check(fits, "every log stands in the registry of logs with its first record")
    whole = {"size": len(registry["leaves"]), "continues": False}
    confirmed = check_claims("registry", claims.get("registry", []), roots, whole, until, report)
    if registry["leaves"] and not confirmed:
        report.gaps.append("no signed checkpoint covers the registry of logs")
    silent = len(set(registry["logs"]) - {log["log"] for log in logs} - set(pack.manifest.get("missing_logs", [])))
    if silent:
        report.says.append(f"{silent} other logs of the registry hold no record of this period")
    for log in sorted(set(claims) - {"registry"} - set(registry["logs"])):
        what = f"log {log} was signed or anchored, but is not in the registry of logs"
        report.contradicts(log, min(by for *_, by in claims[log]), until, what, new=True)
    for name in pack.manifest.get("missing_logs", []):
        report.gaps.append(f"log {name} is in the registry, but none of its records is there")


def check_proofs(pack: Pack, trees: dict[str, Roots], report: Report) -> None:
    for proof in pack.json("integrity/consistency.json"):
        values = [bytes.fromhex(proof[key]) for key in ("first_root", "second_root")]
        path = [bytes.fromhex(p) for p in proof["proof"]]
        roots = trees.get(proof["log"], {})
        known = all(roots.get(proof[s], root) == root for s, root in zip(("first", "second"), values, strict=True))
        good = known and consistent(proof["first"], values[0], proof["second"], values[1], path)
        report.check(good, f"log {proof['log']}: its later checkpoints begin with its earlier ones")


def check_samples(
    pack: Pack, leaves: dict[str, Leaves], trees: dict[str, Roots], report: Report, seed: str | None
) -> None:
    drawn = pack.manifest.get("sample")
    rows = pack.rows("samples/samples")
    if seed is not None:
        report.check(bool(drawn) and drawn["seed"] == seed, "the samples were drawn by your seed")
    if not drawn:
        return
    ids = [row["call"] for row in pack.rows("population")]
    wanted = sorted(ids, key=lambda call: sha(f"{drawn['seed']}\n{call}".encode()))[: drawn["n"]]
    report.check(
        [row["call"] for row in rows] == wanted,
        f"the samples are those that the seed draws: {drawn['n']} by {drawn['seed']!r}",
    )
    good, shown = True, 0
    for data in pack.parts("samples/call-", ".json"):
        sample = json.loads(data)
        shown += 1
        for one in sample["records"]:
            line, proof = one["payload"].encode(), one["proof"]
            leaf, record = leaves.get(proof["log"], {}).get(proof["seq"], (b"", {}))
            root = trees.get(proof["log"], {}).get(proof["tree_size"])
            path = [bytes.fromhex(p) for p in proof["proof"]]
            good = good and leaf == sha(b"\x00" + line) and record.get("call") == sample["call"]
            good = good and root is not None and included(leaf, proof["seq"] - 1, proof["tree_size"], path, root)
    report.check(good and shown == len(rows), f"{shown} samples are proved to stand in the logs")


def check_population(pack: Pack, leaves: dict[str, Leaves], report: Report) -> None:
    """The population is what the records say: each call that was decided in the period once, and no other."""
    since, until = pack.manifest["range"]["since"], pack.manifest["range"]["until"]
    told: dict[str, str] = {}
    for log in sorted(leaves):
        for _, record in leaves[log].values():
            if record["kind"] == "call.decided" and since <= record["at"] < until:
                told.setdefault(record["call"], record["body"].get("toolguard.decision.outcome") or "")
    rows = pack.rows("population")
    same = sorted(told) == sorted(row["call"] for row in rows) and len(told) == len(rows)
    same = same and all(row["decided_as"] == told[row["call"]] for row in rows)
    report.check(same, f"the population holds exactly the {len(told)} calls that the records tell of")
    if not told:
        report.gaps.append("no call was decided in this period: there is no evidence of anything")


COLUMNS = {
    "effect": "toolguard.decision.effect",
    "would": "toolguard.decision.would",
    "reason": "toolguard.decision.reason_code",
    "tool": "gen_ai.tool.name",
    "agent": "gen_ai.agent.name",
    "tenant": "toolguard.tenant",
    "run": "gen_ai.conversation.id",
    "session": "toolguard.session.id",
    "actor": "toolguard.actor.id",
    "assurance": "toolguard.actor.assurance",
    "risk_level": "toolguard.risk.level",
    "risk_class": "toolguard.risk.class",
    "rules": "toolguard.policy.rule.id",
    "policy_sha256": "toolguard.policy.sha256",
    "arguments_hmac": "toolguard.args.hmac",
    "identifiers": "toolguard.phi.entities",
    "masked": "toolguard.phi.masked",
    "released": "toolguard.phi.released",
    "in_clear": "toolguard.phi.revealed",
    "error_type": "error.type",
    "act": "toolguard.act.id",
    "controls": "toolguard.policy.controls",
    "policy_id": "toolguard.policy.id",
    "policy_version": "toolguard.policy.version",
    "detector": "toolguard.phi.detector.version",
}
"""Columns of the population and what the deciding record has to say there."""
ASKED = {
    "tool": "gen_ai.tool.name",
    "risk_level": "toolguard.risk.level",
    "asked_by": "toolguard.actor.person",
    "quorum": "toolguard.approver.quorum",
    "arguments_hmac": "toolguard.args.hmac",
    "call_hmac": "toolguard.call.hmac",
    "view_hmac": "toolguard.view.hmac",
    "policy_sha256": "toolguard.policy.sha256",
}
"""Columns of the approvals and what the first record that speaks of one has to say there."""
RUNS = frozenset(["call.executing"])
RUN_ENDS = frozenset(["call.returned", "call.failed", "call.indeterminate", "call.not_run"])
LAST_MOMENT = 253402300799.0  # the end of the year 9999
ALWAYS = frozenset(
    [
        "policy.refused",
        "call.indeterminate",
        "call.failed",
        "call.not_run",
        "approval.refused",
        "approval.revealed",
        "values.revealed",
        "credential.refused",
        "span.parked",
    ]
)
ACTS = frozenset(["break_glass", "standing", "restored", "freeze", "unfreeze", "void"])
ENDS = frozenset(["revoked", "invalidated", "superseded", "expired", "withdrawn"])
STOPS = frozenset(["deny", "require_approval"])


def is_exception(record: dict[str, Any]) -> bool:
    """Whether a record has to stand among the exceptions. A later release may count more."""
    kind, body = record["kind"], record["body"]
    if kind == "call.decided":
        stopped = body.get("toolguard.decision.would") in STOPS and body.get("toolguard.decision.effect") not in STOPS
        return "error.type" in body or stopped or bool(body.get("toolguard.policy.rule.errors"))
    if kind == "act.recorded":
        return body.get("toolguard.act.kind") in ACTS
    if kind == "approval.resolved":
        return body.get("toolguard.decision.outcome") in ENDS
    if kind == "audit.pruned":
        return bool(body.get("toolguard.prune.without"))
    return kind in ALWAYS or (kind == "call.returned" and body.get("toolguard.result.withheld") is True)


def same_cell(cell: str, value: Any) -> bool:
    """Whether a cell shows a record's value; apostrophes, which keep formulas out, count for nothing."""
    if isinstance(value, bool):
        return cell == ("yes" if value else "no")
    if isinstance(value, (int, float)):
        return bool(cell) and float(cell) == value
    text = "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return cell.replace("'", "") == text.replace("'", "")


def check_tables(pack: Pack, leaves: dict[str, Leaves], report: Report) -> None:
    """What the tables say of calls, questions, exceptions, identifiers and reviews, against the records."""
    since, until = pack.manifest["range"]["since"], pack.manifest["range"]["until"]
    inside = [r for log in sorted(leaves) for _, r in leaves[log].values() if since <= r["at"] < until]
    calls: dict[str, list[dict[str, Any]]] = {}
    for record in inside:
        if record["call"]:
            calls.setdefault(record["call"], []).append(record)
    good = True
    population = pack.rows("population")
    for row in population:
        decided = [r for r in calls.get(row["call"], ()) if r["kind"] == "call.decided"]
        told = {r["body"].get("toolguard.decision.outcome", "") for r in calls.get(row["call"], ())}
        good = good and row["outcome"] in {*told, "executing"}
        good = good and any(
            all(same_cell(row[name], r["body"].get(key)) for name, key in COLUMNS.items() if name in row)
            for r in decided
        )
    report.check(good, "each call's row says what its records say")

    def places(table: str) -> set[tuple[str, int]]:
        return {(row["log"].lstrip("'"), int(row["seq"])) for row in pack.rows(table)}

    wanted = {(r["log"], r["seq"]) for r in inside if is_exception(r)}
    there, listed = {(r["log"], r["seq"]) for r in inside}, places("exceptions")
    report.check(wanted <= listed <= there, f"the exceptions hold the {len(wanted)} that the records tell of")
    reviews = {(r["log"], r["seq"]) for r in inside if r["kind"] == "audit.review" and r["body"].get(SUBJECT)}
    report.check(places("reviews") == reviews, f"the reviews are the {len(reviews)} that the records tell of")
    asked = {str(r["body"][APPROVAL]) for r in inside if r["body"].get(APPROVAL)}
    rows = {row["approval"]: row for row in pack.rows("approvals")}
    said = [r["body"] for r in inside if r["kind"] == "approval.verdict"]
    good = asked == set(rows)
    for body in said:
        words = f"{body.get('toolguard.approver.id')} {body.get('toolguard.decision.reason_code')} "
        good = good and words.replace("'", "") in rows[str(body[APPROVAL])]["answers"].replace("'", "")
    report.check(good, f"the approvals are the {len(asked)} that the records tell of, with their {len(said)} answers")
    counted = sorted(f"{row['call']} {row['type']}:{row['count']}" for row in pack.rows("phi"))
    kinds, drawn = ("call.decided", "call.returned", "call.failed"), {row["call"] for row in population}
    found = [
        f"{r['call']} {one}"
        for r in inside
        if r["kind"] in kinds and r["call"] in drawn
        for one in r["body"].get("toolguard.phi.entities") or ()
    ]
    report.check(counted == sorted(found), f"the identifiers are the {len(found)} counts that the records tell of")
    check_cells(pack, inside, calls, leaves, report)
    totals = pack.manifest["totals"]
    figures = {"calls": len(population), "approvals": len(rows), "exceptions": len(pack.rows("exceptions"))}
    figures["reviews"] = len(pack.rows("reviews"))
    report.check(all(totals[name] == n for name, n in figures.items()), "the manifest's totals are those of the tables")
    report.says.append(
        "approvers, reciprocity, policies, reasons, pages, OSCAL, traces and agentack files were not worked out anew; they are "
        "whoever exported's words"
    )


def iso(at: Any) -> str:
    """A time as tables have it; ``""`` for None."""
    if at is None:
        return ""
    moment = datetime.fromtimestamp(min(max(at, 0.0), LAST_MOMENT), timezone.utc)  # noqa: UP017 - Python 3.10 has no datetime.UTC
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def check_cells(
    pack: Pack,
    inside: list[dict[str, Any]],
    calls: dict[str, list[dict[str, Any]]],
    leaves: dict[str, Leaves],
    report: Report,
) -> None:
    """Places, times, persons and ends in the tables, against the records they speak of."""

    def at_place(row: dict[str, str]) -> tuple[bytes, dict[str, Any]]:
        return leaves.get(row["log"].lstrip("'"), {}).get(
            int(row["seq"]), (b"", {"at": None, "call": None, "body": {}})
        )

    def same(row: dict[str, str], name: str, value: Any) -> bool:
        return name not in row or same_cell(row[name], value)

    good = True
    population = pack.rows("population")
    for row in population:
        leaf, record = at_place(row)
        story = calls.get(row["call"], ())
        good = good and (record["call"], leaf.hex(), iso(record["at"])) == (row["call"], row["hash"], row["decided_at"])
        for name, kinds in (("executing_at", RUNS), ("ended_at", RUN_ENDS)):
            times = {iso(r["at"]) for r in story if r["kind"] in kinds}
            good = good and (row[name] in times if row[name] else not times)
        digests = {r["body"].get("toolguard.args.hmac") or "" for r in story if r["kind"] in RUNS} or {""}
        good = good and row["executed_hmac"] in digests
        ends = [r["body"] for r in story if iso(r["at"]) == row["ended_at"] and r["kind"] in RUN_ENDS]
        good = good and (
            any(
                same(row, "ended_error", b.get("error.type"))
                and same(row, "result_withheld", b.get("toolguard.result.withheld", False))
                for b in ends
            )
            or not (ends or row["ended_error"] or row["result_withheld"])
        )
        named = {str(r["body"][APPROVAL]) for r in story if r["body"].get(APPROVAL)}
        good = good and set(filter(None, row["approvals"].replace("'", "").split("; "))) == named
    report.check(good, "each call's row has its record's place and hash, and when it ran and ended")

    told: dict[str, list[dict[str, Any]]] = {}
    for record in inside:
        if record["body"].get(APPROVAL):
            told.setdefault(str(record["body"][APPROVAL]), []).append(record)
    good = True
    for row in pack.rows("approvals"):
        story = told.get(row["approval"], ())
        outcomes = {r["body"].get("toolguard.decision.outcome") for r in story}
        good = good and any(
            r["call"] == row["call"]
            and row["requested_at"] == iso(r["body"].get("toolguard.approval.requested_at"))
            and all(same(row, name, r["body"].get(key)) for name, key in ASKED.items())
            for r in story
        )
        good = (
            good and row["outcome"] in {*outcomes, "pending"} and (row["outcome"] == "pending") <= (not _ended(story))
        )
        good = good and row["ended_at"] in {"", *(iso(r["at"]) for r in story if r["kind"] == "approval.resolved")}
        runs = [iso(r["at"]) for r in story if r["kind"] in RUNS]
        good = good and sorted(filter(None, row["executed_at"].split("; "))) == sorted(runs)
        for kind, name in (("approval.refused", "attempts_refused"), ("approval.revealed", "reveals")):
            good = good and int(row[name]) == sum(r["kind"] == kind for r in story)
        for body in (r["body"] for r in story if r["kind"] == "approval.verdict"):
            how = str(body.get("toolguard.approver.auth_method") or "").partition(":")[0]
            words = f"{body.get('toolguard.approver.id')} {how} {body.get('toolguard.approver.assured') or ''}"
            good = good and words.replace("'", "") in row["authenticated"].replace("'", "")
    report.check(
        good, "each approval's row says whose call it was, what was asked, how it ended and who answered by which proof"
    )

    good = True
    for row in pack.rows("exceptions"):
        _, record = at_place(row)
        good = good and iso(record["at"]) == row["at"] and record["call"] == row["call"]
        good = good and same(row, "approval", record["body"].get(APPROVAL))
        good = good and same(row, "person", record["body"].get("toolguard.approver.id"))
    rows = {row["call"]: row for row in population}
    for row in pack.rows("samples/samples"):
        whole = rows.get(row["call"], {})
        good = good and all(row[name] == whole.get(name) for name in ("decided_at", "tool", "outcome") if name in row)
    report.check(good, "exceptions and samples have the times, calls and persons of their records")


def _ended(story: Iterable[dict[str, Any]]) -> bool:
    return any(r["kind"] == "approval.resolved" for r in story)


SUBJECT, APPROVAL = "toolguard.review.subject", "toolguard.approval.id"


def verify(path: str, keys: Iterable[str] = (), anchors: Iterable[str] = (), seed: str | None = None) -> Report:
    """Check the pack at ``path``; ``seed`` is the one the auditor chose. Raises Unreadable where it is none."""
    report, anchors = Report(), list(anchors)
    pack = Pack(path)
    try:
        given = [Key(line) for line in keys]
        inside = pack_keys(pack)
        period, totals = pack.manifest["range"], pack.manifest["totals"]
        report.holds.append(
            f"this pack says that it is of {iso(period['since'])} to {iso(period['until'])}: {totals['calls']} calls"
        )
        check_manifest(pack, given or inside, report)
        if not given:
            ids = ", ".join(key.id for key in inside) or "none"
            report.gaps.append(f"the keys were taken from the pack itself ({ids}): give --key to know who signed it")
        lines = read_records(pack)
        claims = read_claims(pack, given or inside, anchors, anchor_heads(lines), report)
        leaves: dict[str, Leaves] = {}
        trees: dict[str, Roots] = {}
        logs = pack.json("integrity/logs.json")
        since, until = pack.manifest["range"]["since"], pack.manifest["range"]["until"]
        for log in logs:
            name = log["log"]
            leaves[name], trees[name] = check_log(log, lines.pop(name, []), claims.get(name, []), since, until, report)
        report.check(not lines, "every record belongs to a log that the pack names")
        check_registry(pack, logs, claims, until, report)
        check_proofs(pack, trees, report)
        check_samples(pack, leaves, trees, report, seed)
        check_population(pack, leaves, report)
        check_tables(pack, leaves, report)
        report.tell_after()
        if not anchors and any(source == THEIRS for said in claims.values() for _, _, source, _ in said):
            report.says.append(
                "the anchors are copies in the pack, by the hand that exported it: give --anchor, your own"
            )
        if anchors and not report.yours:
            report.gaps.append(
                "none of your anchors speaks of the records that are shown: give one of the period, or newer"
            )
    except _WRONG as error:
        report.check(False, f"a member does not hold what it should ({type(error).__name__})")
    return report


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(3, f"{message}\n")


def say(text: str) -> None:
    """Print what a pack says with nothing in it that could steer a terminal."""
    sys.stdout.write("".join(c if c.isprintable() or c == "\n" else "?" for c in text) + "\n")


_EPILOG = (
    "Exit codes: 0 everything holds, 1 something was changed, 2 holds but something is missing, 3 no pack. "
    "Take the key from the organisation by another way than the pack; the top of this file says what is checked."
)
_OF_A_LOG = re.compile(r"log ([0-9a-f]{32}\b)")


def brief(holds: Sequence[str]) -> list[str]:
    """What holds, with the checks of the logs (some five for each, and every process has one) counted together."""
    of_logs = [what for what in holds if _OF_A_LOG.match(what)]
    logs = {_OF_A_LOG.match(what).group(1) for what in of_logs}  # type: ignore[union-attr]  # they matched above
    if len(logs) < 2:
        return list(holds)
    line = f"{len(logs)} logs: {len(of_logs)} checks of their records, trees and checkpoints (--all prints each)"
    first = holds.index(of_logs[0])
    return [*holds[:first], line, *(what for what in holds[first:] if not _OF_A_LOG.match(what))]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _Parser(description="Check a toolguard evidence pack.", epilog=_EPILOG)
    parser.add_argument("pack", help="the pack, as it was exported: a .zip")
    parser.add_argument(
        "--key", action="append", default=[], help="the audit key's public line (repeat after a rotation)"
    )
    parser.add_argument("--anchor", action="append", default=[], help="your own copy of an anchor")
    parser.add_argument("--seed", help="the seed you chose for the samples")
    parser.add_argument("--all", action="store_true", help="print every check of every log")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    given = parser.parse_args(arguments)
    try:
        report = verify(given.pack, given.key, given.anchor, given.seed)
    except Unreadable as error:
        sys.stderr.write(f"cannot be checked: {error}\n")
        return 3
    if given.json:
        said = {
            "exit": report.exit_code,
            "faults": report.faults,
            "gaps": report.gaps,
            "holds": report.holds,
            "says": report.says,
        }
        say(json.dumps(said, indent=2))
        return report.exit_code
    told = (
        ("ok", report.holds if given.all else brief(report.holds)),
        ("it says", report.says),
        ("MISSING", report.gaps),
        ("CHANGED", report.faults),
    )
    for mark, found in told:
        for what in found:
            say(f"  {mark:<8}{what}")
    ends = ("holds", "CHANGED: do not rely on this pack", "holds as far as it goes, but something is missing")
    say(ends[report.exit_code])
    return report.exit_code


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # '| head' ends it, quietly
    sys.exit(main())
