"""`python -m pypidaemon`, and what the `pypidaemon` script calls."""

from __future__ import annotations

import sys

from pypidaemon.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
