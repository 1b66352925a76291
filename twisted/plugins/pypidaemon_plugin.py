"""Tells twistd of the `pypidaemon` command. Every twistd on the machine imports this file, so it imports next to nothing."""

from twisted.application.service import ServiceMaker

pypidaemon = ServiceMaker("pypidaemon", "pypidaemon.tap", "A Python package index: caching proxy with policies.", "pypidaemon")
