"""Comments: what approvers and whoever asked say to each other about a request. Nothing here decides anything."""

from __future__ import annotations

import functools
import math
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from toolguard._core.approval import Approval, State
from toolguard._core.call import Json
from toolguard._core.comments import LONGEST, Comment, Side, comment_of, comments_of, tidy
from toolguard._core.register import START, ActKind, act_of, act_payload
from toolguard._core.steps import Announce, Change, Notice
from toolguard.authority import trail
from toolguard.authority.access import Actor, Human, may_answer, may_see
from toolguard.authority.base import ATTEMPTS, contended
from toolguard.authority.reading import Reading
from toolguard.authority.reason import WITHHELD
from toolguard.errors import ApprovalError, ConflictError, InvalidatedError, StoreError, TamperedError
from toolguard.ports import DirectoryPerson, GrantVerifier, Store

__all__ = ["MOST_BY_ONE", "MOST_OF_ONE", "Commenting"]

MOST_OF_ONE = 100
"""Comments on one request."""
MOST_BY_ONE = 20
"""Comments of one person on one request."""
MOST_AN_HOUR = 60
"""Comments of one person on any requests within the hour."""
_PAGE = 500
_HOUR = 3600.0


@dataclass(slots=True)
class _Talk:
    """Where a tenant's comments stand, without their words. Grows by `read`; used under `lock`."""

    tenant: str
    n: int = 0
    last: str = START
    places: defaultdict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """Approval → (number, person) of its comments."""
    newest: deque[tuple[int, str, str, float]] = field(default_factory=lambda: deque(maxlen=5000))
    """(number, approval, person, at) of the newest ones."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, store: Store, verifier: GrantVerifier) -> None:
        """Go on from where it was read to. Raises TamperedError or InvalidatedError."""
        chain = comments_of(self.tenant)
        if self.n and [act_of(g).hash for g in store.acts(chain, self.n - 1, 1)] != [self.last]:
            self.n, self.last = 0, START  # the store was set back: read it anew
            self.places.clear()
            self.newest.clear()
        while page := store.acts(chain, self.n, _PAGE):
            for grant in page:
                verifier.verify(grant)
                comment = comment_of(act_of(grant), tenant=self.tenant, n=self.n, last=self.last)
                self.n, self.last = comment.n, comment.digest
                self.places[comment.approval].append((comment.n, comment.person))
                self.newest.append((comment.n, comment.approval, comment.person, comment.at))


class Commenting(Reading):
    """See `toolguard.authority.Authority`."""

    @functools.cached_property
    def _talks(self) -> dict[str, _Talk]:
        return {}

    def comment(self, actor: Actor, approval_id: str, text: str, *, version: int | None = None) -> Comment:
        """Say something about a request that is still open. It changes nothing of it, not even its version.

        ``text`` is masked before it is kept. With ``version``, only while the request is as it was looked at.

        Raises:
            NotFoundError: none that ``actor`` may see.
            ApprovalError: refused, and on record; ``code`` is ``not_a_person``, ``not_an_approver``, ``decided`` (it is
                over), ``expired``, ``stale``, ``comment_invalid`` (empty, too long, or it could not be checked for
                identifiers), ``comment_cap`` or ``tampered``.
        """
        if not isinstance(actor, Human):
            raise ApprovalError("only a person can comment; sign in as one", code="not_a_person")
        for _ in range(ATTEMPTS):
            approval = self.get(actor, approval_id)
            human, person = self._known(actor)
            try:
                self._check_may_comment(approval, human, person, version)
                kept = self._kept_text(text)
                comment = self._put_comment(approval, human, person, kept)
            except ApprovalError as error:
                raise self._refused(approval, actor, person, error) from None
            if comment is not None:
                return comment
        raise contended()

    def comments(self, actor: Actor, approval_id: str) -> tuple[Comment, ...]:
        """What was said about a request, oldest first: for persons who may see it, never for programs.

        Raises:
            NotFoundError: none that ``actor`` may see.
            ApprovalError: ``not_a_person``, or ``tampered``: the comments in the store do not hold together.
        """
        if not isinstance(actor, Human):
            raise ApprovalError("comments are between persons; sign in as one", code="not_a_person")
        approval = self.get(actor, approval_id)
        talk = self._talk(approval.request.tenant)
        with talk.lock:
            self._read_talk(talk)
            numbers = [n for n, _ in talk.places.get(approval.id, ())]
        return tuple(self._texts(talk.tenant, numbers))

    def may_comment(self, actor: Actor, approval: Approval) -> bool:
        """Whether ``actor`` could comment now. For display: `comment` looks again."""
        person = self._whois(actor)
        if not isinstance(actor, Human) or person is None or not person.human:
            return False
        try:
            self._check_may_comment(approval, actor, person, None)
        except ApprovalError:
            return False
        return True

    def comment_counts(self, actor: Actor, approvals: Sequence[Approval]) -> Mapping[str, int]:
        """Approval id → how many comments it has, for a person; where there are any, and where they can be read."""
        if not isinstance(actor, Human) or not approvals:
            return {}
        talk = self._talk(actor.tenant)
        with talk.lock:
            try:
                self._read_talk(talk)
            except (ApprovalError, StoreError):  # what cannot be read, or believed, is told where comments are shown
                return {}
            return {a.id: len(talk.places[a.id]) for a in approvals if a.id in talk.places}

    def comments_on(self, approval: Approval) -> int:
        """How many comments it has, for a card; 0 where they cannot be read, or do not hold together."""
        talk = self._talk(approval.request.tenant)
        with talk.lock:
            try:
                self._read_talk(talk)
            except (ApprovalError, StoreError):
                return 0
            return len(talk.places.get(approval.id, ()))

    def commented(
        self, tenant: str, after: int | None = None, *, since: float = math.inf
    ) -> tuple[int, Mapping[str, tuple[int, float]]]:
        """For who tells of changes: how many comments a tenant has, and which approvals got some.

        Approval id → (how many comments it has, when the newest was made), of those that got one ``after`` that many, or
        ``since`` (UTC seconds).
        """
        talk = self._talk(tenant)
        with talk.lock:
            self._read_talk(talk)
            fresh = [each for each in talk.newest if (after is not None and each[0] > after) or each[3] >= since]
            return talk.n, {approval: (len(talk.places[approval]), at) for _, approval, _, at in fresh}

    # --- how it is done

    def _check_may_comment(
        self, approval: Approval, actor: Human, person: DirectoryPerson, version: int | None
    ) -> None:
        now = self._store.now()
        resolving = approval.state is State.INDETERMINATE and self._has_duty(actor, person, "resolve")
        if not (may_see(approval, actor, person, now) or resolving):
            raise ApprovalError(
                "comments are for who asked, and for who may answer or resolve this request", code="not_an_approver"
            )
        if not approval.state.is_open:
            raise ApprovalError("this request is over; nothing more is said about it here", code="decided")
        self._check_alive(approval, now)
        if version is not None and version != approval.version:
            raise ApprovalError("the request has changed since you looked; look again", code="stale")

    def _kept_text(self, text: str) -> str:
        said = tidy(text)
        if not said or len(said) > LONGEST:
            raise ApprovalError(f"a comment has 1 to {LONGEST} characters", code="comment_invalid")
        kept = self._masked(said)
        if kept == WITHHELD:
            raise ApprovalError(
                "the comment could not be checked for identifiers, so it was not kept; try again later",
                code="comment_invalid",
            )
        return kept

    def _put_comment(self, approval: Approval, human: Human, person: DirectoryPerson, text: str) -> Comment | None:
        """The comment as it is kept; None where somebody else's was first, and all has to be looked at again."""
        request, now = approval.request, self._store.now()
        body: dict[str, Json] = {
            "approval": approval.id,
            "text": text,
            "side": self._side(approval, human, person, now).value,
        }
        talk = self._talk(request.tenant)
        with talk.lock:
            self._read_talk(talk)
            self._check_caps(talk, approval, person, now)
            payload = act_payload(
                tenant=comments_of(request.tenant),
                n=talk.n + 1,
                prev=talk.last,
                kind=ActKind.COMMENT,
                id=self._ids.new(),
                at=now,
                person=person.id,
                identity=human.identity,
                auth=human.auth,
                body=body,
            )
            act = act_of(self._signer.sign(payload))
            comment = comment_of(act, tenant=request.tenant, n=talk.n, last=talk.last)
        record = trail.commented(comment, request, span_id=self._span())
        try:
            told = Announce(approval=approval.id, notice=Notice.COMMENT)
            self._commit(Change(tenant=request.tenant, records=(record,), act=act, notify=told))
        except ConflictError:
            return None
        return comment

    def _check_caps(self, talk: _Talk, approval: Approval, person: DirectoryPerson, now: float) -> None:
        said = talk.places.get(approval.id, [])
        mine = sum(who == person.id for _, who in said)
        lately = sum(who == person.id and at > now - _HOUR for _, _, who, at in talk.newest)
        if len(said) >= MOST_OF_ONE or mine >= MOST_BY_ONE or lately >= MOST_AN_HOUR:
            raise ApprovalError(
                f"no more comments here: a request may have {MOST_OF_ONE}, {MOST_BY_ONE} of them by one person, who may "
                f"make {MOST_AN_HOUR} in an hour; talk to each other elsewhere",
                code="comment_cap",
            )

    def _side(self, approval: Approval, human: Human, person: DirectoryPerson, now: float) -> Side:
        widened = self._widened(approval, now)
        if person.id in widened.request.excluded:
            return Side.ASKING
        return Side.APPROVER if may_answer(widened, self._voter(human, person), now) else Side.OTHER

    def _talk(self, tenant: str) -> _Talk:
        with self._lock:
            return self._talks.setdefault(tenant, _Talk(tenant))

    def _read_talk(self, talk: _Talk) -> None:
        try:
            talk.read(self._store, self._verifier)
        except (TamperedError, InvalidatedError):
            raise ApprovalError(
                "the comments in the store do not hold together; none is shown or taken until the database was looked at",
                code="tampered",
            ) from None

    def _texts(self, tenant: str, numbers: Sequence[int]) -> Iterator[Comment]:
        """The comments with these numbers, which were checked when they were first read, and are once more."""
        for n in numbers:
            for grant in self._store.acts(comments_of(tenant), n - 1, 1):
                try:
                    self._verifier.verify(grant)
                    act = act_of(grant)
                    yield comment_of(act, tenant=tenant, n=n - 1, last=act.prev)
                except (TamperedError, InvalidatedError):
                    raise ApprovalError(
                        "the comments in the store do not hold together; none is shown until the database was looked at",
                        code="tampered",
                    ) from None
