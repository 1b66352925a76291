"""The manual page, in the macros of man(7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pypidaemon.commands.grammar import Verb, Word
from pypidaemon.configuration import PLACES

COMMON = ("--help", "--config", "--json")
"""Options of every verb, which are told of once."""


def page(verbs: Sequence[Verb]) -> str:
    """The page about all of these verbs."""
    return "\n".join(_lines(verbs)) + "\n"


def _lines(verbs: Sequence[Verb]) -> Iterator[str]:
    leaves = [one for verb in verbs for one in verb.all() if not one.verbs]
    yield ".TH PYPIDAEMON 1"
    yield ".SH NAME"
    yield r"pypidaemon \- a Python package index in one daemon, and the commands that work beside it"
    yield ".SH SYNOPSIS"
    yield ".B pypidaemon"
    yield r".I VERB"
    yield r"[\fIoptions\fR] [\fIarguments\fR]"
    yield ".SH DESCRIPTION"
    yield _text(
        "A caching proxy of the Python Package Index, mirrors on a schedule and packages of your own, behind one address. What there is stands in"
        " a configuration file. Every verb works beside a running daemon, and where that makes sense without one."
    )
    yield ".SH OPTIONS OF EVERY VERB"
    yield from (line for word in leaves[0].options if word.names[-1] in COMMON for line in _tagged(word))
    yield ".SH VERBS"
    for verb in leaves:
        yield from _verb(verb)
    yield ".SH EXIT STATUS"
    for status, meaning in (("0", "Done."), ("1", "Something was found, or failed."), ("2", "Wrong usage.")):
        yield from (".TP", f".B {status}", meaning)
    yield ".PP"
    yield _text("A failure is one line on standard error, which with --json is told in the object on standard output, too.")
    yield ".SH ENVIRONMENT"
    yield from (".TP", ".B PYPIDAEMON_CONFIG", _text("The configuration, where --config does not name one."))
    yield ".SH FILES"
    for place, meaning in zip(PLACES, ("In the folder that one is in.", "Where the first is not."), strict=True):
        yield from (".TP", f".I {_text(place)}", _text(f"The configuration, where nothing names one. {meaning}"))
    yield ".SH SEE ALSO"
    yield ".BR twistd (1),"
    yield ".BR pip (1)"


def _verb(verb: Verb) -> Iterator[str]:
    own = [word for word in verb.options if word.names[-1] not in COMMON]
    yield f'.SS "pypidaemon {_text(verb.name)}"'
    yield rf"\fBpypidaemon {_text(verb.name)}\fR {' '.join(map(_usage, [*own, *verb.arguments]))}".rstrip()
    yield ".PP"
    yield _sentence(verb.description or verb.help)
    for word in (*verb.arguments, *own):
        yield from _tagged(word)
    if verb.exits:
        yield ".PP"
        yield _sentence(verb.exits)


def _usage(word: Word) -> str:
    value = rf"\fI{_text(word.metavar)}\fR" if word.metavar else ""
    said = " ".join(filter(None, [rf"\fB{_text(word.names[-1])}\fR" if word.names else "", value]))
    return (said if word.needed else f"[{said}]") + (" ..." if word.many else "")


def _tagged(word: Word) -> Iterator[str]:
    yield ".TP"
    value = rf"\fI{_text(word.metavar)}\fR" if word.metavar else ""
    yield ", ".join(" ".join(filter(None, [rf"\fB{_text(name)}\fR", value])) for name in word.names) or value
    yield _sentence(word.help)


def _sentence(text: str) -> str:
    """A line of help as a sentence."""
    plain = " ".join(text.split())
    begun = plain if plain[1:2].isupper() or not plain[:1].islower() else plain[:1].upper() + plain[1:]
    return _text(begun if begun.endswith(".") or not begun else f"{begun}.")


def _text(text: str) -> str:
    """Text that stays as it is: a backslash begins nothing, a hyphen is that of the keyboard, and a dot or quote at the beginning makes no request."""
    kept = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return rf"\&{kept}" if kept[:1] in (".", "'") else kept
