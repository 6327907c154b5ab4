"""What can be wrong with a source, told apart by what a person has to do about it."""

from typing import Literal

from schemas.errors import RetryableError

__all__ = ["SourceError", "Trouble"]

Trouble = Literal[
    "login",  # the token or the account's login ended: log in again
    "forbidden",  # the account or the address is refused: ask the platform for the right
    "captcha",  # the platform asks for proof of a human
    "quota",  # too many calls: it goes on by itself
    "format",  # the answer is not what the platform documents: it has changed
    "gone",  # there is nothing (any more) at the address
    "unreachable",  # no connection, or no answer in time
    "server",  # the other side reports an error of its own
]


class SourceError(RetryableError):
    """A source that can't be read now.

    It is tried again for ever, since all of these can heal without a restart; ``trouble`` decides
    how the source's state is told and counted. The message says what is wrong and what to do.
    """

    def __init__(
        self, trouble: Trouble, message: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.trouble = trouble
