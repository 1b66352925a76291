"""Every bound on what an upstream may make us wait for or hold, in one place and with its reason."""

from __future__ import annotations

import attrs


@attrs.frozen
class Limits:
    """
    The bounds of one upstream; times in seconds, sizes in bytes. Not configurable: tests shrink them.

    `connect` is for one address; a dead one must not hold up a living one (F34, F41). `head` is from sending a request to the end
    of the response head (F32, F39). `page` is for a whole project page. `idle` is the longest silence within a body that somebody
    reads (F31): what stalls is taken up over another connection, and that has to be before pip gives up, which waits for 15. `slowest` bytes
    a second over `window` seconds of waiting is the least that is worth it (F30). `waiting` is how much of a body may lie unread before its
    connection is paused.

    `page_size` is the largest page, decoded: the largest known one is 10 MiB, and no page may cost more than 32 (F29, F18). `ratio` is the highest compression that is
    believed once more than `ratio_from` bytes came out; real pages reach 20 (S53). `redirects` as S50. Pages and bodies have
    separate shares of the connections, so that long downloads never hold up a page (R210); nobody waits longer than `queue` for a body's. Reading a page smaller than
    `thread_from` takes less time than handing it to a thread.
    """

    connect: float = 3.0
    head: float = 10.0
    page: float = 60.0
    idle: float = 10.0
    slowest: int = 1024
    window: float = 30.0
    waiting: int = 1 << 20
    page_size: int = 20 << 20
    ratio: int = 100
    ratio_from: int = 1 << 20
    redirects: int = 5
    pages_at_once: int = 10
    bodies_at_once: int = 16
    queue: float = 30.0
    thread_from: int = 32 << 10
