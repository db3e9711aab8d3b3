"""Where credentials come from: each form of the configuration, and what is refused before any call."""

import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

import toolguard
from credentials.conftest import LOADED, Issuer
from toolguard import CredentialError, Guard, Tool
from toolguard.credentials import open_providers
from toolguard.errors import ConfigError, MissingExtraError
from toolguard.policyfile import load_policy
from toolguard.ports import CredentialUse

USE = CredentialUse(call="c", tool="t", tenant="general", agent="a", until=2e9, seconds=300.0)
SECRET = "s3cret/value+of==enough"


@pytest.fixture
def variable(monkeypatch, request):
    name = f"TG_TEST_{abs(hash(request.node.name)):x}"
    monkeypatch.setenv(name, SECRET)
    return name


def got(source: str, at=Path) -> str:
    (provider,) = open_providers({"x": source}, at=at).values()
    return provider.acquire("x", USE).value


def test_a_variable_is_taken_out_of_the_environment(variable):
    assert got(f"env:{variable}") == SECRET
    assert variable not in os.environ
    child = subprocess.run([sys.executable, "-c", "import os; print(*os.environ)"], capture_output=True, text=True)
    assert variable not in child.stdout.split()
    assert got(f"env:{variable}") == SECRET  # a second guard of this process


def test_a_file_is_read_for_every_call_and_may_be_replaced(tmp_path):
    file = tmp_path / "token"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    (provider,) = open_providers({"x": "file:token"}, at=tmp_path.joinpath).values()
    assert provider.acquire("x", USE).value == SECRET
    file.write_text("rotated-" + SECRET)
    assert provider.acquire("x", USE).value == "rotated-" + SECRET


def a_file(tmp_path, mode=0o600, text=SECRET):
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(mode)
    return file


BAD_FILES = [
    pytest.param(lambda p: p / "none", "cannot be opened", id="missing"),
    pytest.param(lambda p: a_file(p, 0o640), "mode 0640.*chmod 600", id="readable by the group"),
    pytest.param(lambda p: a_file(p, 0o604), "mode 0604", id="readable by all"),
    pytest.param(lambda p: p, "no regular file", id="folder"),
    pytest.param(lambda p: a_file(p, text=""), "empty", id="empty"),
    pytest.param(lambda p: a_file(p, text="x" * 70_000), "longer than", id="too long"),
]


@pytest.mark.parametrize(("make", "says"), BAD_FILES)
def test_a_file_that_is_not_private_is_refused_when_the_guard_is_made(tmp_path, make, says):
    with pytest.raises(ConfigError, match=says):
        open_providers({"x": f"file:{make(tmp_path)}"})


def test_a_file_that_became_readable_is_refused_in_the_call(tmp_path, desk, ana, kinds):
    file = a_file(tmp_path)
    guard = desk.guard(LOADED, credentials={"ehr_token": f"file:{file}", "lab_token": Issuer()})
    file.chmod(0o644)

    def read_ehr(ward: str) -> str:
        with pytest.raises(CredentialError, match="mode 0644"):
            toolguard.credential("ehr_token")
        return "ok"

    with guard.session(caller=ana) as session:
        assert session.call(read_ehr, {"ward": "4B"}) == "ok"
    assert kinds() == [("refused", "ehr_token", "file", "provider_failed")]


class Drawer(KeyringBackend):
    """The operating system's store, which a test machine may not have."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.held = {}

    def get_password(self, service, username):
        return self.held.get((service, username))

    def set_password(self, service, username, password):
        self.held[service, username] = password

    def delete_password(self, service, username):
        del self.held[service, username]


@pytest.fixture
def drawer():
    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())
    yield
    keyring.set_keyring(before)


def test_a_keyring_entry(drawer):
    keyring.set_password("ehr/api", "toolguard", SECRET)
    assert got("keyring:ehr/api/toolguard") == SECRET
    with pytest.raises(CredentialError, match="no entry 'nobody' of 'ehr'"):
        got("keyring:ehr/nobody")


def test_without_the_keyring_extra_its_name_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtraError, match=r"toolguard-middleware\[keyring\]"):
        open_providers({"x": "keyring:ehr/toolguard"})


def sts(name):
    """A user's own provider, as the configuration names it."""
    return Issuer()


def broken(name):
    raise RuntimeError(SECRET)


def nothing(name):
    return object()


def test_a_provider_of_ones_own():
    assert got("python:credentials.test_sources:sts").startswith("tok-x-")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("python:credentials.test_sources:broken", "RuntimeError"),
        ("python:credentials.test_sources:missing", "AttributeError"),
        ("python:no.such.module:factory", "ModuleNotFoundError"),
        ("python:credentials.test_sources", "write it so"),
        ("python:credentials.test_sources:nothing", "no 'acquire'"),
        ("env:", "does not say where it comes from"),
        ("env:TG_NOT_SET", "'TG_NOT_SET', which is not set"),
        ("keyring:service", "does not say where it comes from"),
        ("vault:secret/ehr", "does not say where it comes from"),
        ("hunter2hunter2", "does not say where it comes from"),
        ("", "does not say where it comes from"),
    ],
)
def test_what_is_not_understood_is_refused_with_advice_and_not_echoed(source, says):
    with pytest.raises(ConfigError, match=says) as refused:
        open_providers({"x": source})
    assert SECRET not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_name_that_could_be_anything_is_refused():
    with pytest.raises(ConfigError, match="beginning with a letter"):
        open_providers({"4711 Ada Byron": "env:X"})


def test_a_credential_nobody_provides_is_refused_when_the_guard_is_made(desk):
    with pytest.raises(ConfigError, match="gives 'read_lab' the credential 'lab_token', and no provider has that name"):
        desk.guard(LOADED, credentials={"ehr_token": Issuer()})
    with pytest.raises(ConfigError, match=r"say under \[credentials\] where it comes from"):
        desk.guard(LOADED)


def test_providers_are_closed_where_a_later_one_cannot_be_made(variable):
    first = Issuer()
    with pytest.raises(ConfigError):
        open_providers({"a": first, "b": "nonsense"})
    assert first.closed


def test_from_a_configuration_file(tmp_path, desk, ana, variable):
    (tmp_path / "secrets").mkdir()
    a_file(tmp_path / "secrets")
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: p, version: 1}\n"
        "defaults: {by_risk: {high: deny}}\ntools: {read_ehr: {risk: low, credentials: [ehr, lab]}}\nrules: []\n"
    )
    (tmp_path / "toolguard.toml").write_text(
        '[guard]\nenvironment = "development"\npolicy = "policy.yaml"\n[store]\nurl = "memory:"\n[telemetry]\nspans = "off"\n'
        f'[credentials]\nehr = "file:secrets/token"\nlab = "env:{variable}"\n'
    )

    def read_ehr(ward: str) -> list[bool]:
        return [toolguard.credential(name).reveal() == SECRET for name in ("ehr", "lab")]

    with Guard.from_config(tmp_path / "toolguard.toml") as guard, guard.session(caller=ana) as session:
        assert session.call(read_ehr, {"ward": "4B"}) == [True, True]


def test_a_provider_shows_no_secret(variable, tmp_path):
    a_file(tmp_path)
    for provider in open_providers({"a": f"env:{variable}", "b": f"file:{tmp_path / 'token'}"}).values():
        assert SECRET not in repr(provider) + repr(provider.acquire("a", USE))


HEAD = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: p, version: 1}
defaults: {by_risk: {high: deny}}
rules: []
tools:
"""


@pytest.mark.parametrize(
    ("patterns", "holds"),
    [
        ('  "read_*": {credentials: [a, b]}\n', {"a", "b"}),
        ('  "read_?hr": {credentials: [a, b]}\n  "?ead_ehr": {}\n', {"a", "b"}),
        ('  "read_?hr": {credentials: [a, b]}\n  "?ead_ehr": {credentials: [b, c]}\n', {"b"}),
        ('  "read_?hr": {credentials: []}\n  "?ead_ehr": {credentials: [b]}\n', set()),
        ('  "read_*": {credentials: [a, b]}\n  read_ehr: {credentials: own}\n', {"own"}),
        ('  "read_*": {credentials: [a, b]}\n  read_ehr: {credentials: []}\n', set()),
    ],
)
def test_the_more_specific_pattern_says_which_and_of_two_equal_ones_the_stricter(patterns, holds):
    tool = Tool.describe("read_ehr", source="app")
    assert load_policy(HEAD + patterns, name="p").plan(tool).rule.credentials == holds
