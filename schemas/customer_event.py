"""What a customer did without saying anything: came, left, tapped a menu."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.post import PostId
from schemas.record import PlainText, Record, UtcTime

__all__ = ["CustomerAct", "CustomerEvent"]

CustomerAct = Literal[
    "followed",
    "unfollowed",  # the relationship is withdrawn: no more profile use, no more messages
    "scanned",  # a code of ours, being a follower already
    "tapped",  # a menu of the account
    "opened",  # an address behind a menu
    "session_opened",  # with customer service
    "session_closed",
    "session_passed_on",
    "contact_added",
    "contact_asked",  # added by staff, not yet accepted by the customer
    "contact_changed",
    "contact_removed",  # by staff
    "contact_left",  # the customer removed the staff member: no more outreach
    "contact_not_taken_over",  # the customer, or a limit, refused the next member of staff
]


class CustomerEvent(Record):
    """One line of ``customer.events``: one act of one customer towards one account of ours.

    An act that comes again has the same id. People are named by keyed hashes only, the same ones
    as in the posts of the platform.
    """

    id: PostId
    platform: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    source: str
    """Name of the connector."""
    act: CustomerAct
    native: Annotated[str, Field(max_length=64)]
    """The platform's own word for it."""
    customer: Annotated[str, Field(min_length=1, max_length=128)]
    staff: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The member of staff concerned."""
    about: Annotated[PlainText, Field(max_length=500)] | None = None
    """Which menu, address, code or channel."""
    happened_at: UtcTime
    observed_at: UtcTime
