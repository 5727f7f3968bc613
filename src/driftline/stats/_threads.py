"""One BLAS thread for small linear algebra.

Threads that wait for each other spin. On small matrices they gain nothing alone, and beside other
processes, as on every training host, they make a factorisation tens of times slower.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

_P = ParamSpec("_P")
_R = TypeVar("_R")


@functools.cache
def _controller() -> ThreadpoolController:
    """Find the BLAS libraries of this process; cached, since it walks all loaded libraries."""
    return ThreadpoolController()


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Wrap a function to run with one BLAS thread; the former number is restored afterwards.

    Args:
        function: Function on small matrices: some hundred rows.

    Returns:
        The function, so held.
    """

    @functools.wraps(function)
    def held(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return held
