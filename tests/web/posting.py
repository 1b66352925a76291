"""A small body sent to a house's door, as the skin passes one on."""

from __future__ import annotations

import base64
import json
from typing import Any

from pypidaemon.errors import PypidaemonError
from pypidaemon.web import failures
from pypidaemon.web.reply import Reply
from tests.gear import now
from tests.house import House


def basic(token: str) -> str:
    """The credentials of a token."""
    return "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()


def send(house: House, path: str, body: bytes, kind: str, token: str | None = None, **headers: str) -> Reply:
    """POST that; what the door raises is answered by its table."""
    if token is not None:
        headers["authorization"] = basic(token)
    ask = house.ask(path, "POST", content_type=kind, **headers)
    try:
        taking: Any = house.door.receive(ask)
        if taking is None:
            return now(house.door.routes.handle(ask))
        receiver = now(taking)
        if isinstance(receiver, Reply):
            return receiver
        now(receiver.write(body))
        return now(receiver.finish())
    except PypidaemonError as error:
        return failures.answer(error, ask.id, taking is not None)


def order(house: House, verb: str, token: str | None = None, **fields: Any) -> tuple[int, Any]:
    """Give an order about releases; its status, and its answer, which is a line where it was refused."""
    reply = send(house, f"/+api/releases/{verb}", json.dumps(fields).encode(), "application/json", token)
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode().splitlines()[0]


def look(house: House, path: str, token: str | None = None, **headers: str) -> Reply:
    """GET that; what the door raises is answered by its table."""
    if token is not None:
        headers["authorization"] = basic(token)
    try:
        return house.get(path, **headers)
    except PypidaemonError as error:
        return failures.answer(error, "0" * 16, path.startswith("/packages"))
