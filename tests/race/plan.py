"""What is raced: the people, the policy, and how many requests of which kind. All of it follows from the seed."""

from __future__ import annotations

import functools
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolguard import Caller
from toolguard._core.call import Person
from toolguard._core.policy import Policy
from toolguard.authority import Authority, Human
from toolguard.config import RandomIds
from toolguard.directory import FileDirectory
from toolguard.errors import StoreError
from toolguard.guard import Guard
from toolguard.keys import Ed25519Signer, KeyRing, PinnedVerifier, Purpose, SecretKey
from toolguard.policyfile import load_policy
from toolguard.ports import Store
from toolguard.stores import open_store
from toolguard.testing.fakes import NoDetector

TENANT = "general"
DESK = ("chen", "diaz", "evans", "fox")
"""Who decides."""
NURSES = tuple(f"nurse-{n}" for n in range(40))
"""Who asks. Nurse 0 is at the desk as well, and may not decide her own requests all the same."""

DIRECTORY = (
    """\
version: 1
persons:
"""
    + "".join(
        f"  - {{id: {p}, name: {p.title()}, identities: [{{issuer: local, tenant: {TENANT}, subject: {p}}}]}}\n"
        for p in ("noor", *DESK, *NURSES)
    )
    + f"""\
groups: [{{name: desk, tenant: {TENANT}, members: [{", ".join((NURSES[0], *DESK))}]}}]
agents: [{{name: race-agent, tenant: {TENANT}, owners: [noor]}}]
"""
)

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: race, version: 1, owner: race@general.example}
defaults: {per_run: 1000000, per_person: 1000000}
approvals:
  default: {approvers: ["group:desk"], quorum: 1, expires: 1h, claim_ttl: 15m}
  both: {approvers: ["group:desk"], quorum: 2, expires: 1h, claim_ttl: 15m}
  short: {approvers: ["group:desk"], quorum: 1, expires: 1s, claim_ttl: 15m}
  fleeting: {approvers: ["group:desk"], quorum: 1, expires: 1h, claim_ttl: 0.05s}
tools:
  free: {risk: low}
  plain: {risk: high}
  hasty: {risk: high}
  pair: {risk: high}
  brief: {risk: high}
  fading: {risk: high}
rules:
  - {id: pair, because: "Two people.", match: {tool: pair}, effect: require_approval, approval: both}
  - {id: brief, because: "Soon or never.", match: {tool: brief}, effect: require_approval, approval: short}
  - {id: fading, because: "A yes that fades.", match: {tool: fading}, effect: require_approval, approval: fleeting}
"""

KINDS = {"free": 10, "plain": 45, "hasty": 10, "pair": 15, "brief": 10, "fading": 10}
"""Tools and their share. ``free`` needs no approval; ``hasty`` is called by a guard that soon takes it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One race. Times in seconds.

    Attributes:
        guards, threads: guard processes, and the lanes in each; every request runs in two lanes.
        dawdle: chance of a pause before a commit, so that others come in between.
        die: chance at each boundary that a worker ends itself by SIGKILL there.
        kill_every: requests between SIGKILLs from outside, on average; 0: none.
        crash_every: requests between crashes of a database server that was started for the race, on average; 0: none.
        lease: how long an execution is believed in.
    """

    folder: Path
    store: str
    seed: int
    requests: int
    guards: int = 2
    threads: int = 2
    deciders: int = 2
    dawdle: float = 0.05
    die: float = 0.0005
    kill_every: float = 12.0
    crash_every: float = 0.0
    lease: float = 2.0
    bound: float = 900.0
    mutant: str = ""

    @property
    def lanes(self) -> int:
        return self.guards * self.threads

    @property
    def run(self) -> str:
        return f"race-{self.seed}"

    def kind(self, number: int) -> str:
        """The tool that request ``number`` calls."""
        return _drawn(self.seed, self.requests)[number][0]

    def nurse(self, number: int) -> str:
        """Who asks for request ``number``."""
        return NURSES[number % len(NURSES)]

    def left_alone(self, number: int) -> bool:
        """Nobody answers this one, so that its time runs out."""
        kind, draw, _ = _drawn(self.seed, self.requests)[number]
        return kind == "brief" and draw < 0.7

    def lanes_of(self, number: int) -> tuple[int, int]:
        """The two lanes that make this call: of one guard or of two."""
        draw = _drawn(self.seed, self.requests)[number][2]
        first = int(draw * self.lanes)
        return first, (first + 1 + int(draw * 1e6) % (self.lanes - 1)) % self.lanes


@functools.lru_cache(maxsize=1)
def _drawn(seed: int, requests: int) -> tuple[tuple[str, float, float], ...]:
    """Each request's kind and two numbers, drawn once and inherited by every worker."""
    chance = random.Random(f"{seed}/requests")
    kinds = chance.choices(list(KINDS), list(KINDS.values()), k=max(requests, 64))
    return tuple((kind, chance.random(), chance.random()) for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The keys and files of one race, made once and inherited by every worker."""

    plan: Plan
    ring: KeyRing
    signer: Ed25519Signer
    policy: Policy

    @classmethod
    def make(cls, plan: Plan) -> Desk:
        (plan.folder / "directory.yaml").write_text(DIRECTORY, "utf-8")
        _drawn(plan.seed, plan.requests)
        return cls(
            plan=plan,
            ring=KeyRing([SecretKey.generate(Purpose.SEAL)]),
            signer=Ed25519Signer(SecretKey.generate(Purpose.SIGN)),
            policy=load_policy(POLICY, name="race"),
        )

    @property
    def verifier(self) -> PinnedVerifier:
        return PinnedVerifier([self.signer.public_key])

    def open(self) -> Store:
        """The store; a database that is away is waited for."""
        until = time.monotonic() + 20
        while True:
            try:
                return open_store(self.plan.store)
            except StoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def directory(self) -> FileDirectory:
        return FileDirectory(self.plan.folder / "directory.yaml")

    def guard(self, store: Store, **parts: Any) -> Guard:
        return Guard(
            self.policy,
            store=store,
            keys=self.ring,
            directory=self.directory(),
            trusted=(self.signer.public_key.line,),
            detector=NoDetector(),
            **parts,
        )

    def authority(self, store: Store) -> Authority:
        return Authority(
            store, self.directory(), self.signer, RandomIds(), verifier=self.verifier, detector=NoDetector()
        )


def caller(name: str) -> Caller:
    """A person whose agent asks."""
    return Caller.of(name, agent="race-agent", tenant=TENANT)


def human(name: str) -> Human:
    return Human(identity=Person(issuer="local", tenant=TENANT, subject=name), channel="race", auth="race")
