"""
A scriptable package index for tests: of this daemon, of its components, and of whatever else installs packages.

Nothing in the daemon uses it, and it uses nothing of the daemon's, so that a fault here and one there never cancel out.
"""

from pypidaemon.testing.archives import make_sdist as make_sdist
from pypidaemon.testing.archives import make_wheel as make_wheel
from pypidaemon.testing.faults import Fault as Fault
from pypidaemon.testing.index import TestIndex as TestIndex
from pypidaemon.testing.serving import Served as Served
from pypidaemon.testing.serving import listen as listen
