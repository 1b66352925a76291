"""What can be known of an archive without unpacking it, and which archives are fit to be taken. Pure: bytes in, facts or one line out."""

from pypidaemon.archives.sidecars import BadArchive as BadArchive
from pypidaemon.archives.sidecars import wheel_metadata as wheel_metadata
