"""What a pack says of the content of its samples: whether it is kept, or was redacted, by the period's end."""

from __future__ import annotations

import csv
import io

from audit_keep.place import WHY, Place
from toolguard.evidence import Pack, Sampling, build_pack
from toolguard.keys import NoteSigner, Purpose, SecretKey
from toolguard.population import Population, read_period
from toolguard.testing.store_contract import START


def pack_of(place: Place) -> Pack:
    key = SecretKey.generate(Purpose.AUDIT)
    period = read_period(place.store, since=START - 1.0, until=START + 1000.0)
    return build_pack(Population(period), NoteSigner(key), anchors=(), sampling=Sampling(seed="s", n=10), by="Rena")


def said(pack: Pack) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(pack.members["samples/samples.csv"].decode("utf-8-sig")))
    return {row["call"]: row["content"] for row in rows}


def test_each_sample_says_what_became_of_its_content(disk: Place) -> None:
    kept, redacted, partly = disk.call(), disk.call(run="run-2"), disk.call(run="run-3")
    none = disk.call(keep=False, run="run-4")
    disk.redact(redacted)
    first = disk.named(partly)[0]
    proposed = disk.authority.propose_redaction(
        disk.chen, scope="record", target=f"{first.log_id}:{first.seq}", reason=WHY
    )
    disk.authority.confirm_redaction(disk.okafor, proposed.id, reason=WHY)
    assert said(pack_of(disk)) == {kept: "kept", redacted: "redacted", partly: "partly redacted", none: "none"}
