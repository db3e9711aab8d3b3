"""Tokens: one use each kind, hashes only, gone when they are gone."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toolguard._core.call import Person
from toolguard.cli.people import app
from toolguard.directory import Audience, IssuedToken, TokenFile
from toolguard.directory.tokens import LIFETIMES
from toolguard.errors import ConfigError, IdentityError

ADA = Person(issuer="local", tenant="st-marys", subject="ada")


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def tokens(tmp_path: Path, clock: Time) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json", now=clock)


def issue(tokens: TokenFile, audience: Audience = Audience.DECIDE) -> IssuedToken:
    service = audience is Audience.SERVICE
    return tokens.issue(
        audience=audience,
        person="service:ward-guard" if service else "ada",
        identity=None if service else ADA,
        tenant="st-marys",
    )


def test_a_token_names_its_person_and_the_file_does_not_hold_it(tokens: TokenFile, tmp_path: Path) -> None:
    issued = issue(tokens)
    entry = tokens.verify(issued.secret, audiences=[Audience.DECIDE])
    assert entry.identity == ADA
    assert entry.person == "ada"
    raw = (tmp_path / "tokens.json").read_text()
    assert issued.secret not in raw
    assert issued.secret.rpartition("_")[2] not in raw
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert issued.secret not in repr(issued)
    assert len(issued.secret.split("_", 3)[3]) == 43  # 256 bits in base64url


@pytest.mark.parametrize("made_for", Audience)
@pytest.mark.parametrize("used_for", Audience)
def test_a_token_is_good_for_its_audience_alone(tokens: TokenFile, made_for: Audience, used_for: Audience) -> None:
    issued = issue(tokens, made_for)
    if made_for is used_for:
        assert tokens.verify(issued.secret, audiences=[used_for]) == issued.entry
    else:
        with pytest.raises(IdentityError, match="cannot be used here"):
            tokens.verify(issued.secret, audiences=[used_for])


@pytest.mark.parametrize("audience", Audience)
def test_a_token_ends(tokens: TokenFile, clock: Time, audience: Audience) -> None:
    issued = issue(tokens, audience)
    clock.now += LIFETIMES[audience] - 1
    tokens.verify(issued.secret, audiences=[audience])
    clock.now += 1
    with pytest.raises(IdentityError, match="expired"):
        tokens.verify(issued.secret, audiences=[audience])


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "x", lambda s: "", lambda s: s.upper(), lambda s: "\udcff"]
)
def test_a_token_that_is_not_exactly_it_is_unknown(tokens: TokenFile, change) -> None:  # type: ignore[no-untyped-def] # a lambda a row
    issued = issue(tokens)
    with pytest.raises(IdentityError, match="not known"):
        tokens.verify(change(issued.secret), audiences=[Audience.DECIDE])


def test_a_revoked_token_is_unknown_at_once_also_to_another_process(
    tokens: TokenFile, tmp_path: Path, clock: Time
) -> None:
    other = TokenFile(tmp_path / "tokens.json", now=clock)
    one, two, three = issue(tokens), issue(tokens), issue(tokens, Audience.SERVICE)
    assert tokens.revoke(token_id=one.entry.id) == 1
    with pytest.raises(IdentityError):
        other.verify(one.secret, audiences=[Audience.DECIDE])
    other.verify(two.secret, audiences=[Audience.DECIDE])
    assert other.revoke(person="ada") == 1
    with pytest.raises(IdentityError):
        tokens.verify(two.secret, audiences=[Audience.DECIDE])
    tokens.verify(three.secret, audiences=[Audience.SERVICE])


def test_of_many_who_use_a_link_at_once_one_gets_through(tokens: TokenFile, tmp_path: Path, clock: Time) -> None:
    link = issue(tokens, Audience.LINK)
    passed, start = [], threading.Barrier(8)

    def use() -> None:
        start.wait()
        with contextlib.suppress(IdentityError):
            passed.append(TokenFile(tmp_path / "tokens.json", now=clock).consume(link.secret, audience=Audience.LINK))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passed == [link.entry]


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path: Path, clock: Time) -> None:
    made: list[IssuedToken] = []
    threads = [
        threading.Thread(target=lambda: made.append(issue(TokenFile(tmp_path / "tokens.json", now=clock))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = TokenFile(tmp_path / "tokens.json", now=clock).entries()
    assert {e.id for e in kept} == {m.entry.id for m in made}
    assert len(kept) == 8


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', '{"version": 1, "tokens": [{"id": "x"}]}', "[]"])
def test_a_damaged_file_lets_nobody_in(tokens: TokenFile, tmp_path: Path, content: str) -> None:
    issued = issue(tokens)
    (tmp_path / "tokens.json").write_text(content)
    with pytest.raises(ConfigError, match="damaged"):
        tokens.verify(issued.secret, audiences=[Audience.DECIDE])
    with pytest.raises(ConfigError, match="damaged"):
        issue(tokens)


def test_a_file_others_can_read_is_refused(tokens: TokenFile, tmp_path: Path) -> None:
    issued = issue(tokens)
    (tmp_path / "tokens.json").chmod(0o644)
    with pytest.raises(ConfigError, match="read by others"):
        tokens.verify(issued.secret, audiences=[Audience.DECIDE])


def test_only_a_service_stands_for_no_person(tokens: TokenFile) -> None:
    with pytest.raises(IdentityError):
        tokens.issue(audience=Audience.SERVICE, person="ada", identity=ADA, tenant="st-marys")
    with pytest.raises(IdentityError):
        tokens.issue(audience=Audience.DECIDE, person="service:x", identity=None, tenant="st-marys")


DIRECTORY = """\
version: 1
persons:
  - {id: ada, name: Ada, identities: [{issuer: local, tenant: st-marys, subject: ada}]}
  - id: grace
    name: Grace
    identities: [{issuer: local, tenant: st-marys, subject: g}, {issuer: local, tenant: st-lukes, subject: g}]
services:
  - {name: ward-guard, tenant: st-marys}
"""


def run(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    (tmp_path / "directory.yaml").write_text(DIRECTORY)
    environment = {
        "TOOLGUARD_DIRECTORY": str(tmp_path / "directory.yaml"),
        "TOOLGUARD_TOKENS": str(tmp_path / "tokens.json"),
        "COLUMNS": "200",
    }
    if arguments[0] == "revoke":
        arguments = (*arguments, "--tokens", str(tmp_path / "tokens.json"))
    result = CliRunner().invoke(app, list(arguments), env=environment)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_a_working_token_once(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "token", "ada", "--audience", "decide")
    assert code == 0
    entry = TokenFile(tmp_path / "tokens.json", now=lambda: 0.0).verify(out.strip(), audiences=[Audience.DECIDE])
    assert entry.person == "ada"
    _, listed, _ = run(tmp_path, "list")
    assert entry.id in listed
    assert out.strip() not in listed
    assert run(tmp_path, "revoke", entry.id)[0] == 0
    assert run(tmp_path, "revoke", entry.id)[0] == 1


def test_the_command_makes_a_link_with_the_secret_behind_the_hash(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "link", "ada", "--url", "http://127.0.0.1:9")
    address, _, secret = out.strip().partition("#")
    assert code == 0
    assert address == "http://127.0.0.1:9/signin"
    TokenFile(tmp_path / "tokens.json", now=lambda: 0.0).consume(secret, audience=Audience.LINK)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["token", "alan"], "no person has the id"),
        (["token", "ward-guard"], "no person has the id"),
        (["token", "ada", "--audience", "service"], "no service account"),
        (["token", "grace"], "several tenants"),
        (["token", "ada", "--tenant", "st-johns"], "no identity in tenant"),
        (["revoke"], "either a token id or --person"),
    ],
)
def test_the_command_refuses_plainly(tmp_path: Path, arguments: list[str], says: str) -> None:
    code, out, error = run(tmp_path, *arguments)
    assert code == 2
    assert out == ""
    assert says in error


def test_the_command_finds_its_files_through_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "directory.yaml").write_text(DIRECTORY)
    (tmp_path / "toolguard.toml").write_text(
        '[guard]\npolicy = "p.yaml"\n[store]\nurl = "memory:"\n[directory]\nfile = "directory.yaml"\n'
        'tokens = "tokens.json"\n[service]\nurl = "http://127.0.0.1:7"\n'
    )
    result = CliRunner().invoke(app, ["link", "ada", "--config", str(tmp_path / "toolguard.toml")])
    assert result.stdout.startswith("http://127.0.0.1:7/signin#tg_link_")
    assert len(TokenFile(tmp_path / "tokens.json", now=lambda: 0.0).entries()) == 1
    lost = CliRunner().invoke(app, ["link", "ada", "--config", str(tmp_path / "none.toml")])
    assert lost.exit_code == 3
    assert "cannot read the configuration" in lost.stderr
