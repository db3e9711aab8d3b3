"""What doctor says where an address answers with a certificate that does not hold: which fault it is, and how to mend it."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.healthy import Home, free_port
from toolguard.health import addresses

DAY = dt.timedelta(days=1)


@contextlib.contextmanager
def listening(folder: Path, *, begins: dt.timedelta, ends: dt.timedelta, name: str) -> Iterator[tuple[int, Path]]:
    """Something on loopback that shakes hands with a certificate of its own making; → its port, and that certificate."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now + begins).not_valid_after(now + ends)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate, private = folder / "its.pem", folder / "its.key"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    ended = threading.Event()

    def shake() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                taken, _ = listener.accept()
                with contextlib.closing(taken), contextlib.suppress(OSError):
                    taken.settimeout(5)
                    context.wrap_socket(taken, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=shake)
        thread.start()
        try:
            yield listener.getsockname()[1], certificate
        finally:
            ended.set()
            thread.join()


CERTIFICATES = {
    "expired": ({"begins": -9 * DAY, "ends": -DAY, "name": "localhost"}, True, "has expired", "renew the certificate"),
    "not valid yet": ({"begins": DAY, "ends": 9 * DAY, "name": "localhost"}, True, "not valid yet", "timedatectl"),
    "another's": ({"begins": -DAY, "ends": DAY, "name": "else.example"}, True, "for another name", "use the name"),
    "a stranger's": ({"begins": -DAY, "ends": DAY, "name": "localhost"}, False, "nobody here vouches", "authority"),
}


@pytest.mark.parametrize("what", CERTIFICATES)
@pytest.mark.parametrize("whose", ["oidc", "spans", "service"])
def test_a_certificate_that_does_not_hold_is_named(
    home: Home, tmp_path: Path, what: str, whose: str, monkeypatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    made, known, why, mend = CERTIFICATES[what]
    with listening(tmp_path, **made) as (port, certificate):
        url, ca = f"https://localhost:{port}", str(certificate) if known else None
        if whose == "spans":
            home.set("telemetry", spans="otlp", endpoint=url, **({"ca": ca} if ca else {}))
        elif whose == "service":
            home.set("service", url=url, **({"ca": ca} if ca else {}))
        else:
            home.set("oidc.house", issuer=url, tenant="general", client_id="toolguard")
            if ca:
                monkeypatch.setenv("SSL_CERT_FILE", ca)
        (found,) = [f for f in home.look(online=True) if f.code == f"{whose}.reachable"]
    assert why in found.said
    assert mend in found.mend


def test_a_port_where_nothing_listens_and_a_name_nobody_knows_are_told_apart(home: Home, monkeypatch) -> None:
    home.set("telemetry", spans="otlp", endpoint=f"http://127.0.0.1:{free_port()}")
    home.set("oidc.house", issuer=f"http://127.0.0.1:{free_port()}", tenant="general", client_id="toolguard")
    said = {f.code: f.said for f in home.look(online=True)}
    assert "(nothing listens there)" in said["spans.reachable"]
    assert "(nothing listens there)" in said["oidc.reachable"]
    unknown = OSError()
    unknown.__cause__ = socket.gaierror()
    assert addresses._why(unknown, "look", trust="") == ("its name is not known here", "look")


@pytest.mark.parametrize("url", ["mysql://x/y", "toolguard.db", "sqlite://toolguard.db", "postgres:/x"])
def test_an_address_that_is_no_stores_is_named(home: Home, url: str) -> None:
    home.set("store", url=url)
    (found,) = [f for f in home.look() if f.area == "store"]
    assert found.code == "store.url"
    assert "postgresql://" in found.mend
