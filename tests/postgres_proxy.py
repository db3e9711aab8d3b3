"""Something between a client and PostgreSQL: it speaks TLS, and breaks connections at a chosen word."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postgres_server import Server

__all__ = ["Authority", "Proxy"]

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Authority:
    """A certificate authority of one's own, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.file = folder / "authority.pem"
        certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str) -> ssl.SSLContext:
        """For a server that is called ``names`` (hosts or addresses)."""
        key = ec.generate_private_key(ec.SECP256R1())
        san = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
        certificate = self._sign(subject, key, san)
        pem = self._folder / f"{'-'.join(names)}.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        own, theirs = self._key.public_key(), key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(theirs)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(theirs), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Proxy:
    """Listens on a port of 127.0.0.1 and passes everything on to the server's unix socket.

    ``cut`` is what happens when a client says COMMIT: ``"before"`` it is dropped and the connection closed,
    ``"after"`` the server gets it and its answer is dropped; ``""`` nothing. ``cuts`` counts how often it may happen.
    """

    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = ""
        self.cuts = 0
        self.clear: list[bytes] = []
        self._open: list[socket.socket] = []

    @classmethod
    @contextmanager
    def before(cls, server: Server, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
        proxy = cls(server, tls)
        threading.Thread(target=proxy._accept, daemon=True).start()
        try:
            yield proxy
        finally:
            with suppress(OSError):
                proxy._listener.shutdown(socket.SHUT_RDWR)
            proxy._listener.close()
            proxy.drop()

    def url(self, database: str, query: str = "", host: str = "127.0.0.1", user: str = "postgres") -> str:
        return f"postgresql://{user}@{host}:{self.port}/{database}{query}"

    def drop(self) -> None:
        """Close every connection."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            self._between(client)
        except OSError:
            _close(client)

    def _between(self, client: socket.socket) -> None:
        first = client.recv(4096)
        self.clear.append(first)
        if first == _SSL_REQUEST:
            client.sendall(b"S" if self._tls else b"N")
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
            first = client.recv(4096)
        server = socket.socket(socket.AF_UNIX)
        self._open += [client, server]
        server.connect(str(self._server.folder / f".s.PGSQL.{self._server.port}"))
        server.sendall(first)
        answers = threading.Thread(target=self._pass, args=(server, client), daemon=True)
        answers.start()
        self._client(client, server, answers)

    def _client(self, client: socket.socket, server: socket.socket, answers: threading.Thread) -> None:
        while data := client.recv(65536):
            if b"COMMIT\x00" in data and self.cut and self.cuts > 0:
                self.cuts -= 1
                _close(client)
                if self.cut == "after":
                    server.sendall(data)
                    answers.join(5.0)  # the answer has come, and found nobody: it is committed
                _close(server)
                return
            server.sendall(data)
        _close(server)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
