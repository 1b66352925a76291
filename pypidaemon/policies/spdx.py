"""Licence expressions (PEP 639), and what the old ways of naming a licence say for certain."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from packaging.licenses import canonicalize_license_expression

LONGEST_EXPRESSION = 500
"""Characters of an expression that is read; a longer text is none."""

CLASSIFIERS = {
    "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.0 (MPL)": "MPL-1.0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}
"""What the licence classifiers that mean one licence mean in SPDX."""

_BINDS = {"OR": 1, "AND": 2}


@lru_cache(maxsize=1 << 12)
def canonical(text: str) -> str | None:
    """The expression in its one spelling; None where the text is no licence expression."""
    if len(text) > LONGEST_EXPRESSION:
        return None
    try:
        return canonicalize_license_expression(text)
    except ValueError:
        return None


def holds(expression: str, acceptable: Callable[[tuple[str, ...]], bool]) -> bool:
    """
    Whether an expression in its one spelling can be complied with: of `OR` one branch, of `AND` all.

    `acceptable` is asked about each licence by all its names: `Apache-2.0+` is also `Apache-2.0`, and `GPL-2.0-only WITH Classpath-exception-2.0`
    is also `GPL-2.0-only`, of which it allows more.
    """
    # `AND` binds closer than `OR`; with two stacks no depth of parentheses is too deep.
    values: list[bool] = []
    operators: list[str] = []
    words = expression.replace("(", " ( ").replace(")", " ) ").split()
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word == "(":
            operators.append(word)
        elif word == ")":
            while operators[-1] != "(":
                _apply(values, operators)
            operators.pop()
        elif word in _BINDS:
            while operators and _BINDS.get(operators[-1], 0) >= _BINDS[word]:
                _apply(values, operators)
            operators.append(word)
        else:
            excepted = words[place + 1] if words[place : place + 1] == ["WITH"] else None
            place += 2 if excepted is not None else 0
            values.append(acceptable(_names(word, excepted)))
    while operators:
        _apply(values, operators)
    return values[0]


def classified(classifier: str) -> tuple[str, ...]:
    """
    All names of the licence that a classifier `License :: ...` names: the whole, its last part, and the SPDX identifier where that is certain.

    None at all where it is about something else, or names no licence.
    """
    parts = [part.strip() for part in classifier.split("::")]
    if parts[0] != "License" or parts[1:] in ([], ["OSI Approved"]):
        return ()
    identifier = CLASSIFIERS.get(parts[-1])
    return (classifier, parts[-1], *([identifier] if identifier is not None else []))


def _names(licence: str, excepted: str | None) -> tuple[str, ...]:
    names = (licence, licence.removesuffix("+")) if licence.endswith("+") else (licence,)
    return names if excepted is None else (f"{licence} WITH {excepted}", *names)


def _apply(values: list[bool], operators: list[str]) -> None:
    last = values.pop()
    values[-1] = (values[-1] and last) if operators.pop() == "AND" else (values[-1] or last)
