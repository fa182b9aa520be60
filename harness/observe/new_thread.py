"""A call from another thread than the one that built the layer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np

__all__ = ["in_a_new_thread"]

T = TypeVar("T")


def in_a_new_thread(ask: Callable[[], T]) -> T:
    """What a new thread is given; what is raised there is raised here."""
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with np.errstate(all="ignore"):  # each thread has its own
                found.append(ask())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]
