"""T4, T25: what a role may not do, the database refuses, whatever program it runs."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import asyncpg
import pytest

from postgres.conftest import Place
from toolguard._core.approval import Answer, Approval, State, move
from toolguard._core.audit import COMMITMENT, CONTENT_ID, Draft, Kept, Kind
from toolguard._core.comments import comments_of
from toolguard._core.history import Ask, Mark
from toolguard._core.register import ALL, ActKind
from toolguard._core.steps import Change, Claim, Settle
from toolguard._core.vault import Need, Token
from toolguard.errors import NotFoundError, StoreError
from toolguard.ports import SessionKey, Store
from toolguard.stores.postgres import PostgresStore
from toolguard.stores.schema import roles_sql
from toolguard.testing import store_samples as samples
from toolguard.testing.store_samples import ContractSealer, a_draft, a_request

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def stores(place: Place) -> Iterator[dict[str, PostgresStore]]:
    opened = {who: place.store(who) for who in ("north_guard", "south_guard", "service", "auditor")}
    yield opened
    for store in opened.values():
        store.close()


def ask(store: Store, tenant: str = "north") -> Approval:
    request = a_request(f"r{next(NUMBERS)}", tenant=tenant, created=store.now(), expires=store.now() + 600.0)
    store.commit(Change(tenant=tenant, records=(a_draft(call=request.call),), create=request))
    found = store.get(tenant, request.id)
    assert found is not None
    return found


def approve(store: Store, approval: Approval) -> Approval:
    after = samples.approve(approval, store.now())
    store.commit(Change(tenant=approval.request.tenant, update=samples.step(approval, after), announce=approval.id))
    return after


def test_each_role_can_do_its_part_and_together_they_run_a_call(stores: dict[str, PostgresStore]) -> None:
    guard, service, auditor = stores["north_guard"], stores["service"], stores["auditor"]
    approved = approve(service, ask(guard))
    guard.commit(samples.claimed(approved, now=guard.now()))
    running = guard.get("north", approved.id)
    assert running is not None
    done = move(running, State.EXECUTED, now=guard.now(), outcome="ok")
    settle = Settle(ref=running.request.ref, ok=True, result=b"sealed")
    guard.commit(Change(tenant="north", update=samples.step(running, done), settle=settle, announce=done.id))
    assert auditor.get("north", done.id) == done
    assert [a for a in service.take("worker", 5.0) if a.approval == done.id]
    for row in service.outbox():
        service.outbox_done(row.row)
    assert service.lead("sweeper", "one", 5.0)


def test_which_policies_were_in_force_is_remembered_for_guards_of_every_tenant(
    stores: dict[str, PostgresStore],
) -> None:
    mark = Mark(subject="policy:ward", kind="policy.signed", value="7|1000")
    stores["north_guard"].commit(Change(tenant="", marks=(mark,)))
    assert stores["south_guard"].marked("", "policy:ward", "policy.signed") == ("7|1000",)


def test_a_guards_store_cannot_approve(stores: dict[str, PostgresStore]) -> None:
    guard = stores["north_guard"]
    waiting = ask(guard)
    for forged in (
        samples.approve(waiting, guard.now()),
        replace(waiting, state=State.APPROVED, version=2, changed=guard.now()),
        replace(waiting, version=2, verdicts=(samples.a_verdict(waiting.request),)),
        move(waiting, State.DENIED, now=guard.now()),
    ):
        with pytest.raises(StoreError, match=r"may not"):
            guard.commit(Change(tenant="north", update=samples.step(waiting, forged)))
        assert guard.get("north", waiting.id) == waiting


FORBIDDEN = {
    "north_guard": [
        "UPDATE toolguard.approvals SET state = 'approved', version = version + 1",
        "UPDATE toolguard.approvals SET state = 'denied', version = version + 1",
        "UPDATE toolguard.approvals SET state = 'executing', version = version + 1",
        "UPDATE toolguard.approvals SET version = version + 1",
        "UPDATE toolguard.approvals SET state = 'expired'",
        "UPDATE toolguard.approvals SET grant_expires = 9e9",
        "UPDATE toolguard.approvals SET grant_payload = 'x', grant_signature = 'x', grant_key = 'k'",
        "UPDATE toolguard.approvals SET request = '{}'",
        "UPDATE toolguard.approvals SET expires = 9e9",
        "UPDATE toolguard.approvals SET tenant = 'south'",
        "UPDATE toolguard.approvals SET proposal = '{}'",
        "DELETE FROM toolguard.approvals",
        "TRUNCATE toolguard.approvals CASCADE",
        "INSERT INTO toolguard.verdicts SELECT id, 0, tenant, 'approve', 'bo', 0, '{}' FROM toolguard.approvals",
        "DELETE FROM toolguard.verdicts",
        "UPDATE toolguard.verdicts SET answer = 'approve'",
        "INSERT INTO toolguard.acts VALUES ('north', 1, 'x', 'x', 'k')",
        "DELETE FROM toolguard.acts",
        "DELETE FROM toolguard.uses",
        "UPDATE toolguard.uses SET used = 0",
        "UPDATE toolguard.ledger SET standing = 'asked'",
        "UPDATE toolguard.ledger SET standing = 'failed'",
        "UPDATE toolguard.ledger SET asked = false",
        "UPDATE toolguard.ledger SET call_digest = 'v1:other'",
        "DELETE FROM toolguard.contents",
        "UPDATE toolguard.contents SET key = 'x'",
        "INSERT INTO toolguard.contents VALUES ('south', 'x', 'k', 'b')",
        "DELETE FROM toolguard.marks",
        "UPDATE toolguard.marks SET at = 0",
        "UPDATE toolguard.marks SET until = 1",
        "UPDATE toolguard.marks SET value = 'other'",
        "DELETE FROM toolguard.ledger",
        "DELETE FROM toolguard.outbox",
        "UPDATE toolguard.outbox SET until = 9e9",
        "INSERT INTO toolguard.announced VALUES ('north', 'reminder')",
        "UPDATE toolguard.records SET body = '{}'",
        "DELETE FROM toolguard.records",
        "DELETE FROM toolguard.logs",
        "UPDATE toolguard.logs SET first = '00'",
        "UPDATE toolguard.logs SET owner = session_user",
        "INSERT INTO toolguard.logs (n, log_id, opened, first, seq, hash, owner) VALUES (99, 'l', 0, '', 0, '', 'other')",
        (
            "INSERT INTO toolguard.records SELECT log_id, seq + 1000, prev, hash, kind, at, started, call, trace, span, "
            "parent, link, body, tenant FROM toolguard.records WHERE log_id NOT IN "
            "(SELECT log_id FROM toolguard.logs WHERE owner = session_user)"
        ),
        "UPDATE toolguard.meta SET num = 0 WHERE key = 'time'",
        "UPDATE toolguard.meta SET num = 9e9 WHERE key = 'time'",
        "UPDATE toolguard.meta SET num = 'NaN' WHERE key = 'time'",
        "UPDATE toolguard.meta SET num = 9 WHERE key = 'schema_version'",
        "UPDATE toolguard.meta SET word = 'x' WHERE key = 'epoch'",
        "INSERT INTO toolguard.role_tenants VALUES (session_user, '*')",
        "SELECT * FROM toolguard.role_tenants",
        "INSERT INTO toolguard.transitions VALUES ('denied', 'approved', true)",
        "UPDATE toolguard.transitions SET guard = true",
        "INSERT INTO toolguard.leases VALUES ('sweeper', 'me', 9e9)",
        "UPDATE toolguard.tokens SET value = 'x'",
        "ALTER TABLE toolguard.approvals DISABLE TRIGGER ALL",
        "ALTER TABLE toolguard.approvals DISABLE ROW LEVEL SECURITY",
        "SET session_replication_role = replica",
        "CREATE TABLE toolguard.mine (x int)",
        "CREATE FUNCTION toolguard.tenants(x int) RETURNS text[] LANGUAGE sql AS 'SELECT null::text[]'",
        "SET ROLE toolguard_service",
        "SET ROLE toolguard_owner",
    ],
    "service": [
        "UPDATE toolguard.approvals SET request = '{}'",
        "UPDATE toolguard.approvals SET state = 'pending', version = version + 1 WHERE state <> 'pending'",
        "DELETE FROM toolguard.approvals",
        "UPDATE toolguard.verdicts SET answer = 'approve'",
        "DELETE FROM toolguard.verdicts",
        "UPDATE toolguard.acts SET payload = 'x'",
        "UPDATE toolguard.contents SET body = 'x'",
        "DELETE FROM toolguard.acts",
        "UPDATE toolguard.records SET body = '{}'",
        "DELETE FROM toolguard.records",
        "DELETE FROM toolguard.ledger",
        "SELECT value FROM toolguard.tokens",
        "SELECT last FROM toolguard.token_counters",
        "INSERT INTO toolguard.role_tenants VALUES ('x', '*')",
        "SET ROLE toolguard_owner",
    ],
    "auditor": [
        "DELETE FROM toolguard.contents",
        "INSERT INTO toolguard.marks VALUES ('north', 'person:a', 'patient', 'x', 0, NULL)",
        "INSERT INTO toolguard.outbox (tenant, approval, notice) SELECT tenant, id, 'state' FROM toolguard.approvals",
        "UPDATE toolguard.approvals SET state = 'denied', version = version + 1",
        "UPDATE toolguard.meta SET num = num + 1 WHERE key = 'purges'",
        "SELECT id FROM toolguard.approvals FOR UPDATE",
        "SELECT value FROM toolguard.tokens",
        "SELECT tenant FROM toolguard.role_tenants",
    ],
}


@pytest.fixture(scope="module")
def busy(place: Place) -> None:
    """One row or more in every table, so that a statement has something to change."""
    guard, service = place.store("north_guard"), place.store("service")
    try:
        ask(guard)
        claimed = approve(service, ask(guard))
        guard.commit(samples.claimed(claimed, now=guard.now()))
        denied = ask(guard)
        verdict = samples.a_verdict(denied.request, answer=Answer.DENY)
        after = move(denied, State.DENIED, now=service.now(), verdicts=(verdict,))
        service.commit(Change(tenant="north", records=(a_draft(),), update=samples.step(denied, after)))
        expired = ask(guard)
        guard.commit(
            Change(tenant="north", update=samples.step(expired, move(expired, State.WITHDRAWN, now=guard.now())))
        )
        guard.allocate(SessionKey(tenant="north", session="s"), [Need(type="PERSON", text="Ann Lee")], ContractSealer())
        guard.advance("sink", guard.logs()[0], 1)
        guard.commit(Change(tenant="north", marks=(Mark(subject="person:a", kind="patient", value="q"),)))
        guard.commit(Change(tenant="north", records=(_keeping("c0"),)))
    finally:
        guard.close()
        service.close()
    place.owner("INSERT INTO toolguard.acts VALUES ('north', 1, 'x', 'x', 'k')")
    place.owner("INSERT INTO toolguard.uses VALUES ('north', 'act', 1)")
    place.owner("INSERT INTO toolguard.leases VALUES ('sweeper', 'one', 0) ON CONFLICT DO NOTHING")


@pytest.mark.parametrize(("who", "sql"), [(who, sql) for who, list_ in FORBIDDEN.items() for sql in list_])
def test_t4_a_forbidden_statement_is_refused(place: Place, busy: None, who: str, sql: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        place.sql(who, sql)
    state = refused.value.sqlstate or ""
    assert state == "42501" or state.startswith("TG"), (state, str(refused.value))


# --- T25: nobody sees another tenant


THEIRS = SessionKey(tenant="north", session="theirs")
NEED = Need(type="PERSON", text="Ann Lee")
MARK = Mark(subject="person:a", kind="patient", value="p", keep=9.0)


def _keeping(id_: str, tenant: str = "north") -> Draft:
    """A record with content beside it."""
    body = {"toolguard.tenant": tenant, CONTENT_ID: id_, COMMITMENT: "v1:00"}
    return replace(a_draft(), body=body, kept=Kept(tenant=tenant, id=id_, key=b"k", body=b"b"))


def _mine(store: Store, sealer: ContractSealer) -> Approval:
    """Something of tenant north in every table."""
    approval = ask(store)
    store.commit(Change(tenant="north", marks=(MARK,)))
    store.allocate(THEIRS, [NEED], sealer)
    return approval


def _refuses(store: Store, change: Change) -> bool:
    with pytest.raises(StoreError):
        store.commit(change)
    return True


METHODS = {
    "commit": lambda s, a, _: (
        _refuses(s, Change(tenant="north", records=(a_draft(),)))
        and _refuses(s, Change(tenant="north", create=a_request(f"x{next(NUMBERS)}")))
        and _refuses(s, Change(tenant="north", update=samples.step(a, move(a, State.WITHDRAWN, now=s.now()))))
        and _refuses(s, Change(tenant="north", claim=Claim(ref=a.request.ref, call_digest="d", asked=False)))
        and _refuses(s, Change(tenant="north", settle=Settle(ref=a.request.ref, ok=True)))
        and _refuses(s, Change(tenant="north", announce=a.id))
        and _refuses(s, Change(tenant="north", marks=(MARK,)))
        and _refuses(s, Change(tenant="north", records=(_keeping("c9"),)))
        and _refuses(s, Change(tenant="south", create=replace(a.request, tenant="south")))
    ),
    "get": lambda s, a, _: s.get("north", a.id) is None,
    "find": lambda s, a, _: s.find("north", a.request.ref) is None,
    "ledger": lambda s, a, _: s.ledger("north", a.request.ref) is None,
    "list": lambda s, a, _: s.list("north") == () and s.list("north", states=[State.PENDING]) == (),
    "recent": lambda s, a, _: s.recent("north", "ana", "mail.send", 0.0) == (),
    "overdue": lambda s, a, _: s.overdue() == (),
    "values": lambda s, a, k: s.values(THEIRS, k) == {} and s.values(THEIRS, k, [Token(type="PERSON", index=1)]) == {},
    "allocate": lambda s, a, k: _raises(lambda: s.allocate(THEIRS, [NEED], k)),
    "purge": lambda s, a, _: s.purge(THEIRS) == 0,
    "records": lambda s, a, _: (
        list(s.records(call=a.request.call)) == [] and all(r.draft.kind is Kind.LOG_OPENED for r in s.records())
    ),
    "operations": lambda s, a, _: list(s.operations(Kind.CALL_DECIDED)) == [],
    "stored": lambda s, a, _: {row[4] for log in s.logs() for row in s.stored(log)} == {Kind.LOG_OPENED.value},
    "hashes": lambda s, a, _: {seq for log in s.logs() for seq, _ in s.hashes(log)} == {1},
    "acts": lambda s, a, _: s.acts("north") == () and len(s.acts(ALL)) == 1,
    "contents": lambda s, a, _: s.contents("north", ["c0"]) == {},
    "content_ids": lambda s, a, _: s.content_ids("north") == [],
    "given": lambda s, a, _: s.given("north", "bo", 0.0) == 0,
    "uses": lambda s, a, _: s.uses("north", "act") == 0,
    "tally": lambda s, a, _: s.tally("north", [Ask(subject="person:a", kind="patient")]) == (0,),
    "marked": lambda s, a, _: s.marked("north", "person:a", "patient") == (),
    "forget_marks": lambda s, a, _: _raises(lambda: s.forget_marks()),
    "outbox": lambda s, a, _: s.outbox() == (),
    "take": lambda s, a, _: _raises(lambda: s.take("me", 9.0)),
    "outbox_done": lambda s, a, _: _raises(lambda: s.outbox_done(1)),
    "outbox_later": lambda s, a, _: _raises(lambda: s.outbox_later(1, 9.0)),
    "lead": lambda s, a, _: _raises(lambda: s.lead("sweeper", "me", 9.0)),
}
"""With another tenant's keys in hand: nothing comes back, nothing is written."""
NO_TENANTS = {
    "blocking": "no data",
    "epoch": "no data",
    "now": "no data",
    "close": "no data",
    "logs": "ids of logs: the registry is everyone's, so that a missing log is missed",
    "heads": "ids and hashes of logs, for the same reason",
    "written": "ids of logs, for the same reason",
    "cursor": "of the login role's own sinks",
    "advance": "of the login role's own sinks",
    "watch": "a hint, without content",
}


def _raises(do: Callable[[], object]) -> bool:
    with pytest.raises(StoreError):
        do()
    return True


def test_every_method_of_the_port_is_looked_at() -> None:
    port = {name for name, _ in inspect.getmembers(Store) if not name.startswith("_")}
    assert port == METHODS.keys() | NO_TENANTS.keys()


@pytest.fixture
def theirs(place: Place, busy: None, stores: dict[str, PostgresStore]) -> tuple[Approval, ContractSealer]:
    sealer = ContractSealer()
    stores["north_guard"].purge(THEIRS)
    place.owner(f"INSERT INTO toolguard.acts VALUES ('{ALL}', 1, 'x', 'x', 'k') ON CONFLICT DO NOTHING")
    place.owner("UPDATE toolguard.approvals SET deadline = 1, version = version + 1 WHERE state = 'pending'")
    return _mine(stores["north_guard"], sealer), sealer


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", ["south_guard", "lost_guard"])
def test_t25_a_guard_of_another_tenant_gets_nothing(
    place: Place, theirs: tuple[Approval, ContractSealer], stores: dict[str, PostgresStore], who: str, method: str
) -> None:
    approval, sealer = theirs
    before = samples.all_of(stores["auditor"])
    stranger = place.store(who)
    try:
        assert METHODS[method](stranger, approval, sealer)
    finally:
        stranger.close()
    assert samples.all_of(stores["auditor"]) == before
    assert list(stores["north_guard"].values(THEIRS, sealer).values()) == ["Ann Lee"]


def test_t25_a_service_of_one_tenant_sees_its_own_alone(
    place: Place, theirs: tuple[Approval, ContractSealer], stores: dict[str, PostgresStore]
) -> None:
    ours = ask(stores["south_guard"], "south")
    service = place.store("north_service")
    try:
        assert {a.tenant for a in service.outbox(1000)} == {"north"}
        assert service.get("south", ours.id) is None
        assert {a.request.tenant for a in service.overdue(1000)} <= {"north"}
        assert {a.tenant for a in service.take("w", 0.1, 1000)} == {"north"}
        (row,) = [a.row for a in stores["service"].outbox(1000) if a.approval == ours.id]
        for lose in (lambda: service.outbox_done(row), lambda: service.outbox_later(row, 1.0)):
            with pytest.raises(NotFoundError):
                lose()
    finally:
        service.close()


def test_a_claim_after_the_databases_own_time_is_refused_to_a_guard_that_reckons_otherwise(
    place: Place, stores: dict[str, PostgresStore]
) -> None:
    approved = approve(stores["service"], ask(stores["north_guard"]))
    place.owner("ALTER TABLE toolguard.approvals DISABLE TRIGGER check_approval")
    place.owner(f"UPDATE toolguard.approvals SET grant_expires = 1 WHERE id = '{approved.id}'")
    place.owner("ALTER TABLE toolguard.approvals ENABLE TRIGGER check_approval")
    with pytest.raises(asyncpg.PostgresError) as refused:
        place.sql(
            "north_guard",
            f"UPDATE toolguard.approvals SET state = 'executing', version = version + 1 WHERE id = '{approved.id}'",
        )
    assert refused.value.sqlstate == "TG006"


def test_the_roles_can_be_made_again(place: Place) -> None:
    place.owner(roles_sql())
    assert place.owner("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'toolguard\\_%'")[0][0] == 5


def test_a_role_without_rights_is_told_what_to_do(place: Place) -> None:
    place.owner(f'CREATE ROLE "{place.login("nobody")}" LOGIN')
    try:
        with pytest.raises(StoreError, match="roles --print"):
            place.store("nobody")
    finally:
        place.owner(f'DROP ROLE "{place.login("nobody")}"')


def test_a_table_added_by_a_migration_is_not_forgotten(place: Place) -> None:
    """Row security is on, or the table holds nothing of a tenant."""
    open_to_all = {
        row[0]
        for row in place.owner(
            "SELECT relname FROM pg_class WHERE relnamespace = 'toolguard'::regnamespace AND relkind = 'r' "
            "AND NOT relrowsecurity"
        )
    }
    assert open_to_all == {"meta", "transitions", "role_tenants", "leases"}


def test_a_row_goes_back_to_no_earlier_state_even_for_the_owner(place: Place, busy: None) -> None:
    for state in ("denied", "withdrawn"):
        with pytest.raises(asyncpg.PostgresError) as refused:
            place.owner(
                f"UPDATE toolguard.approvals SET state = 'pending', version = version + 1 WHERE state = '{state}'"
            )
        assert refused.value.sqlstate == "TG004"


def test_comments_are_seen_and_made_where_their_tenant_is(place: Place) -> None:
    north, south = comments_of("north"), comments_of("south")
    opened = {who: place.store(who) for who in ("service", "north_service", "north_guard", "south_guard", "auditor")}
    first = samples.an_act(ActKind.COMMENT, tenant=north)
    record = a_draft(Kind.ACT_RECORDED, call="")
    opened["north_service"].commit(Change(tenant="north", act=first, records=(record,)))
    opened["service"].commit(Change(tenant="south", act=samples.an_act(ActKind.COMMENT, tenant=south)))
    second = Change(tenant="north", act=samples.an_act(ActKind.COMMENT, n=2, prev=first.hash, tenant=north))
    for who, change in (
        ("north_guard", second),
        ("auditor", second),
        ("north_service", Change(tenant="south", act=samples.an_act(ActKind.COMMENT, n=2, tenant=south))),
    ):
        with pytest.raises(StoreError):
            opened[who].commit(change)
    seen = {who: (len(store.acts(north)), len(store.acts(south))) for who, store in opened.items()}
    assert seen == {
        "service": (1, 1),
        "auditor": (1, 1),
        "north_service": (1, 0),
        "north_guard": (1, 0),
        "south_guard": (0, 1),
    }
    for store in opened.values():
        store.close()
