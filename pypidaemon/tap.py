"""What twistd asks for: the options of `twistd pypidaemon` and the service that they describe."""

from __future__ import annotations

import os
from collections.abc import Mapping

from twisted.application.service import IService
from twisted.python import usage

from pypidaemon.blueprints import Plan, plan
from pypidaemon.errors import ConfigError

PLACES = ("etc/config.ini", "/etc/pypidaemon/config.ini")
"""Where the configuration is looked for when nobody names it: first below the working directory."""


def configuration_file(named: str | None, environment: Mapping[str, str]) -> str:
    """
    Which file to read: the one named, else `$PYPIDAEMON_CONFIG`, else the first of `PLACES` that exists.

    Where none exists it is the first place, so that the message about it names a place to put one.
    """
    if named:
        return named
    return environment.get("PYPIDAEMON_CONFIG") or next((place for place in PLACES if os.path.exists(place)), PLACES[0])


class Options(usage.Options):
    """The command line of `twistd pypidaemon`; `plan` is there once it has been parsed."""

    synopsis = "[-c FILE]"
    longdesc = "A Python package index in one daemon; see pypidaemon --help for commands that work beside it."
    optParameters = (("config", "c", None, "The configuration file: else $PYPIDAEMON_CONFIG, etc/config.ini, /etc/pypidaemon/config.ini."),)
    plan: Plan

    def postOptions(self) -> None:
        """
        Read and check the whole configuration before anything forks, binds or opens.

        :raises usage.UsageError: one line that says what is wrong with it.
        """
        try:
            self.plan = plan(configuration_file(self["config"], os.environ))
        except ConfigError as error:
            # The fault is not in the command line, so how to use it is no help: twistd prints this text before the line.
            self.longdesc = ""
            raise usage.UsageError(str(error)) from None


def makeService(options: Options) -> IService:
    """
    The daemon, not yet started.

    :raises SystemExit: a component could not be made; the line says which.
    """
    from twisted.internet import reactor

    from pypidaemon.assembly import build

    try:
        return build(options.plan, reactor)
    except ConfigError as error:
        raise SystemExit(f"pypidaemon: {error}") from error
