"""What those settings mean that several kinds of upstreams share, said once."""

from __future__ import annotations

MIRRORS = "URLs of other indexes with the same projects, in order, that stand in while this one cannot be asked"
FILE_MIRRORS = (
    "URLs below which other hosts have the same files under the same paths, in order, asked where the page's own URL does not help"
)
SIGN_OF_LIFE = (
    "for how long an answer vouches for the index, 30s at least; who asks for a page after that waits up to 0.3 s for another, so that it does not list "
    "what cannot be had any more; 0s is for good"
)
