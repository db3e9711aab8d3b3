"""The guard: the enforcement point, made once."""

from __future__ import annotations

import logging
import os
import threading
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Self

from toolguard._core.call import Assurance, Caller, Person, Tool
from toolguard._core.policy import Effect, Policy
from toolguard._core.steps import Change
from toolguard.bound import BoundTool, from_function
from toolguard.config import PART_NAMES, Parts, Sinks, assemble, load_parts
from toolguard.config.policies import Loaded, loaded_marks, loaded_record, refused_record
from toolguard.errors import ConfigError, IdentityError, UnknownToolError
from toolguard.guard.known import Force, Known
from toolguard.guard.session import Session, entered_session
from toolguard.guard.watch import PolicyWatch
from toolguard.policyfile import check_against
from toolguard.ports import SessionKey, Sink
from toolguard.register import RegisterReader
from toolguard.said import Said

__all__ = ["Guard"]

log = logging.getLogger("toolguard.guard")


@lru_cache(maxsize=1024)
def _folded(name: str) -> str:
    """Tool names that a policy's patterns cannot tell apart, or a reader, are one name."""
    return unicodedata.normalize("NFKC", name).casefold()


MAX_SESSIONS = 256
"""Sessions whose words are kept although no object of theirs is in use; an older one is told again by its messages."""


def _say_faults(policy: Policy, tool: Tool) -> None:
    """A policy meets a tool: what it cannot mean is said, and fails closed when a call comes."""
    for problem in check_against(policy, tool):
        log.warning("policy %r does not fit tool %r: %s", policy.id, tool.name, problem)


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
        self._force = Force(parts.policy)
        self._registers: dict[str, RegisterReader] = {}
        self._said: dict[SessionKey, Said] = {}
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._closed = False
        self._record_loaded(Loaded(policy=parts.policy, statement=parts.statement))
        self._watch = PolicyWatch(self) if parts.reload_every is not None and parts.source.changes else None

    def _record_loaded(self, loaded: Loaded, replaces: Policy | None = None) -> None:
        parts = self.parts
        record = loaded_record(loaded, parts.clock, parts.ids, separation=parts.separation, replaces=replaces)
        parts.emit(parts.store.commit(Change(tenant="", records=(record,), marks=loaded_marks(loaded))))

    def reload(self) -> bool:
        """Put the policy file as it is now into force; whether that is another policy than before.

        All of it at once: a call is judged by one policy from beginning to end, and one that was judged by the policy
        before is judged again before it runs. A file that cannot be put into force changes nothing.

        Raises:
            PolicyError: the file has faults or nobody who may has signed it; that is recorded, and the policy that runs
                stays in force.
            StoreError: it could not be recorded, so nothing changed.
        """
        with self._reloading:
            parts = self.parts
            if not parts.source.changes or self._closed:
                return False
            try:
                loaded = parts.source.load(parts.store)
                if loaded.policy.sha256 == parts.policy.sha256 and loaded.statement == parts.statement:
                    return False
                after = parts.with_policy(loaded)
            except ConfigError as fault:
                refused = refused_record(fault, parts.source, parts.clock, parts.ids, running=parts.policy)
                parts.emit(parts.store.commit(Change(tenant="", records=(refused,))))
                log.error("the policy was not reloaded; %r version %s stays in force: %s", parts.policy.id, parts.policy.version, fault)  # fmt: skip
                raise
            self._record_loaded(loaded, replaces=parts.policy)
            with self._lock:
                self._force = self._force.under(loaded.policy)
                self.parts = after
            for known in list(self._force.known.values()):
                _say_faults(loaded.policy, known.tool)
            log.info("policy %r version %s is in force, sha256 %s", loaded.policy.id, loaded.policy.version, loaded.policy.sha256)  # fmt: skip
            return True

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
        known = self._force.known.get(name)
        if known is None:
            with self._lock:
                force = self._force
                known = force.known.get(name)
                if known is None:
                    known = Known(tool, force.policy, self.parts.analyser.tool(tool))
                    force.known[name] = known
                    _say_faults(force.policy, tool)
        if known.tool is not tool and known.tool.identity != tool.identity:
            raise UnknownToolError(
                f"another tool is already known as {tool.name!r}; give one of them a different name, "
                "or use a second guard (a name means one tool)"
            )
        return known

    def known(self, name: str) -> Tool | None:
        """The tool this guard knows by ``name``, if it has met one."""
        found = self._force.known.get(_folded(name))
        return None if found is None or found.tool.name != name else found.tool

    def tool(self, function: Callable[..., Any]) -> BoundTool:
        """Describe a plain function as a tool: its name, docstring and annotated signature.

        Warns where the policy lets none of its calls through: it does not name it, or expects another one.
        """
        bound = self._bound(function)
        plan = self.know(bound.tool).plan
        if plan.drifted:
            why = "comes from elsewhere, or says something else of itself, than the policy expects"
        elif not plan.known and self.parts.policy.defaults.unknown_tool is Effect.DENY:
            why = "is not named in the policy (a missing entry, or a typing error in one)"
        else:
            return bound
        warnings.warn(f"tool {bound.tool.name!r} {why}: every call of it will be denied", stacklevel=2)
        return bound

    def _bound(self, function: Callable[..., Any]) -> BoundTool:
        """`tool` for one call, whose own error says why it is denied."""
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
        parent: Session | None = None,
    ) -> Session:
        """Bind an identity. Everything guarded happens in a session.

        Args:
            caller: who is behind the calls. There is no default.
            run: the agent run or conversation (a thread id); a new one if not given.
            id: the vault session tokens belong to; give it again to go on in another process. Default: ``run``.
            suspend: ``block`` or ``raise``; default from the configuration.
            wait: seconds to wait for a person in ``block`` mode; default from the configuration.
            parent: the session it belongs to, such as that of the agent that starts this one; what one of them reads
                taints both. Default: the one this code runs in.
        """
        if not isinstance(caller, Caller):
            raise IdentityError("guard.session needs caller=Caller(...); say who is behind the calls")
        if self._closed:
            raise ConfigError("this guard is closed; make a new one")
        return Session(
            self,
            caller,
            run=run,
            id=id,
            suspend=suspend,
            wait=wait,
            parent=parent or entered_session(),
            inner=parent is not None,
        )

    def verify_caller(self, token: str, *, agent: str, roles: frozenset[str] | set[str] = frozenset()) -> Caller:
        """The verified caller a personal session token stands for.

        Raises:
            IdentityError: the token is unknown, expired, revoked or not for sessions.
        """
        person: Person = self.parts.verify_token(token)
        return Caller(
            person=person, agent=agent, tenant=person.tenant, roles=frozenset(roles), assurance=Assurance.VERIFIED
        )

    def add_sink(self, sink: Sink) -> None:
        """Tell ``sink``, too, of what is recorded from now on."""
        with self._reloading:
            before = self.parts.sink
            self.parts = replace(self.parts, sink=sink if before is None else Sinks((before, sink)))

    def close(self) -> None:
        """Flush and release everything. Safe to call twice."""
        if not self._closed:
            self._closed = True
            if self._watch is not None:
                self._watch.stop()
            self.parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
