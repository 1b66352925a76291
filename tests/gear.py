"""What tests use to run coroutines without a reactor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


def later(coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Start a coroutine and give its Deferred, to be looked at when the test has moved the world on."""
    return Deferred.fromCoroutine(coroutine)


def now(coroutine: Coroutine[Any, Any, T] | Deferred[T]) -> T:
    """Give the result of a coroutine that needs to wait for nothing, raise what it raises, or fail where it would wait."""
    deferred = coroutine if isinstance(coroutine, Deferred) else later(coroutine)
    results: list[Any] = []
    deferred.addBoth(results.append)
    if not results:
        raise AssertionError("the coroutine is still waiting for something")
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]  # the Deferred is typed, its callbacks are not


async def inline(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """The `InThread` of tests: runs the function here and now."""
    return function(*args, **kwargs)


def waiting(deferred: Deferred[Any]) -> bool:
    """Whether that Deferred has no result yet."""
    return not deferred.called or bool(deferred.paused)


Anything = Awaitable[Any]
