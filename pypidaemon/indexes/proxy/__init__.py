"""The proxy: an index whose truth is an upstream, fetched when somebody asks and kept."""

from pypidaemon.indexes.proxy.index import Proxy as Proxy
