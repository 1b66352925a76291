"""The contract of policies, over every policy there is."""

from __future__ import annotations

from pypidaemon.model import NormalizedName
from pypidaemon.policies.classifiers import Classifiers
from pypidaemon.policies.exemptions import exemptions
from pypidaemon.policies.filenames import Filenames
from pypidaemon.policies.freeze import Freeze
from pypidaemon.policies.kinds import Kinds
from pypidaemon.policies.licences import Licences
from pypidaemon.policies.maximum_age import MaximumAge
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.names import Names
from pypidaemon.policies.newest import Newest
from pypidaemon.policies.platforms import Platforms
from pypidaemon.policies.pre_releases import PreReleases
from pypidaemon.policies.pythons import Pythons
from pypidaemon.policies.requirement_files import Named, Wanted
from pypidaemon.policies.requirements import Requirements
from pypidaemon.policies.sizes import Sizes
from pypidaemon.policies.statuses import Statuses
from pypidaemon.policies.versions import Versions, bounds
from pypidaemon.policies.yanked import Yanked
from pypidaemon.rulings import Rulings
from pypidaemon.settings import Lines
from pypidaemon.versions import SpecifierSet
from tests.contracts.policy import InformedPolicyContract, PagePolicyContract, PolicyContract


class TestNames(PolicyContract):
    policy = Names("names", allow=("a*", "b*"), deny=("*z",))


class TestNamesWithoutRules(PolicyContract):
    policy = Names("names")


class TestFreeze(PolicyContract):
    policy = Freeze("freeze", 1_770_000_000.0)


class TestFreezeThatShowsTheUnknown(PolicyContract):
    policy = Freeze("freeze", 1_770_000_000.0, "show")


class TestMinimumAge(InformedPolicyContract):
    policy = MinimumAge("cooldown", Rulings(), 259_200.0)


class TestMinimumAgeWithExemptions(InformedPolicyContract):
    policy = MinimumAge("cooldown", Rulings(), 1e9, exemptions("a* b==1.0 publisher:github:acme/*"), "show")


class TestNamesOfExpressions(PolicyContract):
    policy = Names("names", allow_regex=("[a-m].*",), deny_regex=(".*[0-9]",))


class TestFilenames(PolicyContract):
    policy = Filenames("filenames", allow=("*.whl", "*.zip"), deny_regex=(r".*[0-9]rc.*",))


class TestVersions(PolicyContract):
    policy = Versions("versions", allow=bounds("a* >=1 b* <5"), deny=bounds("* ==2.*"))


class TestPreReleases(PolicyContract):
    policy = PreReleases("pre", exempt=("a*",))


class TestNewest(PagePolicyContract):
    policy = Newest("newest", 2, ("a*",))


class TestKinds(PolicyContract):
    policy = Kinds("kinds", allow=("sdist", "bdist_wheel"), deny=("sdist",))


class TestPlatforms(PolicyContract):
    policy = Platforms("platforms", allow=("linux", "macos"), deny=("*_i686",))


class TestPythons(PolicyContract):
    policy = Pythons("pythons", ("3.11", "3.14t"))


class TestSizes(PolicyContract):
    policy = Sizes("sizes", 2**40, 1000, "hide")


class TestMaximumAge(PolicyContract):
    policy = MaximumAge("age", 1e9)


class TestMaximumAgeThatHidesTheUnknown(PolicyContract):
    policy = MaximumAge("age", 0.5, "hide")


class TestYanked(PolicyContract):
    policy = Yanked("yanked", ("a*",))


class TestStatuses(PagePolicyContract):
    policy = Statuses("statuses", ("archived", "quarantined"))


class TestLicences(InformedPolicyContract):
    policy = Licences("licences", Lines(["MIT", "BSD*"]), Lines(["GPL-*"]), "hide")


class TestClassifiers(InformedPolicyContract):
    policy = Classifiers("classifiers", Lines(["License ::*"]), Lines(["Private ::*"]))


class TestRequirements(PolicyContract):
    policy = Requirements(
        "requirements",
        Named((), {NormalizedName(letter): (Wanted(SpecifierSet(">=1")),) for letter in "abcdefghijklm"}, {}, ""),
        ("n*", "o*", "p*"),
    )
