"""What one of several processes does with a shared vault: run with the file, the key, its number and how much to do."""

import json
import sys

from toolguard._core.vault import Namespace, Need
from toolguard.keys import KeyRing, SecretKey
from toolguard.ports import SessionKey
from toolguard.stores import open_store

KEY = SessionKey(tenant="general", session="shared")


def needs(worker: int, count: int) -> list[Need]:
    """Half of them are everybody's, half are this worker's own; some are the model's."""
    shared = [Need(type="PERSON", text=f"Person {n}") for n in range(count)]
    spelled = [Need(type="PERSON", text=f"PERSON {n}") for n in range(0, count, 5)]
    own = [Need(type="MRN", text=f"{worker}-{n}") for n in range(count)]
    model = [Need(type="PERSON", text=f"Person {n}", namespace=Namespace.MODEL) for n in range(0, count, 3)]
    return [*shared, *spelled, *own, *model]


def main() -> None:
    path, line, worker, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    store = open_store(f"sqlite:///{path}")
    sealer = KeyRing([SecretKey.parse(line)]).sealer(KEY.tenant)
    wanted = needs(worker, count)
    wanted = wanted[worker * 7 % len(wanted) :] + wanted[: worker * 7 % len(wanted)]
    got: dict[str, str] = {}
    for at in range(0, len(wanted), 11):
        tokens = store.allocate(KEY, wanted[at : at + 11], sealer)
        got |= {json.dumps([n.type, n.text, n.namespace.value]): str(t) for n, t in tokens.items()}
        assert all(store.values(KEY, sealer, [t])[t] == n.text for n, t in tokens.items())
    store.close()
    print(json.dumps(got))


if __name__ == "__main__":
    main()
