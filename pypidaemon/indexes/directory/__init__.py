"""A plain folder of distributions as an index."""

from pypidaemon.indexes.directory.index import Directory as Directory
