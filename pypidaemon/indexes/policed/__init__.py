"""Indexes seen through rules: those of policies, and what was ordered while the daemon runs."""

from pypidaemon.indexes.policed.as_of import AsOf as AsOf
from pypidaemon.indexes.policed.barred import Barred as Barred
from pypidaemon.indexes.policed.index import Policed as Policed
