"""Who is behind a call: as the application says, or as a person's own token proves."""

import asyncio

import pytest

from toolguard import Assurance, Caller, DeniedError, IdentityError, Suspended
from toolguard.directory import Audience, TokenFile
from toolguard.testing import WordDetector

VERIFIED_ONLY = 'approvers: ["group:privacy-office"], quorum: 1, expires: 1h'


@pytest.fixture
def tokens(desk) -> TokenFile:
    return TokenFile(desk.folder / "tokens.json", now=desk.store.now)


def token(desk, tokens: TokenFile, audience: Audience = Audience.SESSION) -> str:
    """One of Ana's."""
    identity = Caller.of("ana", agent="a", tenant="general").person
    return tokens.issue(audience=audience, person="ana", identity=identity, tenant="general").secret


def export(path: str) -> str:
    """Export a cohort."""
    return f"wrote {path}"


def test_a_session_token_stands_for_its_person_and_is_on_record_as_verified(desk, policy, tokens):
    guard = desk.guard(policy, tokens=tokens)
    caller = guard.verify_caller(token(desk, tokens), agent="discharge-agent", roles={"clinician"})
    assert (caller.person.subject, caller.tenant, caller.agent) == ("ana", "general", "discharge-agent")
    assert (caller.assurance, caller.roles) == (Assurance.VERIFIED, frozenset({"clinician"}))
    with guard.session(caller=caller) as session, pytest.raises(Suspended) as waiting:
        session.call(export, {"path": "/x"})
    request = desk.read(waiting.value.approval_id).request
    assert (request.requester_person, request.assurance) == ("ana", Assurance.VERIFIED)


@pytest.mark.parametrize("audience", [a for a in Audience if a not in (Audience.SESSION, Audience.SERVICE)])
def test_a_token_that_is_for_something_else_verifies_nobody(desk, policy, tokens, audience):
    with pytest.raises(IdentityError):
        desk.guard(policy, tokens=tokens).verify_caller(token(desk, tokens, audience), agent="discharge-agent")


def test_a_revoked_token_and_one_nobody_issued_verify_nobody(desk, policy, tokens):
    guard, secret = desk.guard(policy, tokens=tokens), token(desk, tokens)
    assert tokens.revoke(person="ana") == 1
    for said in (secret, "tg_session_000000000000_nothing", ""):
        with pytest.raises(IdentityError) as refused:
            guard.verify_caller(said, agent="discharge-agent")
        assert not said or said not in str(refused.value)


def test_without_a_token_file_nobody_can_be_verified(desk, policy):
    with pytest.raises(IdentityError, match=r"directory\.tokens"):
        desk.guard(policy).verify_caller("tg_session_0", agent="discharge-agent")


def test_what_only_a_verified_requester_may_ask_for_is_not_asked_for_by_another(desk, policy, tokens, ana):
    policy.write_text(policy.read_text("utf-8").replace(VERIFIED_ONLY, VERIFIED_ONLY + ", verified_requester: true"))
    guard = desk.guard(policy, tokens=tokens)
    with guard.session(caller=ana) as session, pytest.raises(DeniedError, match="verify_caller"):
        session.call(export, {"path": "/x"})
    caller = guard.verify_caller(token(desk, tokens), agent="discharge-agent")
    with guard.session(caller=caller) as session, pytest.raises(Suspended):
        session.call(export, {"path": "/x"})


@pytest.mark.parametrize("how", ["forget", "aforget"])
def test_a_session_that_forgets_has_no_token_left_and_its_requests_end(desk, policy, ana, how):
    guard = desk.guard(policy, detector=WordDetector({"Ada Byron": "PERSON"}))
    with guard.session(caller=ana) as session:
        text = session.mask("Ada Byron may go home")
        with pytest.raises(Suspended) as waiting:
            session.call(export, {"path": "/x"})
        gone = session.forget() if how == "forget" else asyncio.run(session.aforget())
        assert (text, gone) == ("<PERSON_1> may go home", 1)
        assert not desk.read(waiting.value.approval_id).state.is_open
        assert session.mask("Ada Byron") == "<PERSON_2>"
