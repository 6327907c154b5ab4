"""Runs a parser on bytes from outside and holds it to what it promises."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import settings

from schemas.errors import FatalError, RejectedError

__all__ = ["MOST_SECONDS", "examples", "refused_or"]

#: Processor time of this thread, since the machine may be busy with others.
MOST_SECONDS = 1.0

T = TypeVar("T")


def examples(usual: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As many examples as a usual run can pay for, the same ones each time.

    ``FUZZ_EXAMPLES`` asks for more, and for new ones: that is ``make fuzz``.
    """
    wanted = int(os.environ.get("FUZZ_EXAMPLES", "0"))
    return settings(max_examples=wanted or usual, derandomize=not wanted, deadline=None)


def refused_or(parse: Callable[[], T]) -> T | None:
    """What the parser makes of it, or None where it refuses with one of our errors.

    Anything else that it raises, and more than a second of work, fails the test.
    """
    begun = time.thread_time()
    try:
        found: T | None = parse()
    except (RejectedError, FatalError) as error:
        found = None
        assert str(error)
        assert len(str(error)) < 2_000
    assert time.thread_time() - begun < MOST_SECONDS
    return found
