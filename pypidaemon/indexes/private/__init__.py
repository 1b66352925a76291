"""The private index: packages whose only home is here."""

from pypidaemon.indexes.private.index import Private as Private
