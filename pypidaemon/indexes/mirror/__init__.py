"""The mirror: an index that has what was chosen before anybody asks, and asks nobody when somebody does."""

from pypidaemon.indexes.mirror.index import Mirror as Mirror
