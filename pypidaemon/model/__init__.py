"""
The values that travel between the parts: frozen, without behaviour of their own beyond reading themselves.

A value that has passed the gate (`pypidaemon.filenames`) has a type of its own, so that an unchecked string where a checked one
belongs is a type error and not a hole.
"""

from pypidaemon.model.explanations import Explanation as Explanation
from pypidaemon.model.explanations import HiddenFile as HiddenFile
from pypidaemon.model.explanations import Outcome as Outcome
from pypidaemon.model.explanations import Refusal as Refusal
from pypidaemon.model.hosted import Earlier as Earlier
from pypidaemon.model.hosted import Entered as Entered
from pypidaemon.model.hosted import FileRecord as FileRecord
from pypidaemon.model.hosted import Inspected as Inspected
from pypidaemon.model.hosted import OnRecord as OnRecord
from pypidaemon.model.hosted import Published as Published
from pypidaemon.model.hosted import Settled as Settled
from pypidaemon.model.hosted import Standing as Standing
from pypidaemon.model.hosted import Upload as Upload
from pypidaemon.model.mirrors import Leaving as Leaving
from pypidaemon.model.mirrors import Mirrored as Mirrored
from pypidaemon.model.mirrors import Progress as Progress
from pypidaemon.model.mirrors import Waiting as Waiting
from pypidaemon.model.names import Companion as Companion
from pypidaemon.model.names import Digest as Digest
from pypidaemon.model.names import Filename as Filename
from pypidaemon.model.names import InThread as InThread
from pypidaemon.model.names import NormalizedName as NormalizedName
from pypidaemon.model.names import P as P
from pypidaemon.model.names import T as T
from pypidaemon.model.orders import Downloads as Downloads
from pypidaemon.model.orders import Fetch as Fetch
from pypidaemon.model.orders import Ruling as Ruling
from pypidaemon.model.orders import RulingKind as RulingKind
from pypidaemon.model.orders import Withdrawn as Withdrawn
from pypidaemon.model.pages import Attested as Attested
from pypidaemon.model.pages import Change as Change
from pypidaemon.model.pages import Described as Described
from pypidaemon.model.pages import File as File
from pypidaemon.model.pages import Knowledge as Knowledge
from pypidaemon.model.pages import Listed as Listed
from pypidaemon.model.pages import ProjectList as ProjectList
from pypidaemon.model.pages import ProjectPage as ProjectPage
from pypidaemon.model.pages import ProjectStatus as ProjectStatus
from pypidaemon.model.pages import Stretches as Stretches
from pypidaemon.model.people import ACTIONS as ACTIONS
from pypidaemon.model.people import Deed as Deed
from pypidaemon.model.people import Grant as Grant
from pypidaemon.model.people import Token as Token
from pypidaemon.model.people import User as User
from pypidaemon.model.upstream import AWAY as AWAY
from pypidaemon.model.upstream import Fact as Fact
from pypidaemon.model.upstream import NotModified as NotModified
from pypidaemon.model.upstream import Outage as Outage
from pypidaemon.model.upstream import Remembered as Remembered
from pypidaemon.model.upstream import RememberedNames as RememberedNames
from pypidaemon.model.upstream import Replaced as Replaced
from pypidaemon.model.upstream import UpstreamNames as UpstreamNames
from pypidaemon.model.upstream import UpstreamPage as UpstreamPage
from pypidaemon.model.upstream import Validators as Validators
from pypidaemon.model.uses import KeptPage as KeptPage
from pypidaemon.model.uses import Pin as Pin
from pypidaemon.model.uses import Use as Use
from pypidaemon.model.uses import UsedProject as UsedProject
