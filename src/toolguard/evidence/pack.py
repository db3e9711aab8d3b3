"""The evidence pack: one zip, signed, whose bytes depend on the records of a period alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from toolguard._core.audit import AuditRecord, payload
from toolguard._core.checkpoint import log_origin
from toolguard.evidence import agentack
from toolguard.evidence.csvtext import csv_parts
from toolguard.evidence.oscal import assessment_results
from toolguard.evidence.proofs import LogProof, RegistryProof, log_proofs, registry_proof
from toolguard.evidence.tables import TABLES, samples_table
from toolguard.evidence.zipped import LARGEST, zip_bytes
from toolguard.keys import NoteSigner, PublicKey
from toolguard.population import FRAMEWORKS, Call, Population, draw, iso, matrix_of, rank
from toolguard.report import matrix_page, readme_page
from toolguard.telemetry import jaeger_json, otlp_json

__all__ = ["FORMAT", "VERSION", "Pack", "Sampling", "build_pack"]

FORMAT, VERSION = "toolguard/evidence-pack", 1
"""What a verifier reads first. A change that an old verifier would misread gets another version."""
_TRACES = 2000
"""Records to a file of spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The auditor's draw: ``n`` calls by ``seed``."""

    seed: str
    n: int


@dataclass(frozen=True)
class Pack:
    """A pack before it is zipped: members by name, the manifest among them, and what it could not cover."""

    members: dict[str, bytes]
    population: Population

    @property
    def is_empty(self) -> bool:
        return self.population.is_empty

    @cached_property
    def bytes(self) -> bytes:
        return zip_bytes(self.members)


def build_pack(
    population: Population,
    signer: NoteSigner,
    *,
    keys: Iterable[PublicKey] = (),
    anchors: Iterable[str] = (),
    sampling: Sampling | None = None,
    by: str = "",
    largest: int = LARGEST,
) -> Pack:
    """The pack of a period.

    Args:
        signer: the audit key, which signs the manifest.
        keys: other public keys that checkpoints of the period may be signed with (before a rotation).
        anchors: signed notes that an anchor outside the store holds.
        sampling: which calls to prove one by one.
        by: who asked for it, as they want to be named.
        largest: bytes of a member at most.
    """
    builder = _Builder(population, signer, tuple(keys), tuple(anchors), sampling, by, largest)
    return Pack(members=builder.members(), population=population)


@dataclass(frozen=True)
class _Builder:
    population: Population
    signer: NoteSigner
    keys: tuple[PublicKey, ...]
    anchors: tuple[str, ...]
    sampling: Sampling | None
    by: str
    largest: int

    def members(self) -> dict[str, bytes]:
        made: dict[str, bytes] = {}
        for name, table in TABLES.items():
            made |= self._split(name, ".csv", csv_parts(table.header, table.rows(self.population), most=self.largest))
        made |= self._samples()
        made |= self._integrity()
        made |= self._spans()
        made |= self._traces()
        names = [*made, "oscal/assessment-results.json", "control-matrix.html", "README.html", "verify.py"]
        oscal = assessment_results(self.population, version=version("toolguard-middleware"), members=sorted(names))
        made["oscal/assessment-results.json"] = _json(oscal)
        made["control-matrix.html"] = matrix_page(self.population, [matrix_of(self.population, f) for f in FRAMEWORKS])
        made["README.html"] = readme_page(self.population, self._about(), sorted(names), proofs=self._state())
        made["verify.py"] = files("toolguard.evidence").joinpath("verify.py").read_bytes()
        manifest = _json({**self._about(), "members": [_member(name, made[name]) for name in sorted(made)]})
        digest = hashlib.sha256(manifest).hexdigest()
        made["manifest.json"] = manifest
        made["manifest.note"] = self.signer.sign(f"{FORMAT}\n{VERSION}\n{digest}\n", name=FORMAT).encode()
        return made

    def _about(self) -> dict[str, Any]:
        p = self.population
        return {
            "format": FORMAT,
            "version": VERSION,
            "tool": {"name": "toolguard-middleware", "version": version("toolguard-middleware")},
            "store": p.period.epoch,
            "range": {
                "from": iso(p.period.since),
                "to": iso(p.period.until),
                "since": p.period.since,
                "until": p.period.until,
            },
            "exported_by": self.by,
            "signed_with": self.signer.public_key.id,
            "sample": {"seed": self.sampling.seed, "n": self.sampling.n} if self.sampling is not None else None,
            "missing_logs": list(p.period.missing),
            "totals": {
                "records": len(p.records),
                "calls": len(p.calls),
                "calls_decided_earlier": p.earlier,
                "approvals": len(p.questions),
                "exceptions": len(p.exceptions),
                "awaiting_review": len(p.awaiting),
                "reviews": len(p.reviews),
                "policies": len(p.policies),
                "logs": len(p.period.logs),
            },
        }

    # --- proofs

    @cached_property
    def _logs(self) -> tuple[LogProof, ...]:
        return log_proofs(self.population.period, self._notes, log_origin(self._epoch, ""), anchored=self.anchors)

    @cached_property
    def _registry(self) -> RegistryProof:
        period = self.population.period
        heads = [(head.log_id, head.first) for head in period.heads]
        return registry_proof(period, heads, self._notes, log_origin(self._epoch, ""))

    @property
    def _notes(self) -> tuple[str, ...]:
        """Every signed checkpoint; the newest of a store may stand in its anchors only."""
        return (*self.population.period.notes, *self.anchors)

    @cached_property
    def _anchored(self) -> tuple[str, ...]:
        """Notes of anchors that concern what is in the pack."""
        period = self.population.period
        logs = log_proofs(period, self.anchors, log_origin(self._epoch, ""))
        heads = [(head.log_id, head.first) for head in period.heads]
        registry = registry_proof(period, heads, self.anchors, log_origin(self._epoch, ""))
        found = [note for proof in logs for size, note in proof.notes if size <= self._sizes.get(proof.part.log_id, 0)]
        return (*found, *(note for size, note in registry.notes if size <= len(self._registry.leaves)))

    @property
    def _epoch(self) -> str:
        return self.population.period.epoch

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {proof.part.log_id: proof.size for proof in self._logs}

    def _state(self) -> dict[str, int]:
        """How far signatures and anchors reach, for people."""
        covered = sum(max(0, min(p.covered, p.part.end) - p.part.start) for p in self._logs)
        shown = sum(len(p.part.records) for p in self._logs)
        notes = sum(len(p.notes) for p in self._logs) + len(self._registry.notes)
        return {"shown": shown, "covered": covered, "checkpoints": notes, "anchors": len(self._anchored)}

    def _integrity(self) -> dict[str, bytes]:
        lines = (_line(record) for proof in self._logs for record in proof.part.records)
        checkpoints = [note for proof in self._logs for _, note in proof.notes]
        checkpoints += [note for _, note in self._registry.notes]
        consistency = [proof for log in self._logs if (proof := log.consistency()) is not None]
        keys = {key.line: None for key in (self.signer.public_key, *self.keys)}
        return {
            **self._split("integrity/records-", ".jsonl", _pieces(lines, self.largest), always=True),
            **self._split("integrity/checkpoints", ".txt", self._texts(checkpoints)),
            **self._split("integrity/anchors", ".txt", self._texts(self._anchored)),
            "integrity/registry.json": _json(self._registry.data()),
            "integrity/logs.json": _json([proof.data() for proof in self._logs]),
            "integrity/consistency.json": _json(consistency),
            "integrity/keys.txt": "".join(f"{line}\n" for line in keys).encode(),
        }

    def _samples(self) -> dict[str, bytes]:
        if self.sampling is None:
            return {}
        calls = draw(self.population.calls, seed=self.sampling.seed, n=self.sampling.n)
        header, rows = samples_table([(call, rank(self.sampling.seed, call.id)) for call in calls])
        made = self._split("samples/samples", ".csv", csv_parts(header, rows, most=self.largest))
        logs = {proof.part.log_id: proof for proof in self._logs}
        for n, call in enumerate(calls, start=1):
            made[f"samples/call-{n:04d}.json"] = _json(_sample(call, logs))
        return made

    # --- for other tools

    def _spans(self) -> dict[str, bytes]:
        made: dict[str, bytes] = {}
        for n, records in enumerate(_by_call(self.population.records, _TRACES), start=1):
            made[f"traces/jaeger-{n:04d}.json"] = _compact(jaeger_json(records))
            made[f"traces/otlp-{n:04d}.json"] = _compact(otlp_json(records))
        return made

    def _traces(self) -> dict[str, bytes]:
        made = {"agentack/agentack.toml": agentack.POLICY.encode()}
        runs = agentack.traces(self.population.records)
        if len(runs) <= _RUNS:
            for n, trace in enumerate(runs.values(), start=1):
                made[f"agentack/run-{n:05d}.jsonl"] = trace
        else:  # a file a run would be too many: the same lines, told apart by their session
            made |= self._split("agentack/runs-", ".jsonl", _pieces(runs.values(), self.largest), always=True)
        return made

    def _texts(self, notes: Iterable[str]) -> list[bytes]:
        return _pieces((note.encode() for note in notes), self.largest)

    def _split(self, stem: str, ending: str, parts: Sequence[bytes], *, always: bool = False) -> dict[str, bytes]:
        if len(parts) == 1 and not always:
            return {f"{stem}{ending}": parts[0]}
        dash = "" if stem.endswith("-") else "-"
        return {f"{stem}{dash}{n:04d}{ending}": part for n, part in enumerate(parts, start=1)}


_RUNS = 500
"""Runs up to which each has a file of its own for AgentAck."""


def _sample(call: Call, logs: dict[str, LogProof]) -> dict[str, Any]:
    proved = [
        {"payload": _payload(record).decode(), "proof": logs[record.log_id].inclusion(record)} for record in call.story
    ]
    return {"call": call.id, "content": call.content, "records": proved}


def _payload(record: AuditRecord) -> bytes:
    return payload(record.draft, log_id=record.log_id, seq=record.seq, prev=record.prev)


def _line(record: AuditRecord) -> bytes:
    return _payload(record) + b"\n"


def _pieces(lines: Iterable[bytes], most: int) -> list[bytes]:
    """Lines put together into pieces of at most ``most`` bytes; there is always one."""
    pieces: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if size + len(line) > most and pieces[-1]:
            pieces.append([])
            size = 0
        pieces[-1].append(line)
        size += len(line)
    return [b"".join(piece) for piece in pieces]


def _by_call(records: Sequence[AuditRecord], most: int) -> Iterator[list[AuditRecord]]:
    """Records in groups of about ``most``, in which no trace is torn apart."""
    traces: dict[str, list[AuditRecord]] = {}
    for record in records:
        traces.setdefault(record.draft.trace_id or record.draft.call or record.hash, []).append(record)
    held: list[AuditRecord] = []
    for group in traces.values():
        if held and len(held) + len(group) > most:
            yield held
            held = []
        held = [*held, *group]
    if held:
        yield held


def _member(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _json(data: object) -> bytes:
    return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _compact(data: object) -> bytes:
    return (json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
