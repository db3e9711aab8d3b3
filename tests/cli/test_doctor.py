"""``toolguard doctor``: every fault that is planted is found, and nothing else; nothing is written, no secret is shown."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.healthy import ALWAYS, DIRECTORY, POLICY, Home, answering, files, free_port
from toolguard._core.call import Tool
from toolguard.cli.main import build
from toolguard.directory import Audience, TokenFile
from toolguard.health import AREAS, Level
from toolguard.keys import PublicKey, Purpose, SecretKey, write_key
from toolguard.stores.schema import schema_of, store_mark

RUN = CliRunner()


def doctor(*arguments: str):
    return RUN.invoke(build(["doctor"]), ["doctor", *arguments])


# --- nothing is wrong


def test_an_installation_in_order_has_no_fault_and_no_warning_but_what_it_says_itself(home: Home) -> None:
    found = home.look()
    assert {f.code for f in found if f.level is not Level.OK} == ALWAYS
    assert {f.area for f in found} >= {"configuration", "policy", "keys", "store", "directory", "tokens", "audit"}


def test_nothing_is_written(home: Home) -> None:
    before = files(home.folder)
    assert doctor("--offline").exit_code == 0
    after = {name: what for name, what in files(home.folder).items() if not name.endswith(("-shm", "-wal"))}
    assert after == before, "only SQLite's own index beside a store may be new"


# --- planted faults: what is done, and the one thing that is found


def _other_key(home: Home, purpose: Purpose, name: str = "other.key") -> str:
    key = SecretKey.generate(purpose)
    write_key(home.at(name), key)
    return PublicKey.of(key).line if purpose in (Purpose.SIGN, Purpose.AUDIT, Purpose.POLICY) else ""


def _token(home: Home, person: str, **how: object) -> None:
    from toolguard._core.call import Person

    who = Person(issuer="local", tenant="general", subject=person)
    TokenFile(home.at("tokens.json"), now=time.time).issue(
        audience=Audience.DECIDE, person=person, identity=who, tenant="general", **how
    )  # type: ignore[arg-type] # lifetime alone


def _no_deciders(home: Home) -> None:
    tokens = TokenFile(home.at("tokens.json"), now=time.time)
    for person in ("wei", "bo"):
        tokens.revoke(person=person)


def _schema_back(home: Home) -> None:
    with closing(sqlite3.connect(home.at("t.db"))) as db:
        db.execute("UPDATE meta SET value = value - 1 WHERE key = 'schema_version'")
        db.commit()


def _rota(home: Home) -> None:
    """One approver on weekdays alone, the other not at all."""
    home.at("directory.yaml").write_text(
        DIRECTORY.replace(
            "groups:",
            "schedules:\n  - name: office\n    tenant: general\n    tz: UTC\n    weekly:\n"
            "      - {person: wei, days: [mon, tue, wed, thu, fri], from: '08:00', until: '18:00'}\n"
            "      - {person: bo, days: [mon, tue, wed, thu, fri], from: '08:00', until: '18:00'}\n"
            "groups:",
        ),
        "utf-8",
    )
    home.sign(policy=POLICY.replace("group:privacy-office", "oncall:office"))


def _future(home: Home) -> None:
    from toolguard._core.audit import Draft, Kind
    from toolguard._core.steps import Change
    from toolguard.stores import open_store

    with closing(open_store(f"sqlite:///{home.at('t.db')}")) as store:
        at = time.time() + 7200
        draft = Draft(kind=Kind.POLICY_REFUSED, at=at, started=at, trace_id="0" * 32, span_id="0" * 16, body={})
        store.commit(Change(tenant="", records=(draft,)))


def _other_store(home: Home) -> None:
    home.at("toolguard.witness").touch(mode=0o600)
    home.at("toolguard.witness").write_text(
        json.dumps({"version": 1, "store": "another", "logs": {}, "acts": {}, "spent": {}})
    )


def _open(name: str) -> Callable[[Home], None]:
    return lambda home: home.at(name).chmod(0o644)


def _policy(old: str, new: str) -> Callable[[Home], None]:
    return lambda home: home.sign(policy=POLICY.replace(old, new))


PLANTED: dict[str, tuple[Callable[[Home], object], str]] = {
    "the configuration is no TOML": (lambda h: h.file.write_text("[guard"), "configuration.loads"),
    "the configuration has an unknown key": (lambda h: h.set("guard", polcy="x"), "configuration.loads"),
    "there is no configuration": (lambda h: h.file.unlink(), "configuration.loads"),
    "the policy does not load": (lambda h: h.at("policy.yaml").write_text("kind: [", "utf-8"), "policy.loads"),
    "the policy is gone": (lambda h: h.at("policy.yaml").unlink(), "policy.loads"),
    "nobody signed the policy": (lambda h: h.at("policy.yaml.sig").unlink(), "policy.signature"),
    "the policy was changed after it was signed": (
        lambda h: h.at("policy.yaml").write_text(POLICY.replace("version: 1,", "version: 2,"), "utf-8"),
        "policy.signature",
    ),
    "the policy is another than the guard is told": (lambda h: h.set("policy", name="theatre"), "policy.signature"),
    "a pinned policy key is none": (lambda h: h.set("policy.trusted", wei="nonsense"), "policy.trusted"),
    "the policy is in shadow mode": (_policy("approvals:", "mode: shadow\napprovals:"), "policy.shadow"),
    "a rule names an argument's impossible range": (
        _policy('args.cohort == "*"', 'args.cohort == "a" && args.cohort == "b"'),
        "policy.lint_errors",
    ),
    "unknown tools are let through": (
        _policy("approvals:", "defaults: {unknown_tool: allow}\napprovals:"),
        "policy.lint_warnings",
    ),
    "anyone may run an unsigned policy": (lambda h: h.set("guard", environment="development"), "policy.development"),
    "the guard has no key": (lambda h: h.set("keys", file=None), "keys.guard"),
    "the guard's key is gone": (lambda h: h.at("guard.key").unlink(), "keys.guard"),
    "others can read the guard's key": (_open("guard.key"), "keys.guard"),
    "the guard's key is damaged": (
        lambda h: h.at("guard.key").write_text("toolguard-key:v1:seal-0:AAAA"),
        "keys.guard",
    ),
    "the guard's key is the service's": (lambda h: h.set("keys", file="service.key"), "keys.guard"),
    "others can read the signing key": (_open("service.key"), "keys.signing"),
    "another signing key is pinned than the service has": (
        lambda h: h.set("keys", trusted=[_other_key(h, Purpose.SIGN)]),
        "keys.pinned",
    ),
    "no key is pinned": (lambda h: h.set("keys", trusted=[]), "keys.trusted"),
    "the audit key is not pinned": (
        lambda h: h.set("audit", trusted=[_other_key(h, Purpose.AUDIT)]),
        "keys.audit_pinned",
    ),
    "the audit key is gone": (lambda h: h.at("audit.key").unlink(), "keys.audit"),
    "the reveal key is gone": (lambda h: h.set("service", reveal_key="reveal.key"), "keys.reveal"),
    "the store's folder is missing": (lambda h: h.set("store", url="sqlite:///no/t.db"), "store.folder"),
    "the store is no database": (lambda h: h.at("t.db").write_bytes(b"not a database" * 100), "store.reachable"),
    "the store has an older schema": (_schema_back, "store.schema"),
    "others may read the store": (_open("t.db"), "store.mode"),
    "nothing answers where the database should be": (
        lambda h: h.set("store", url=f"postgresql://guard@127.0.0.1:{free_port()}/t?sslmode=disable"),
        "store.reachable",
    ),
    "the directory does not load": (lambda h: h.at("directory.yaml").write_text("persons: 7"), "directory.loads"),
    "others may write the directory": (lambda h: h.at("directory.yaml").chmod(0o666), "directory.mode"),
    "some hours have nobody": (_rota, "directory.hours"),
    "the token file is damaged": (lambda h: h.at("tokens.json").write_text("{"), "tokens.file"),
    "others can read the token file": (_open("tokens.json"), "tokens.file"),
    "nobody who may decide has a token": (_no_deciders, "tokens.nobody"),
    "somebody unknown has a token": (lambda h: _token(h, "ghost"), "tokens.stray"),
    "a token is about to end": (lambda h: _token(h, "wei", lifetime=3600), "tokens.expiring"),
    "the service token does not hold": (
        lambda h: h.at("service.token").write_text("tg_service_000000000000_none"),
        "tokens.service",
    ),
    "the service token is gone": (lambda h: h.at("service.token").unlink(), "tokens.service"),
    "there is no service token": (lambda h: h.set("service", token=None), "tokens.confirm"),
    "the service would be spoken to in clear": (
        lambda h: h.set("service", url="http://10.1.2.3:8790"),
        "service.clear",
    ),
    "an identity provider has no issuer": (
        lambda h: h.set("oidc.house", tenant="general", client_id="x"),
        "oidc.settings",
    ),
    "a key of an identity provider's is misspelt": (
        lambda h: h.set("oidc.house", issuer="https://id.example", tenant="general", clientid="x"),
        "oidc.settings",
    ),
    "an identity provider would take shared secrets": (
        lambda h: h.set(
            "oidc.house", issuer="https://id.example", tenant="general", client_id="x", algorithms=["HS256"]
        ),
        "oidc.settings",
    ),
    "an identity provider lets nobody in": (
        lambda h: h.set("oidc.house", issuer="https://id.example", tenant="general"),
        "oidc.settings",
    ),
    "an identity provider's secret is not there": (
        lambda h: h.set(
            "oidc.house", issuer="https://id.example", tenant="general", client_id="x", client_secret="env:NO"
        ),
        "oidc.secret",
    ),
    "an identity provider is not https": (
        lambda h: h.set("oidc.house", issuer="http://id.example", tenant="general", client_id="x"),
        "oidc.issuer",
    ),
    "a channel's setting is missing": (lambda h: h.set("channels.slack", tenant="general"), "channels.settings"),
    "a channel's credential is not there": (
        lambda h: h.set(
            "channels.slack",
            tenant="general",
            app_id="A12345",
            team="T12345",
            rooms={},
            signing_secret="env:NO_SUCH",
            bot_token="env:NO_SUCH",
        ),
        "channels.credentials",
    ),
    "Teams would tell nobody": (
        lambda h: h.set(
            "channels.teams",
            tenant="general",
            secret="env:NO",
            app_id="00000000-0000-0000-0000-000000000000",
            app_tenant="00000000-0000-0000-0000-000000000000",
        ),
        "channels.settings",
    ),
    "the policy names a channel that is not set up": (
        _policy("expires: 1h}", "expires: 1h, channel: teams:x}"),
        "channels.missing",
    ),
    "an anchor has no folder": (lambda h: h.set("audit", anchors=["gone/toolguard.anchor"]), "audit.anchor"),
    "there is no anchor": (lambda h: h.set("audit", anchors=[]), "audit.anchors"),
    "nobody signs checkpoints": (
        lambda h: h.set("audit", anchors=[], trusted=[], signing_key=None),
        "audit.unsigned",
    ),
    "segments have no folder": (lambda h: h.set("audit", segments="segments"), "audit.segments"),
    "records are to leave without a place to go": (lambda h: h.set("audit", keep_for="90d"), "audit.keep_for"),
    "the witness knows another store": (_other_store, "witness.store"),
    "the newest record is from the future": (_future, "clock.records"),
    "spans have a header that is not there": (
        lambda h: h.set("telemetry", spans="otlp", headers=None) or h.set("telemetry.headers", key="env:NO_SUCH"),
        "spans.settings",
    ),
}


def test_there_are_enough_of_them() -> None:
    assert len(PLANTED) >= 50
    assert len({code for _, code in PLANTED.values()}) >= 40


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(what: str, home: Home) -> None:
    plant, code = PLANTED[what]
    secrets = [home.at(n).read_text().strip().rpartition(":")[2] for n in ("guard.key", "service.key", "audit.key")]
    secrets.append(home.at("service.token").read_text())
    plant(home)
    found = home.look()
    assert {f.code for f in found if f.level is not Level.OK} - ALWAYS == {code}
    told = next(f for f in found if f.code == code)
    assert told.mend, "whoever is told of it is told how to mend it"
    assert not told.said.endswith(".")
    assert not any(secret in f.said + f.mend for f in found for secret in secrets)


def test_nobody_behind_an_approval_is_a_fault_for_directory_and_lint(home: Home) -> None:
    home.at("directory.yaml").write_text(DIRECTORY.replace("members: [wei, bo]", "members: []"), "utf-8")
    assert home.wrong() == {"directory.quorum", "policy.lint_errors"}


def test_without_a_directory_nobody_can_be_asked_and_no_one_signs_in(home: Home) -> None:
    home.toml.pop("directory")
    home.set("service", token="service.token")
    assert home.wrong() == {"directory.none", "tokens.file"}


def test_a_store_that_is_not_there_yet_is_no_fault(home: Home) -> None:
    home.set("store", url="sqlite:///new.db")
    assert home.wrong() == set()
    assert not home.at("new.db").exists()


def test_a_store_in_memory_forgets(home: Home) -> None:
    home.set("store", url="memory:")
    assert home.wrong() == {"store.memory"}


@pytest.mark.parametrize(("free", "level"), [(50 * 2**20, Level.FAULT), (500 * 2**20, Level.WARNING)])
def test_a_disk_that_is_nearly_full_is_told_of(home: Home, monkeypatch, free: int, level: Level) -> None:
    usage = shutil.disk_usage(home.folder)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert home.wrong() == {"store.room"}
    assert next(f for f in home.look() if f.code == "store.room").level is level


def test_tools_that_the_policy_does_not_name_are_named(home: Home) -> None:
    tools = [
        Tool.describe(n, source="ward.tools:f", schema={"type": "object", "properties": {"cohort": {"type": "string"}}})
        for n in ("find_patient", "export_cohort", "drop_everything")
    ]
    (found,) = [f for f in home.look(tools=tools) if f.code == "policy.unnamed"]
    assert found.level is Level.WARNING
    assert "drop_everything" in found.said
    assert "find_patient" not in found.said


def test_the_other_project_of_this_name_is_told_of(home: Home, monkeypatch) -> None:
    monkeypatch.setattr("toolguard.health.upkeep.distribution", lambda name: object())
    assert home.wrong() == {"packages.clash"}


def test_a_service_without_its_extra_is_a_fault(home: Home, monkeypatch) -> None:
    monkeypatch.setattr("toolguard.health.upkeep.find_spec", lambda name: None if name == "fastapi" else object())
    assert home.wrong() == {"packages.server"}


def test_a_channel_without_its_extra_is_a_fault(home: Home, monkeypatch) -> None:
    home.set("channels.teams", tenant="general")
    monkeypatch.setattr("toolguard.channels.load.entry_points", lambda **_: ())
    assert home.wrong() == {"channels.extra"}


def test_a_complete_channel_is_made_and_let_go_of_again(home: Home, monkeypatch) -> None:
    for name in ("SIGNING", "BOT", "APP"):
        monkeypatch.setenv(f"SLACK_{name}", f"x{name.lower()}-none")
    home.set("channels.slack", tenant="general", app_id="A12345", team="T12345",
             signing_secret="env:SLACK_SIGNING", bot_token="env:SLACK_BOT", app_token="env:SLACK_APP")  # fmt: skip
    home.set("channels.slack.rooms", default="C12345")
    before = threading.active_count()
    assert home.wrong() == set()
    until = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("groups", "user", "first"),
    [
        ("ana, wei", "", "wei"),  # ana owns the agent
        ("wei, bo", "bo", "wei"),  # whoever looks is likely to be who asks
        ("wei, bo", "", "bo"),  # and so is whom the directory begins with
        ("ana", "", "ana"),  # nobody else may
    ],
)
def test_the_token_that_is_proposed_is_for_somebody_else_than_who_asks(
    home: Home, groups: str, user: str, first: str, monkeypatch
) -> None:
    _no_deciders(home)
    text = home.at("directory.yaml").read_text("utf-8").replace("members: [wei, bo]", f"members: [{groups}]")
    home.at("directory.yaml").write_text(text, "utf-8")
    monkeypatch.setattr("getpass.getuser", lambda: user)
    (found,) = [f for f in home.look() if f.code == "tokens.nobody"]
    assert found.mend.startswith(f"toolguard people token {first} --audience decide")
    others = set(groups.split(", ")) - {first}
    assert ("somebody other than who asks" in found.mend) is bool(others)
    assert others <= set(found.mend.replace(":", " ").split())


# --- separation of duties


def test_what_this_user_could_misuse_is_named(home: Home) -> None:
    home.set("service", separation="required")
    (found,) = [f for f in home.look() if f.area == "separation"]
    assert found.code == "separation.none"
    assert "service.signing_key" in found.said
    assert "directory.tokens" in found.said


def test_a_guard_without_the_services_files_is_apart(home: Home, monkeypatch) -> None:
    monkeypatch.setattr("toolguard.health.upkeep.reaches", lambda config: ())
    assert {f.code for f in home.look() if f.level is not Level.OK} == set()


# --- what stands at other addresses


def ready(home: Home, **more: str) -> dict[str, tuple[int, str, bytes]]:
    body = {"status": "ready", "store": store_mark(schema_of(f"sqlite:///{home.at('t.db')}").epoch), **more}
    return {"/readyz": (200, "application/json", json.dumps(body).encode())}


@pytest.fixture
def served(home: Home):
    """The installation with a service that is ready."""
    with answering(ready(home)) as url:
        home.set("service", url=url)
        assert home.wrong(online=True) == set()
        yield home


def test_a_service_that_does_not_answer_is_told_of(home: Home) -> None:
    home.set("service", url=f"http://127.0.0.1:{free_port()}")
    assert home.wrong(online=True) == {"service.reachable"}
    assert "toolguard serve" in next(f for f in home.look(online=True) if f.area == "service").mend


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, "text/html", b"<h1>It works</h1>"), "service.stranger"),
        ((302, "text/html", b""), "service.stranger"),
        ((503, "application/problem+json", b'{"code": "unavailable"}'), "service.ready"),
        ((200, "application/json", b'{"status": "ready", "store": "0123456789abcdef"}'), "service.store"),
    ],
)
def test_what_answers_is_looked_at(home: Home, answer: tuple[int, str, bytes], code: str) -> None:
    with answering({"/readyz": answer}) as url:
        home.set("service", url=url)
        assert home.wrong(online=True) == {code}


def test_another_version_of_the_service_is_told_of(home: Home) -> None:
    with answering(ready(home, version="9.9.9")) as url:
        home.set("service", url=url)
        assert home.wrong(online=True) == {"service.version"}


@pytest.mark.parametrize("off", [-3600.0, 3600.0])
def test_a_clock_that_is_off_the_services_is_a_fault(served: Home, off: float, monkeypatch) -> None:
    import email.utils

    stamp = email.utils.formatdate(time.time() + off, usegmt=True)
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda *_: stamp)
    assert served.wrong(online=True) == {"clock.service"}


DISCOVERY = b'{"issuer": "@", "jwks_uri": "@/keys"}'
KEYS = (200, "application/json", b'{"keys": [{"kty": "RSA"}]}')


@pytest.mark.parametrize(
    ("published", "keys", "code"),
    [
        ((200, "application/json", DISCOVERY), KEYS, None),
        ((404, "text/plain", b""), KEYS, "oidc.discovery"),
        ((200, "application/json", DISCOVERY.replace(b'"@"', b'"@/"')), KEYS, "oidc.issuer"),
        ((200, "application/json", DISCOVERY), (200, "application/json", b'{"keys": []}'), "oidc.keys"),
        ((200, "application/json", b'{"issuer": "@", "jwks_uri": "http://169.254.169.254/"}'), KEYS, "oidc.keys"),
    ],
)
def test_an_identity_provider_is_asked_what_it_publishes(served: Home, published, keys, code) -> None:
    with answering({"/.well-known/openid-configuration": published, "/keys": keys}) as issuer:
        served.set("oidc.house", issuer=issuer, tenant="general", client_id="toolguard")
        assert served.wrong(online=True) == ({code} if code else set())


def test_an_identity_provider_that_is_down_is_a_fault(served: Home) -> None:
    served.set("oidc.house", issuer=f"http://127.0.0.1:{free_port()}", tenant="general", client_id="toolguard")
    assert served.wrong(online=True) == {"oidc.reachable"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, "application/x-protobuf", b""), None),
        ((200, "text/html", b"<h1>It works</h1>"), "spans.refused"),
        ((401, "text/plain", b""), "spans.refused"),
        (None, "spans.reachable"),
    ],
)
def test_a_receiver_of_spans_is_sent_an_empty_batch(served: Home, answer, code) -> None:
    with answering({"/v1/traces": answer} if answer else {}) as url:
        served.set("telemetry", spans="otlp", endpoint=url if answer else f"http://127.0.0.1:{free_port()}")
        assert served.wrong(online=True) == ({code} if code else set())


# --- how it is said


def test_a_fault_ends_in_1_and_a_warning_only_when_strict(home: Home) -> None:
    assert doctor("--offline").exit_code == 0
    assert doctor("--offline", "--strict").exit_code == 1
    home.at("guard.key").chmod(0o644)
    assert doctor("--offline").exit_code == 1


def test_it_can_be_read_by_a_program(home: Home) -> None:
    home.at("guard.key").chmod(0o644)
    said = json.loads(doctor("--offline", "--json").stdout)
    (found,) = [f for f in said["findings"] if f["level"] == "fault"]
    assert set(found) == {"area", "code", "level", "message", "mend"}
    assert found["code"] == "keys.guard"
    assert found["mend"].startswith("chmod 600 guard.key")
    assert said["counts"]["fault"] == 1


def test_in_a_pipe_no_line_is_cut_or_coloured(home: Home) -> None:
    shown = doctor("--offline").stdout
    assert "\x1b" not in shown
    assert 'separation = "waived" accepts that, critical calls included' in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_quiet_shows_only_what_is_wrong(home: Home) -> None:
    shown = doctor("--offline", "--quiet").stdout
    assert "separation" in shown
    assert "entries, tenants" not in shown


def test_every_area_is_in_the_manual() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    assert [area for area in AREAS if f"`{area}`" not in page] == []
