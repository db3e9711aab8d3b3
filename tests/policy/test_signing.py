"""T11: outside development a configuration puts only a policy into force that somebody other than its author signed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from toolguard import Guard
from toolguard._core.audit import Kind
from toolguard.cli import keys, policy
from toolguard.config import ANALYSES
from toolguard.errors import ConfigError, KeyUnavailableError, PolicyError, PolicyRefusedError
from toolguard.keys import KeyRing, PolicySigner, PolicyStatement, PolicyVerifier, Purpose, SecretKey, write_key
from toolguard.keys.sign import PublicKey
from toolguard.policyfile import load_policy
from toolguard.stores import open_store
from toolguard.testing import NoDetector

ANN, BEN, EVE = (SecretKey.generate(Purpose.POLICY) for _ in range(3))
KEYS = KeyRing([SecretKey.generate(Purpose.SEAL)])
TEXT = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: %s}
mode: %s
approvals: {default: {approvers: ["group:office"]}}
tools: {look: {risk: low}}
"""


def line(key: SecretKey) -> str:
    return PublicKey.of(key).line


class Ward:
    """A folder with a configuration that trusts Ann and Ben, and a store that outlives its guards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policy = folder / "policy.yaml"
        self.signature = folder / "policy.yaml.sig"
        self.store = open_store("memory:")
        self.configure()

    def configure(self, *, environment: str = 'environment = "production"', policy: str = "") -> None:
        trusted = f'[policy.trusted]\nann = "{line(ANN)}"\nben = ["{line(BEN)}"]\n'
        (self.folder / "toolguard.toml").write_text(
            f'[guard]\npolicy = "policy.yaml"\n{environment}\n[store]\nurl = "memory:"\n[telemetry]\nspans = "off"\n'
            + (policy or trusted)
        )

    def write(self, version: object = 1, mode: str = "enforce", extra: str = "") -> None:
        self.policy.write_text(TEXT % (version, mode) + extra)

    def sign(
        self, key: SecretKey = ANN, signer: str = "ann", author: str = "cleo", at: int = 1_000, **said: Any
    ) -> None:
        loaded = load_policy(self.policy, functions=ANALYSES)
        statement = PolicyStatement(
            policy=loaded.id, version=loaded.version, sha256=loaded.sha256, author=author, signer=signer, at=at
        )
        self.signature.write_bytes(PolicySigner(key).sign(replace(statement, **said)))

    def start(self, **parts: Any) -> Guard:
        return Guard.from_config(
            self.folder / "toolguard.toml", store=self.store, keys=KEYS, detector=NoDetector(), **parts
        )

    def refused(self) -> str:
        """The reason why the guard does not start."""
        with pytest.raises(PolicyRefusedError) as caught:
            self.start()
        assert "not put into force" in str(caught.value) or "cannot sign" in str(caught.value)
        last = list(self.store.records())[-1].draft
        assert (last.kind, last.body["toolguard.decision.reason_code"]) == (Kind.POLICY_REFUSED, caught.value.reason)
        return caught.value.reason

    def starts(self) -> dict[str, Any]:
        """The record of the policy the guard starts with."""
        self.start()
        return dict(
            next(r.draft.body for r in reversed(list(self.store.records())) if r.draft.kind is Kind.POLICY_LOADED)
        )


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    made = Ward(tmp_path)
    made.write()
    return made


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_t11_a_policy_nobody_signed_is_refused_in_either_mode_and_that_is_recorded(ward: Ward, mode: str) -> None:
    ward.write(mode=mode)
    assert ward.refused() == "unsigned"


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_a_signed_policy_is_put_into_force_and_its_record_says_on_whose_word(ward: Ward, mode: str) -> None:
    ward.write(mode=mode)
    ward.sign()
    body = ward.starts()
    assert (body["toolguard.policy.signer"], body["toolguard.policy.author"]) == ("ann", "cleo")
    assert (body["toolguard.policy.signed"], body["toolguard.policy.signed_at"]) == (True, 1_000)
    assert body["toolguard.policy.mode"] == mode


def test_t11_an_edit_after_signing_is_refused(ward: Ward) -> None:
    ward.sign()
    ward.policy.write_text(ward.policy.read_text() + "# a comment\n")
    assert ward.refused() == "changed"


def test_t11_shadow_mode_cannot_be_switched_on_without_a_signature(ward: Ward) -> None:
    ward.sign()
    ward.write(mode="shadow")
    assert ward.refused() == "changed"


@pytest.mark.parametrize("author", ["ann", "ANN", " ann ", "\uff41nn"])
def test_nobody_signs_what_they_wrote(ward: Ward, author: str) -> None:
    with pytest.raises(PolicyRefusedError, match="cannot sign it"):
        ward.sign(author=author)


def test_a_guard_refuses_its_authors_signature_whoever_says_it_was_checked(ward: Ward) -> None:
    ward.sign(signer="someone", author="ann")  # Ann's key, under a false name
    assert ward.refused() in ("signer", "own_author")


def test_a_key_nobody_pinned_counts_for_nothing(ward: Ward) -> None:
    ward.sign(EVE, signer="ann")
    assert ward.refused() == "unknown_key"


def test_one_persons_key_does_not_sign_in_anothers_name(ward: Ward) -> None:
    ward.sign(BEN, signer="ann")
    assert ward.refused() == "signer"


@pytest.mark.parametrize("field", ["policy", "version", "sha256", "author", "signer", "at"])
def test_every_part_of_what_was_said_is_signed(ward: Ward, field: str) -> None:
    ward.sign()
    data = json.loads(ward.signature.read_text())
    data["statement"][field] = 999 if field == "at" else "x" + str(data["statement"][field])[1:] + "y"
    ward.signature.write_text(json.dumps(data))
    assert ward.refused() == "signature"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 9000,
        b'{"format": "toolguard.policy.signature.v1", "statement": {}, "key": "k", "signature": "AA=="}',
        b'{"format": "toolguard.policy.signature.v2", "statement": {"policy": "ward"}, "key": "k", "signature": ""}',
    ],
)
def test_a_signature_file_that_cannot_be_read_is_refused(ward: Ward, raw: bytes) -> None:
    ward.signature.write_bytes(raw)
    assert ward.refused() == "unreadable"


def test_a_signature_of_another_policy_does_not_fit(ward: Ward) -> None:
    ward.sign(policy="pharmacy")
    assert ward.refused() == "changed"


def test_a_signature_that_was_made_for_something_else_does_not_fit(ward: Ward) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    ward.sign()
    data = json.loads(ward.signature.read_text())
    bare = Ed25519PrivateKey.from_private_bytes(ANN.secret).sign(json.dumps(data["statement"], sort_keys=True).encode())
    data["signature"] = base64.b64encode(bare).decode()
    ward.signature.write_text(json.dumps(data))
    assert ward.refused() == "signature"


AGES = [
    # in force before, then, is the second one refused
    (("2", 1_000), ("1", 2_000), True),
    (("2", 1_000), ("3", 500), False),
    (("2", 1_000), ("2", 1_000), False),
    (("2", 1_000), ("2", 999), True),
    (("2", 1_000), ("2", 1_001), False),
    (("1.9", 1_000), ("1.10", 1_000), False),
    (("1.10", 1_000), ("1.9", 2_000), True),
    (("'2026-11'", 1_000), ("'2026-10'", 2_000), True),
]


@pytest.mark.parametrize(("first", "second", "refused"), AGES)
def test_t11_an_older_signed_version_is_not_put_into_force_again(
    ward: Ward, first: tuple[str, int], second: tuple[str, int], refused: bool
) -> None:
    ward.write(first[0])
    ward.sign(at=first[1])
    ward.starts()
    ward.write(second[0], extra="# other\n" if first[0] != second[0] or first[1] != second[1] else "")
    ward.sign(at=second[1])
    if refused:
        assert ward.refused() == "older_version"
    else:
        ward.starts()


def test_an_older_version_may_be_allowed_by_name_and_by_no_other(ward: Ward) -> None:
    for version in (1, 2, 3):
        ward.write(version)
        ward.sign(at=version * 1_000)
        ward.starts()
    trusted = f'[policy]\nolder = "2"\n[policy.trusted]\nann = "{line(ANN)}"\n'
    ward.configure(policy=trusted)
    ward.write(1)
    ward.sign(at=1_000)
    assert ward.refused() == "older_version"
    ward.write(2)
    ward.sign(at=2_000)
    assert ward.starts()["toolguard.policy.version"] == "2"


def test_t11_a_policy_that_was_signed_for_another_guard_does_not_fit(ward: Ward) -> None:
    ward.configure(policy=f'[policy]\nname = "ward"\n[policy.trusted]\nann = "{line(ANN)}"\n')
    ward.sign()
    assert ward.starts()["toolguard.policy.id"] == "ward"
    ward.policy.write_text((TEXT % (9, "shadow")).replace("name: ward", "name: sandbox"))
    ward.sign()
    assert ward.refused() == "other_policy"


def test_t11_a_running_guard_keeps_to_the_policy_it_began_with(ward: Ward) -> None:
    ward.sign()
    with ward.start() as guard:
        ward.policy.write_text((TEXT % (9, "shadow")).replace("name: ward", "name: sandbox"))
        ward.sign()
        with pytest.raises(PolicyRefusedError) as caught:
            guard.reload()
        assert caught.value.reason == "other_policy"
        assert guard.parts.policy.id == "ward"


def test_one_policys_versions_say_nothing_of_anothers(ward: Ward) -> None:
    ward.write(9)
    ward.sign()
    ward.starts()
    ward.policy.write_text((TEXT % (1, "enforce")).replace("name: ward", "name: pharmacy"))
    ward.sign()
    assert ward.starts()["toolguard.policy.id"] == "pharmacy"


def test_what_a_store_remembers_holds_for_every_process(ward: Ward, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kept.db'}"
    for version, refused in ((2, False), (1, True)):
        ward.store = open_store(url)
        ward.write(version)
        ward.sign(at=1_000)
        if refused:
            assert ward.refused() == "older_version"
        else:
            ward.starts()
        ward.store.close()


@pytest.mark.parametrize("environment", ["", 'environment = "production"', 'environment = "demo"', 'environment = ""'])
def test_only_development_does_without(ward: Ward, environment: str) -> None:
    ward.configure(environment=environment)
    assert ward.refused() == "unsigned"
    ward.configure(environment='environment = "development"')
    assert ward.starts()["toolguard.policy.signed"] is False


def test_where_nobody_is_trusted_nothing_is_loaded_and_the_error_says_what_to_do(ward: Ward) -> None:
    ward.configure(policy="[policy]\n")
    ward.sign()
    with pytest.raises(PolicyRefusedError, match=r"\[policy\] trusted.*environment = \"development\""):
        ward.start()


def test_a_pack_that_changed_changes_what_was_signed(ward: Ward) -> None:
    def sealed(pack: bytes) -> str:
        return load_policy(b"include: pack:base\n" + (TEXT % (1, "enforce")).encode(), packs=lambda _: pack).sha256

    pack = b"apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: base, version: 1}\nrules: []\n"
    raw = PolicySigner(ANN).sign(
        PolicyStatement(policy="ward", version="1", sha256=sealed(pack), author="cleo", signer="ann", at=1)
    )
    trusted = PolicyVerifier({"ann": line(ANN)})
    assert trusted.open(raw, policy="ward", version="1", sha256=sealed(pack)).signer == "ann"
    with pytest.raises(PolicyRefusedError, match="a pack it includes"):
        trusted.open(raw, policy="ward", version="1", sha256=sealed(pack + b"# more\n"))


def test_a_policy_the_application_builds_or_names_in_code_is_its_own_word(ward: Ward) -> None:
    for given in (ward.policy, load_policy(ward.policy), "pack:hipaa"):
        with Guard(given, detector=NoDetector()) as guard:
            assert guard.parts.statement is None


def test_an_application_may_ask_for_signatures_too(ward: Ward) -> None:
    with pytest.raises(PolicyRefusedError, match="not signed"):
        Guard(ward.policy, signers={"ann": line(ANN)}, detector=NoDetector())
    ward.sign()
    with Guard(ward.policy, signers={"ann": line(ANN)}, detector=NoDetector()) as guard:
        assert guard.parts.statement is not None


def test_a_file_with_faults_is_refused_and_recorded_before_signatures_matter(ward: Ward) -> None:
    ward.policy.write_text("nonsense: 1\n")
    with pytest.raises(PolicyError):
        ward.start()
    last = list(ward.store.records())[-1].draft
    assert (last.kind, last.body["toolguard.decision.reason_code"]) == (Kind.POLICY_REFUSED, "policy")
    assert len(str(last.body["toolguard.policy.file_sha256"])) == 64


@pytest.mark.parametrize(
    ("trusted", "told"),
    [
        ({"ann": line(SecretKey.generate(Purpose.SIGN))}, "is for 'sign'"),
        ({"ann": line(ANN), "ben": line(ANN)}, "one key is pinned"),
        ({"ann": "nonsense"}, "not a toolguard public key"),
    ],
)
def test_only_policy_keys_are_pinned_each_for_one_person(trusted: dict[str, str], told: str) -> None:
    with pytest.raises(KeyUnavailableError, match=told):
        PolicyVerifier(trusted)


@pytest.mark.parametrize("purpose", [Purpose.SIGN, Purpose.SEAL, Purpose.AUDIT])
def test_no_other_key_signs_policies(purpose: Purpose) -> None:
    with pytest.raises(KeyUnavailableError, match="not for signing policies"):
        PolicySigner(SecretKey.generate(purpose))


def command(room: str, *words: object) -> Any:
    return CliRunner().invoke({"keys": keys.app, "policy": policy.app}[room], [str(w) for w in words])


def test_from_key_to_running_guard_with_the_commands(ward: Ward, tmp_path: Path) -> None:
    made = command("keys", "policy", tmp_path / "ann.key", "--name", "ann")
    assert made.exit_code == 0
    ward.configure(policy=made.stdout.partition("every guard:\n\n")[2])
    sign = ("policy", "sign", ward.policy, "--key", tmp_path / "ann.key", "--signer", "ann", "--author")
    verify = ("policy", "verify", ward.policy, "--config", tmp_path / "toolguard.toml")
    assert command(*verify).exit_code == 1
    assert command(*sign, "ann").exit_code == 1
    assert not ward.signature.exists()
    assert "ann answers for policy 'ward' version 1, written by cleo" in command(*sign, "cleo").stdout
    assert command(*verify).exit_code == 0
    assert ward.starts()["toolguard.policy.signer"] == "ann"
    assert "policy" in command("keys", "show", tmp_path / "ann.key").stdout
    rotated = command("keys", "rotate", tmp_path / "ann.key").stdout
    assert "[policy] trusted" in rotated


@pytest.mark.parametrize(("name", "code"), [("ward", 0), ("pharmacy", 1)])
def test_verifying_holds_the_policys_name_against_the_configuration_too(ward: Ward, name: str, code: int) -> None:
    ward.configure(policy=f'[policy]\nname = "{name}"\n[policy.trusted]\nann = "{line(ANN)}"\n')
    ward.sign()
    said = command("policy", "verify", ward.policy, "--config", ward.folder / "toolguard.toml")
    assert said.exit_code == code, said.output


def test_signing_needs_a_policy_key_and_a_policy_without_faults(ward: Ward, tmp_path: Path) -> None:
    write_key(tmp_path / "service.key", SecretKey.generate(Purpose.SIGN))
    said = command("policy", "sign", ward.policy, "--key", tmp_path / "service.key", "--signer", "a", "--author", "b")
    assert said.exit_code == 3
    assert not ward.signature.exists()
    ward.policy.write_text("nonsense: 1\n")
    said = command("policy", "sign", ward.policy, "--key", tmp_path / "ann.key", "--signer", "a", "--author", "b")
    assert said.exit_code == 1


def test_a_closed_door_leaves_no_store_open(ward: Ward, tmp_path: Path) -> None:
    write_key(tmp_path / "guard.key", SecretKey.generate(Purpose.SEAL))
    config = tmp_path / "toolguard.toml"
    config.write_text(
        config.read_text().replace('url = "memory:"', f'url = "sqlite:///{tmp_path}/x.db"\n[keys]\nfile = "guard.key"')
    )
    with pytest.raises(ConfigError):
        Guard.from_config(config)
    store = open_store(f"sqlite:///{tmp_path}/x.db", read_only=True)
    assert [r.draft.kind for r in store.records()][-1] is Kind.POLICY_REFUSED
    store.close()
