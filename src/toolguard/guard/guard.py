"""The guard: the enforcement point, made once."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable
from typing import Any, Self

from toolguard._core.audit import Draft, Kind
from toolguard._core.call import Assurance, Caller, Person, Tool
from toolguard._core.policy import Policy
from toolguard._core.steps import Change
from toolguard.bound import BoundTool, from_function
from toolguard.config import PART_NAMES, Parts, assemble, load_parts
from toolguard.errors import ConfigError, IdentityError, UnknownToolError
from toolguard.guard.known import Known
from toolguard.guard.said import Said
from toolguard.guard.session import Session
from toolguard.ports import SessionKey
from toolguard.register import RegisterReader

__all__ = ["Guard"]


def _folded(name: str) -> str:
    """Tool names that a policy's patterns cannot tell apart, or a reader, are one name."""
    return unicodedata.normalize("NFKC", name).casefold()


MAX_SESSIONS = 256
"""Sessions whose words are kept although no object of theirs is in use; an older one is told again by its messages."""


class Guard:
    """Stands between a model and its tools.

    ``Guard("policy.yaml", store="sqlite:///toolguard.db", keys=…, directory="directory.yaml", trusted=[…])`` says
    everything here; `Guard.from_config` reads it from a file. See `toolguard.config.assemble` for the arguments.
    """

    def __init__(self, policy: Policy | str | os.PathLike[str], **parts: Any) -> None:
        unknown = sorted(set(parts) - PART_NAMES)
        if unknown:
            raise ConfigError(f"Guard takes no {unknown[0]!r}; it takes {', '.join(sorted(PART_NAMES))}")
        self._begin(assemble(policy, **parts))

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] = "toolguard.toml", **parts: Any) -> Guard:
        """The guard that a ``toolguard.toml`` describes. Raises ConfigError with the file and key at fault.

        ``parts`` take the place of what the file says or leaves out: a ``detector``, ``sinks``, …
        """
        guard = cls.__new__(cls)
        guard._begin(load_parts(path, **parts))
        return guard

    def _begin(self, parts: Parts) -> None:
        self.parts = parts
        self._known: dict[str, Known] = {}
        self._registers: dict[str, RegisterReader] = {}
        self._said: dict[SessionKey, Said] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._record_policy()

    def _record_policy(self) -> None:
        policy, now = self.parts.policy, self.parts.clock.now()
        span = self.parts.ids.new()
        draft = Draft(
            kind=Kind.POLICY_LOADED,
            at=now,
            started=now,
            trace_id=self.parts.ids.new(),
            span_id=span[:16],
            body={
                "toolguard.policy.id": policy.id,
                "toolguard.policy.version": policy.version,
                "toolguard.policy.sha256": policy.sha256,
                "toolguard.policy.mode": policy.mode.value,
                "toolguard.policy.rules": len(policy.rules),
                "toolguard.policy.packs": list(policy.packs),
            },
        )
        self.parts.emit(self.parts.store.commit(Change(tenant="", records=(draft,))))

    def register_of(self, tenant: str) -> RegisterReader:
        """What reads the acts that concern ``tenant``; one for all its sessions."""
        with self._lock:
            reader = self._registers.get(tenant)
            if reader is None:
                reader = self._registers[tenant] = RegisterReader(self.parts.store, self.parts.verifier, tenant)
            return reader

    def said_in(self, session: SessionKey, *, new: bool = False) -> Said:
        """What was said in a session, as far as this process was told; one for all that go by its name."""
        with self._lock:
            found = None if new else self._said.pop(session, None)
            self._said[session] = found or Said()  # the latest last
            while len(self._said) > MAX_SESSIONS:
                del self._said[next(iter(self._said))]
            return self._said[session]

    # --- tools ---------------------------------------------------------------------------------------

    def know(self, tool: Tool) -> Known:
        """The tool as the policy sees it.

        Raises:
            UnknownToolError: another tool has this name already; a name means one tool in a guard.
        """
        name = _folded(tool.name)
        known = self._known.get(name)
        if known is None:
            with self._lock:
                known = self._known.get(name)
                if known is None:
                    known = Known(tool, self.parts.policy.plan(tool), self.parts.analyser.tool(tool))
                    self._known[name] = known
        if known.tool is not tool and known.tool.identity != tool.identity:
            raise UnknownToolError(
                f"another tool is already known as {tool.name!r}; give one of them a different name, "
                "or use a second guard (a name means one tool)"
            )
        return known

    def known(self, name: str) -> Tool | None:
        """The tool this guard knows by ``name``, if it has met one."""
        found = self._known.get(_folded(name))
        return None if found is None or found.tool.name != name else found.tool

    def tool(self, function: Callable[..., Any]) -> BoundTool:
        """Describe a plain function as a tool: its name, docstring and annotated signature."""
        bound = from_function(function)
        self.know(bound.tool)
        return bound

    # --- sessions ------------------------------------------------------------------------------------

    def session(
        self,
        *,
        caller: Caller,
        run: str | None = None,
        id: str | None = None,
        suspend: str | None = None,
        wait: float | None = None,
    ) -> Session:
        """Bind an identity. Everything guarded happens in a session.

        Args:
            caller: who is behind the calls. There is no default.
            run: the agent run or conversation (a thread id); a new one if not given.
            id: the vault session tokens belong to; give it again to go on in another process. Default: ``run``.
            suspend: ``block`` or ``raise``; default from the configuration.
            wait: seconds to wait for a person in ``block`` mode; default from the configuration.
        """
        if not isinstance(caller, Caller):
            raise IdentityError("guard.session needs caller=Caller(...); say who is behind the calls")
        if self._closed:
            raise ConfigError("this guard is closed; make a new one")
        return Session(self, caller, run=run, id=id, suspend=suspend, wait=wait)

    def verify_caller(self, token: str, *, agent: str, roles: frozenset[str] | set[str] = frozenset()) -> Caller:
        """The verified caller a personal session token stands for.

        Raises:
            IdentityError: the token is unknown, expired, revoked or not for sessions.
        """
        person: Person = self.parts.verify_token(token)
        return Caller(
            person=person, agent=agent, tenant=person.tenant, roles=frozenset(roles), assurance=Assurance.VERIFIED
        )

    def close(self) -> None:
        """Flush and release everything. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self.parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
