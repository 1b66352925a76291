"""How many examples Hypothesis tries: as many as a change has to wait for, or many times that where somebody has a night to spare."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

USUAL = 25
"""Of a test that says nothing else."""
# One contract method is run by several subclasses on purpose, which is what `differing_executors` warns of.
_ALLOWED = [HealthCheck.too_slow, HealthCheck.differing_executors]


def register() -> None:
    """Have the profiles known, and load the usual one; `--hypothesis-profile=thorough` takes the other before any test is read."""
    settings.register_profile("house", max_examples=USUAL, deadline=None, suppress_health_check=_ALLOWED)
    settings.register_profile("thorough", settings.get_profile("house"), max_examples=40 * USUAL)
    settings.load_profile("house")


def examples(usual: int) -> int:
    """The number of a test that has one of its own, which grows as the others do."""
    return usual * settings().max_examples // USUAL
