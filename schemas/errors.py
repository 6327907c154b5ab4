"""Three kinds of error, told apart by how one recovers from them.

::

    TingchaoError
    ├── RetryableError   try the same thing again later (network, overload, broker away)
    │   └── TooSoonError  our own limit says wait: the other side is well
    ├── RejectedError    this one item can never pass: dead letter, go on with its neighbours
    └── FatalError       nothing goes on until a person acts: one sentence, then stop

Third-party errors are mapped to these at the edge where they arise.
"""

__all__ = ["FatalError", "RejectedError", "RetryableError", "TingchaoError", "TooSoonError"]


class TingchaoError(Exception):
    """Base of every error that Tingchao raises on purpose."""


class RetryableError(TingchaoError):
    """A passing fault: the same request may succeed later.

    ``retry_after_seconds`` is the wait that the other side asked for, if it did.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooSoonError(RetryableError):
    """We keep a limit ourselves; nobody was asked, so nobody failed."""


class RejectedError(TingchaoError):
    """One item that can never pass as it is.

    ``kind`` is a word of a small, fixed vocabulary (it becomes a metric label and the filter of
    ``tingchao dead-letters``); ``message`` is one sentence for a person.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class FatalError(TingchaoError):
    """Nothing can go on until a person acts; the message says what is wrong and what to do."""
