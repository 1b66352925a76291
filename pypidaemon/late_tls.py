"""
Twisted without TLS until somebody needs it, since OpenSSL and what stands around it are a sixth of an idle daemon's memory.

Twisted can do without pyOpenSSL, and looks for it once, when the modules are imported that could use it. Here it is let to find none. Whoever needs
TLS later imports `twisted.protocols.tls` and `twisted.internet.ssl`, which are whole then; what stays as it was is `ssl:` endpoints, `reactor.connectSSL`
and the like, and `startTLS`.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from typing import cast

_LOOKING = ("twisted.internet.posixbase", "twisted.internet.endpoints", "twisted.web.client")
"""The modules of Twisted that look for it, by name or by what they import; `tests/test_late_tls.py` notices when there are more."""
_WANTED = "OpenSSL"
_PLAIN = re.compile(r"(?:tcp6?|unix|systemd):")


def put_off() -> None:
    """Load Twisted without TLS, where neither is loaded yet."""
    if _WANTED in sys.modules or "twisted.internet.tcp" in sys.modules:
        return
    # What stands there is what any import of it takes, and None says that there is nothing to import (the language reference, 5.3.1).
    modules = cast("dict[str, object]", sys.modules)
    modules[_WANTED] = None
    try:
        for name in _LOOKING:
            importlib.import_module(name)
    finally:
        del modules[_WANTED]


def is_put_off(modules: Mapping[str, object] = sys.modules) -> bool:
    """Whether Twisted was loaded without TLS, so that what it does of itself with TLS cannot be had in this process."""
    endpoints = modules.get("twisted.internet.endpoints")
    return endpoints is not None and getattr(endpoints, "TLSMemoryBIOFactory", None) is None


def is_plain(description: str) -> bool:
    """Whether what listens at that endpoint description speaks no TLS."""
    return _PLAIN.match(description) is not None
