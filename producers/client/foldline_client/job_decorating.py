"""Decorates functions so that each call is a job."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from foldline_client.monitored import Monitored

P = ParamSpec("P")
R = TypeVar("R")


def decorated(function: Callable[P, R], make: "Callable[[], Monitored]") -> Callable[P, R]:
    """Return `function` with each call inside a job from `make`. Raises TypeError for generators."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{function.__name__} is a generator function, and a call of it does not run it: "
            "use `with` inside the function"
        )
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            async with make():
                return await function(*args, **kwargs)

        return cast(Callable[P, R], awaited)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        with make():
            return function(*args, **kwargs)

    return called
