"""What requests are called: in the answer, in the log, and by whoever asks us about one."""

from __future__ import annotations

from collections.abc import Callable

import attrs

AT_ONCE = 256
"""Names that are made of one draw of random bytes: a draw is a call of the system, and half a microsecond of every request."""
_BYTES = 8


@attrs.define(eq=False)
class RequestIds:
    """
    A name for each request: 16 hexadecimal digits, which nobody can guess from others.

    A process that is forked goes on with the names of its parent; ours never are once they answer.

    :param random: gives that many random bytes, as `os.urandom`.
    """

    random: Callable[[int], bytes]
    at_once: int = AT_ONCE
    _drawn: list[str] = attrs.field(factory=list, init=False, repr=False)

    def next(self) -> str:
        """Another one."""
        if not self._drawn:
            digits = self.random(self.at_once * _BYTES).hex()
            self._drawn = [digits[end - 2 * _BYTES : end] for end in range(len(digits), 0, -2 * _BYTES)]
        return self._drawn.pop()
