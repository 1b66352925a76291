"""
Ready answers over restarts: pages as they were rendered and compressed, of which a daemon that starts again has to make none anew.

The index is asked as always; what it says now decides whether what was kept is that. Only plain pages are kept: of documents with an address in them and
of what is seen at some moment there are as many as anybody cares to ask for.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import orjson

from pypidaemon.flights import Flights
from pypidaemon.rendered import Rendered
from pypidaemon.simple.negotiation import Representation
from pypidaemon.web.answers import Answer, AnswerKey, State

MOST_WAITING = 500
"""Answers that wait to be written down; of more the next start knows nothing."""
_FORMS = frozenset(form.value for form in Representation)


def takes(key: AnswerKey) -> bool:
    """Whether answers of that key are kept."""
    return key.form in _FORMS and not key.view


@attrs.define(eq=False)
class AnswerFiles:
    """Answers by their key; of each key the one that was made last."""

    place: Rendered
    flights: Flights[str, None] = attrs.field(factory=Flights, init=False)
    _waiting: dict[AnswerKey, Answer] = attrs.field(factory=dict, init=False, repr=False)

    async def recall(self, key: AnswerKey, state: State) -> Answer | None:
        """The answer of that key that was made of the same; None where none was kept."""
        data = await self.place.find(_name(key)) if takes(key) else None
        return None if data is None else unpacked(data, state)

    def save(self, key: AnswerKey, answer: Answer) -> None:
        """Keep that answer with the codings it has now, as soon as the disk takes it; nobody waits for that."""
        if takes(key) and (key in self._waiting or len(self._waiting) < MOST_WAITING):
            self._waiting[key] = answer
            self.flights.start("", self._write)

    async def _write(self) -> None:
        while self._waiting:
            key = next(iter(self._waiting))
            answer = self._waiting.pop(key)
            await self.place.keep(_name(key), packed(answer))


def _name(key: AnswerKey) -> str:
    return f"answer\n{key.index}\n{key.project}\n{key.form}\n{key.visibility}\n{key.part}"


def packed(answer: Answer) -> bytes:
    """An answer as bytes: one line of what it is, then its bodies."""
    bodies = tuple(answer.bodies.items())
    what = [*_made_of(answer.state), answer.content_type, answer.tag, answer.length, [(coding, len(body)) for coding, body in bodies]]
    return b"".join((orjson.dumps(what), b"\n", *(body for _, body in bodies)))


def unpacked(data: bytes, state: State) -> Answer | None:
    """The answer that was packed, in that state; None where it was made of something else."""
    end = data.index(b"\n")
    revision, serial, sources, held, content_type, tag, length, sizes = orjson.loads(data[:end])
    if [revision, serial, sources, held] != _made_of(state):
        return None
    bodies: dict[str, bytes] = {}
    start = end + 1
    for coding, size in sizes:
        bodies[coding] = data[start : start + size]
        start += size
    return Answer(state, content_type, tag, length, bodies)


def _made_of(state: State) -> Sequence[object]:
    return [state.revision, state.serial, list(state.sources), state.held]
