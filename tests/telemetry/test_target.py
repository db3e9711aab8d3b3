"""Who is believed to be the receiver, what it is shown, and that nothing of that is ever told."""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from opentelemetry.sdk.resources import Resource

from telemetry.receiver import Receiver
from telemetry.records import life
from toolguard.errors import ConfigError
from toolguard.telemetry import OtlpPump, Target, header_values, spans_of, tls_context
from toolguard.telemetry._post import Fate

SPANS = [span for record in life() for span in spans_of(record, Resource({}))]
SECRET = "s3cret-of-the-collector"


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        signed = self._signed(
            self.subject, self.key.public_key(), [(x509.BasicConstraints(ca=True, path_length=0), True)]
        )
        self.file.write_bytes(signed)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extensions: list[tuple]) -> bytes:  # type: ignore[type-arg] # (extension, critical)
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(self.subject, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *, address: str = "127.0.0.1") -> tuple[Path, Path]:
        """(certificate, key)"""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate, private = self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key"
        certificate.write_bytes(self._signed(subject, key.public_key(), [(alternative, False)]))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "ours")


def receiver_of(authority: Authority, *, address: str = "127.0.0.1", asks: bool = False) -> Receiver:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("collector", address=address))
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
    return Receiver(tls=context)


@pytest.fixture
def receiver(ours: Authority) -> Iterator[Receiver]:
    receiver = receiver_of(ours)
    yield receiver
    receiver.stop()


def sent(receiver: Receiver, **settings: object) -> tuple[Fate, str]:
    target = Target(receiver.url, timeout=5.0, **settings)  # type: ignore[arg-type] # as in the test
    answer = target.send(SPANS)
    target.close()
    return answer.fate, answer.reason


def test_a_receiver_our_authority_vouches_for_is_believed(receiver: Receiver, ours: Authority) -> None:
    assert sent(receiver, tls=tls_context(ca=ours.file)) == (Fate.DELIVERED, "")
    assert len(receiver.ids) == 7


@pytest.mark.parametrize("whose", ["nothing said", "the system's", "a stranger's"])
def test_a_receiver_nobody_we_trust_vouches_for_gets_nothing(receiver: Receiver, tmp_path: Path, whose: str) -> None:
    """T18."""
    context = None if whose == "nothing said" else tls_context()
    if whose == "a stranger's":
        context = tls_context(ca=Authority(tmp_path, "stranger").file)
    assert sent(receiver, tls=context) == (Fate.FAILED, "ConnectError")
    assert receiver.requests == []


def test_a_certificate_for_another_address_gets_nothing(ours: Authority) -> None:
    other = receiver_of(ours, address="10.0.0.7")
    assert sent(other, tls=tls_context(ca=ours.file)) == (Fate.FAILED, "ConnectError")
    assert other.requests == []
    other.stop()


def test_a_receiver_that_asks_who_we_are_is_shown_our_certificate(ours: Authority) -> None:
    asks = receiver_of(ours, asks=True)
    certificate, key = ours.issue("guard")
    assert sent(asks, tls=tls_context(ca=ours.file, certificate=certificate, key=key)) == (Fate.DELIVERED, "")
    assert sent(asks, tls=tls_context(ca=ours.file))[0] is Fate.FAILED
    asks.stop()


@pytest.mark.parametrize("which", ["ca", "certificate", "key alone", "locked key"])
def test_certificates_that_cannot_be_used_are_said_before_anything_is_sent(
    which: str, tmp_path: Path, ours: Authority
) -> None:
    nothing = tmp_path / "nothing.pem"
    certificate, key = ours.issue("guard")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    given = {
        "ca": {"ca": nothing},
        "certificate": {"certificate": nothing},
        "key alone": {"key": key},
        "locked key": {"certificate": certificate, "key": locked},
    }[which]
    with pytest.raises(ConfigError, match="certificate"):
        tls_context(**given)


def test_headers_come_from_variables_and_files_and_are_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    monkeypatch.setenv("COLLECTOR", f"Bearer {SECRET}\n")
    (tmp_path / "tenant").write_text("north\n", "utf-8")
    given = {"authorization": "env:COLLECTOR", "x-tenant": "file:tenant", "x-plain": "yes"}
    target = Target(receiver.url, headers=header_values(given, at=tmp_path.joinpath))
    target.send(SPANS)
    (tmp_path / "tenant").write_text("south", "utf-8")
    target.send(SPANS)
    target.close()
    receiver.stop()
    (_, first, _), (_, second, _) = receiver.requests
    assert (first["authorization"], first["x-tenant"], first["x-plain"]) == (f"Bearer {SECRET}", "north", "yes")
    assert second["x-tenant"] == "south"


def test_a_header_that_is_not_there_delays_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No header is no reason to send without it; and no header is ever in a log, an error or a repr."""
    from toolguard._core.steps import Change
    from toolguard.stores.memory import MemoryStore

    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("COLLECTOR", raising=False)
    receiver = Receiver()
    store = MemoryStore()
    values = header_values({"authorization": "env:COLLECTOR"})
    pump = OtlpPump(store, receiver.url, headers=values, interval=0.02, linger=0.0)
    pump.emit(store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:]))))
    assert not pump.flush(0.3)
    assert pump.last_failure == "ConfigError"
    assert receiver.requests == []
    monkeypatch.setenv("COLLECTOR", SECRET)
    receiver.wait_for(7)
    assert pump.close(30.0)
    receiver.stop()
    assert SECRET not in caplog.text + repr(pump) + repr(vars(pump)) + repr(pump._target)


@pytest.mark.parametrize("given", ["env:NOT_THERE", "file:not-there"])
def test_what_is_wrong_with_a_header_is_said_by_its_name(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(ConfigError, match="authorization"):
        header_values({"authorization": given})()
