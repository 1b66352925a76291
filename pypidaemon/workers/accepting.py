"""Sharing a socket fairly: whoever is woken by it takes one connection and lets the others have theirs."""

from __future__ import annotations

from typing import Any


def one_by_one(port: Any) -> None:
    """
    Have that port of Twisted's accept one connection in each turn of the reactor; of itself it takes ever more at once, where many come.

    Of Twisted this relies on: `doRead` accepts `numberAccepts` at most.
    """
    accept = type(port).doRead

    def accept_one() -> None:
        port.numberAccepts = 1
        accept(port)

    port.doRead = accept_one
