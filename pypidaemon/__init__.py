"""A way around the Python Package Index: index, caching proxy, mirror and private store in one daemon."""

__version__ = "0.1.0"
