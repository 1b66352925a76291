"""Indexes filled before anybody asks, on a schedule or when somebody says so."""

from pypidaemon.services.mirroring.service import Mirroring as Mirroring
