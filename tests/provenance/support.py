"""One way to tell a conversation and to ask of one value where it came from."""

from toolguard._core.conversation import Conversation
from toolguard._core.provenance import Aim, Aimed, CameFrom

PLACE, THING, SECRET, AMOUNT, COMMAND, TEXT = (
    Aim.PLACE,
    Aim.THING,
    Aim.SECRET,
    Aim.AMOUNT,
    Aim.COMMAND,
    Aim.TEXT,
)
USER, SYSTEM, LINKED, RESULT, MODEL = (
    CameFrom.USER,
    CameFrom.SYSTEM,
    CameFrom.LINKED,
    CameFrom.RESULT,
    CameFrom.MODEL,
)


def conversation(user=(), system=(), results=(), records=()):
    told = Conversation()
    for texts, came in ((user, USER), (system, SYSTEM), (results, RESULT)):
        for text in [texts] if isinstance(texts, str) else texts:
            told.tell(text, came)
    for record in records:
        told.tell(record, RESULT, records=True)
    return told


def traced(told, value, aim=PLACE, name="to", **more):
    (found,) = told.trace([(Aimed(path=(name,), aim=aim, name=name, **more), value)]).traced
    return found


def came(told, value, aim=PLACE, name="to"):
    return traced(told, value, aim, name).came
