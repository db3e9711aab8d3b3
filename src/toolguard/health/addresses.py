"""What stands at other addresses: the approval service, identity providers, and where spans go."""

from __future__ import annotations

import email.utils
import json
import os
import shlex
import socket
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from toolguard.config import Config
from toolguard.config.oidc import provider_settings
from toolguard.confirm import check_transport
from toolguard.errors import ConfigError
from toolguard.health.finding import Finding, fault, fine, warning
from toolguard.health.place import Place, said
from toolguard.stores.schema import store_mark
from toolguard.telemetry import Target, header_values, tls_context

__all__ = ["check_oidc", "check_service", "check_spans"]

SECONDS = 3.0
_MOST = 256 * 1024
_CLOCK = 60.0


def _get(url: str, verify: ssl.SSLContext | bool = True) -> tuple[int, Mapping[str, str], Any]:
    """Status, headers and JSON (None where it is none). No proxy on this machine, no redirects, bounded.

    ``verify``: whose certificates are believed; httpx's own or ``SSL_CERT_FILE``, as the service does, where nothing is given.

    Raises:
        httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError: it cannot be reached.
    """
    secure = url.startswith("https:")
    with (
        httpx.Client(
            timeout=SECONDS, follow_redirects=False, trust_env=secure, verify=verify if secure else False
        ) as client,
        client.stream("GET", url, headers={"accept-encoding": "identity"}) as reply,
    ):
        body = b""
        for part in reply.iter_raw():
            body += part
            if len(body) > _MOST:
                return reply.status_code, reply.headers, None
        try:
            return reply.status_code, reply.headers, json.loads(body)
        except (ValueError, RecursionError):
            return reply.status_code, reply.headers, None


_UNREACHABLE = (httpx.HTTPError, httpx.InvalidURL, OSError)
_CERTIFICATES = {
    9: (
        "its certificate is not valid yet",
        "timedatectl status   # is this clock right? else renew the certificate there",
    ),
    10: ("its certificate has expired", "renew the certificate there   # or, is this clock right? timedatectl status"),
    62: ("its certificate is for another name", "use the name that its certificate has"),
    64: ("its certificate is for another address", "use the name that its certificate has"),
}
"""OpenSSL's codes, in words, and how to mend that."""


def _why(error: BaseException, mend: str, *, trust: str) -> tuple[str, str]:
    """What kept an address from answering, and how to mend it: ``trust`` where nobody here vouches for its certificate, else ``mend``."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(seen.verify_code, ("nobody here vouches for its certificate", trust))
        if isinstance(seen, ssl.SSLError):
            return "what answers there does not speak TLS as it should", mend
        if isinstance(seen, socket.gaierror):
            return "its name is not known here", mend
        if isinstance(seen, ConnectionRefusedError):
            return "nothing listens there", mend
        if isinstance(seen, TimeoutError | httpx.TimeoutException):
            return f"no answer in {SECONDS:.0f} s", mend
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__, mend


_SERVICE_TRUST = "set [service] ca to the PEM file of the service's authority"


def check_service(place: Place) -> Iterator[Finding]:
    """Whether it answers at ``service.url``, is ready, and is the one of this store and version."""
    config = place.config
    url = config.service.url.rstrip("/")
    start = f"toolguard serve{place.option}" if place.serves else "start it where it runs: toolguard serve"
    try:
        check_transport(url)
    except ConfigError as wrong:
        yield fault("service.clear", said(wrong), "give the service a certificate and set [service] url to https://…")
        return
    if not place.online:
        return
    try:
        ca = config.service.ca
        status, headers, body = _get(f"{url}/readyz", tls_context(ca=None if ca is None else config.at(ca)))
    except _UNREACHABLE as wrong:
        level = fault if config.service.remote else warning
        why, mend = _why(wrong, start, trust=_SERVICE_TRUST)
        yield level("service.reachable", f"nothing answers at {url} ({why}), so calls that ask wait in vain", mend)
        return
    except ConfigError as wrong:
        yield fault("service.tls", said(wrong), _SERVICE_TRUST)
        return
    if status == 503 and isinstance(body, dict) and "code" in body:
        yield fault(
            "service.ready", f"the service at {url} is not ready", "look at its log: store, directory and tokens"
        )
        return
    if status != 200 or not isinstance(body, dict) or body.get("status") != "ready":
        yield fault(
            "service.stranger", f"what answers at {url} is no approval service (status {status})",
            f"end what listens there, or set [service] url to another port; then: {start}",
        )  # fmt: skip
        return
    yield fine("service.reachable", f"ready at {url}")
    yield from _same(place, body)
    yield from _clock(place, headers)


def _same(place: Place, body: Mapping[str, object]) -> Iterator[Finding]:
    store = None if place.config.service.remote else place.open()
    if store is not None and "store" in body and body["store"] != store_mark(store.epoch):
        yield fault(
            "service.store", "the service that answers works on another store than this configuration names",
            f"stop it, and start the one of this store: toolguard serve{place.option}",
        )  # fmt: skip
    ours, theirs = version("toolguard-middleware"), str(body.get("version", ""))
    if theirs and theirs != ours:
        shown = theirs if theirs.isascii() and len(theirs) < 40 and theirs.isprintable() else "another one"
        yield warning(
            "service.version", f"the service runs version {shown}, this is {ours}",
            f"pip install 'toolguard-middleware=={ours}'   # in both places, the service first",
        )  # fmt: skip


def _clock(place: Place, headers: Mapping[str, str]) -> Iterator[Finding]:
    try:
        there = email.utils.parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return
    off = place.now() - there
    if abs(off) > _CLOCK:
        yield fault(
            "clock.service", f"this machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the service's",
            "timedatectl set-ntp true   # on the machine that is wrong",
        )  # fmt: skip
    else:
        yield fine("clock.service", "this machine and the service agree on the time")


# --- identity providers --------------------------------------------------------------------------------


def check_oidc(place: Place) -> Iterator[Finding]:
    """Each ``[oidc.NAME]``: what it says, and what the provider publishes."""
    for name, settings in place.config.oidc.items():
        yield from _provider(place, name, settings)


def _provider(place: Place, name: str, settings: Mapping[str, Any]) -> Iterator[Finding]:
    where = f"[oidc.{name}]"
    try:
        checked = provider_settings(name, settings)
    except ConfigError as wrong:
        insecure = "'issuer' has to be https" in str(wrong)
        mend = "write the issuer as the provider says it" if insecure else "docs/oidc.md has every key"
        yield fault("oidc.issuer" if insecure else "oidc.settings", said(wrong), mend)
        return
    if checked.client_secret and not _held(place, checked.client_secret):
        held = repr(checked.client_secret)
        yield fault("oidc.secret", f"{where} client_secret: {held} holds nothing", f"set what {held} names")
    if place.online:
        yield from _published(place, where, checked.issuer)


def _published(place: Place, where: str, issuer: str) -> Iterator[Finding]:
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    host = urlsplit(issuer).hostname or ""
    try:
        status, _, body = _get(address)
    except (*_UNREACHABLE, ConfigError) as wrong:
        why, mend = _why(wrong, f"curl {shlex.quote(address)}",
                         trust="start the service with SSL_CERT_FILE=PEM_FILE that has its authority")  # fmt: skip
        yield fault("oidc.reachable", f"{where} the provider at {host!r} cannot be reached ({why})", mend)
        return
    if status != 200 or not isinstance(body, dict):
        yield fault("oidc.discovery", f"{where} {host!r} publishes no discovery document there (status {status})",
                    f"curl {shlex.quote(address)}   # and correct 'issuer'")  # fmt: skip
        return
    if body.get("issuer") != issuer:
        yield fault("oidc.issuer", f"{where} the provider calls itself by another name than 'issuer' says",
                    f"curl {shlex.quote(address)}   # and copy its \"issuer\" to the letter")  # fmt: skip
        return
    keys = body.get("jwks_uri")
    try:
        count = _keys(keys)
    except (*_UNREACHABLE, ConfigError):
        count = 0
    if count == 0:
        yield fault("oidc.keys", f"{where} the provider publishes no keys that can be read, so no token can be checked",
                    f"curl {shlex.quote(address)}   # and look at its jwks_uri")  # fmt: skip
        return
    yield fine("oidc.reachable", f"{where} {host} answers, issuer and {count} keys as they should be")


def _keys(address: object) -> int:
    if not isinstance(address, str):
        return 0
    check_transport(address)
    status, _, body = _get(address)
    found = body.get("keys") if isinstance(body, dict) else None
    return len(found) if status == 200 and isinstance(found, list) else 0


def _held(place: Place, reference: str) -> bool:
    if reference.startswith("env:"):
        return bool(os.environ.get(reference[4:]))
    try:
        return bool(place.config.at(reference.removeprefix("file:")).read_bytes().strip())
    except OSError:
        return False


# --- spans ---------------------------------------------------------------------------------------------


def check_spans(place: Place) -> Iterator[Finding]:
    """Where spans go, and whether the receiver takes an empty batch."""
    section = place.config.telemetry
    if section.spans != "otlp":
        yield fine("spans.off", _WHERE[section.spans])
        return
    try:
        target = _target(place.config)
    except ConfigError as wrong:
        yield fault("spans.settings", said(wrong), "docs/observability.md has every key of [telemetry]")
        return
    try:
        if not place.online:
            return
        answer = target.send([], timeout=SECONDS)
    except ConfigError as wrong:
        yield fault("spans.settings", said(wrong), "docs/observability.md has every key of [telemetry]")
        return
    finally:
        target.close()
    if answer.fate.value == "delivered":
        yield fine("spans.reachable", f"{target.name} takes spans")
    elif answer.reason.startswith("status") or "OTLP" in answer.reason:
        yield fault(
            "spans.refused", f"{target.name} does not take spans ({answer.reason}); they wait in the journal",
            "check [telemetry] endpoint and headers: it has to be an OTLP/HTTP receiver",
        )  # fmt: skip
    else:
        why, mend = _unsent(place.config, answer.reason)
        yield fault(
            "spans.reachable", f"{target.name} cannot be reached ({why}); spans wait in the journal until it can", mend
        )


def _unsent(config: Config, reason: str) -> tuple[str, str]:
    """Why the receiver could not be reached, by knocking there once more; what was said before where it opens now."""
    start = "docker run -p 16686:16686 -p 4318:4318 jaegertracing/jaeger   # or set [telemetry] endpoint"
    url = urlsplit(config.telemetry.endpoint)
    try:
        with socket.create_connection(
            (url.hostname or "", url.port or (443 if url.scheme == "https" else 80)), SECONDS
        ) as plain:
            if url.scheme == "https":
                _tls(config).wrap_socket(plain, server_hostname=url.hostname).close()
    except (OSError, ValueError) as wrong:
        return _why(wrong, start, trust="set [telemetry] ca to the PEM file of its authority")
    return reason, start


_WHERE = {
    "off": "spans are off; the journal has everything",
    "tracer": "spans go to the application's own tracer",
    "journal": "another process on this store delivers the spans",
}


def _target(config: Config) -> Target:
    section = config.telemetry
    headers = header_values(section.headers, at=config.at)
    headers()

    return Target(
        section.endpoint,
        headers=headers,
        tls=_tls(config),
        compress=section.compression == "gzip",
        timeout=SECONDS,
    )


def _tls(config: Config) -> ssl.SSLContext:
    section = config.telemetry

    def at(path: str | None) -> Path | None:
        return None if path is None else config.at(path)

    return tls_context(ca=at(section.ca), certificate=at(section.certificate), key=at(section.key))
