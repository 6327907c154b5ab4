"""What a follower or a contact did, as WeChat and WeCom push it: an event becomes a record.

People are named by their keyed hashes, places not at all.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr, ValidationError

from connectors.wechat_crypto import keyed_hash
from connectors.wechat_messages import Pushed, sent_at
from schemas.customer_event import CustomerAct, CustomerEvent
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import clamp_event_time
from schemas.record import explain

__all__ = ["CONTACT_ACTS", "FOLLOWER_ACTS", "JOBS", "contact_event", "follower_event"]

FOLLOWER_ACTS: Mapping[str, CustomerAct] = {
    "subscribe": "followed",
    "unsubscribe": "unfollowed",
    "scan": "scanned",
    "click": "tapped",
    "scancode_push": "tapped",
    "scancode_waitmsg": "tapped",
    "pic_sysphoto": "tapped",
    "pic_photo_or_album": "tapped",
    "pic_weixin": "tapped",
    "location_select": "tapped",
    "view": "opened",
    "view_miniprogram": "opened",
    "kf_create_session": "session_opened",
    "kf_close_session": "session_closed",
    "kf_switch_session": "session_passed_on",
}
"""An account's events, in small letters, and what they say that a customer did."""

JOBS = frozenset("location masssendjobfinish templatesendjobfinish publishjobfinish".split())
"""Known and only counted: ends of the account's own jobs, and places, which are nobody's business
(WeChat sends them every few seconds while a chat is open)."""

CONTACT_ACTS: Mapping[str, CustomerAct] = {
    "add_external_contact": "contact_added",
    "add_half_external_contact": "contact_asked",
    "edit_external_contact": "contact_changed",
    "del_external_contact": "contact_removed",
    "del_follow_user": "contact_left",
    "transfer_fail": "contact_not_taken_over",
}
"""WeCom's changes of contacts."""

_MOST_ABOUT = 500
_SCENE = "qrscene_"


def follower_event(
    pushed: Pushed, source: str, id_secret: SecretStr, now: datetime
) -> CustomerEvent:
    """What a follower did; ``pushed.event`` is one of ``FOLLOWER_ACTS``, in any letters.

    Raises:
        RejectedError: without a sender, or with what no record takes.
    """
    return _event(
        "wechat",
        pushed,
        source=source,
        act=FOLLOWER_ACTS[pushed.event.lower()],
        native=pushed.event.lower(),
        customer=_hashed(id_secret, "FromUserName", pushed.sender),
        about=pushed.fields.get("EventKey", "").removeprefix(_SCENE),
        id_secret=id_secret,
        now=now,
    )


def contact_event(
    pushed: Pushed, source: str, id_secret: SecretStr, now: datetime
) -> CustomerEvent:
    """What happened to a contact; its ``ChangeType`` is one of ``CONTACT_ACTS``.

    Raises:
        RejectedError: it names no contact, or holds what no record takes.
    """
    change, staff = pushed.fields["ChangeType"], pushed.fields.get("UserID", "")
    return _event(
        "wecom",
        pushed,
        source=source,
        act=CONTACT_ACTS[change],
        native=change,
        customer=_hashed(id_secret, "ExternalUserID", pushed.fields.get("ExternalUserID", "")),
        staff=keyed_hash(id_secret, staff) if staff else None,
        about=pushed.fields.get("State", ""),
        id_secret=id_secret,
        now=now,
    )


def _event(
    platform: str,
    pushed: Pushed,
    *,
    source: str,
    act: CustomerAct,
    native: str,
    customer: str,
    about: str,
    id_secret: SecretStr,
    now: datetime,
    staff: str | None = None,
) -> CustomerEvent:
    try:
        return CustomerEvent(
            id=f"{platform}:event-{keyed_hash(id_secret, pushed.identity)}",
            platform=platform,
            source=source,
            act=act,
            native=native,
            customer=customer,
            staff=staff,
            about=about[:_MOST_ABOUT] or None,
            happened_at=clamp_event_time(sent_at(pushed.created, now), now),
            observed_at=now,
        )
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error


def _hashed(id_secret: SecretStr, name: str, native: str) -> str:
    if not native:
        raise RejectedError("schema", say(f"没有 {name}", f"there is no {name}"))
    return keyed_hash(id_secret, native)
