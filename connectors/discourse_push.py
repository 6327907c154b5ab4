"""What a Discourse forum tells by its webhooks: the same posts as ``discourse`` reads by polling.

Discourse signs the raw body, not the headers, and tells no time: a body that comes again is known
by its hash. The forum's address is a setting, since ids begin with it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import orjson

from connectors.discourse import read_post
from connectors.forum import ForumConfig, Site
from connectors.forum_json import Fields
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.record import check_parts

__all__ = ["SIGNATURE", "DiscoursePush", "Untold", "is_discourse_signed"]

SIGNATURE = "X-Discourse-Event-Signature"
_EVENTS = ("post_created", "post_edited", "post_destroyed", "post_recovered")
_REGULAR = 1
"""Discourse's number of the kind of post that people write; others are notes of its staff."""

Untold = Literal["discourse_other", "discourse_private"]
"""What is no public post, and only counted: other events (also the test, ``ping``); private
messages, and what only staff sees."""


def is_discourse_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the body was signed with the secret; compares in constant time."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = headers.get(SIGNATURE, "").encode(errors="surrogateescape")
    return hmac.compare_digest(given, expected.encode())


class DiscoursePush:
    """Reads the webhooks of one forum."""

    def __init__(self, url: str, source: str) -> None:
        self._site = Site("discourse", ForumConfig(url=url), source)

    def read(self, event: str, body: bytes) -> PostDraft | Untold:
        """The post that an event is about, or as what it is counted.

        Raises:
            RejectedError: the post can't be read.
        """
        if event not in _EVENTS:
            return "discourse_other"
        try:
            check_parts(body)
            whole = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RejectedError(
                "json", say(f"不是有效的 JSON：{error}", f"not valid JSON: {error}")
            ) from error
        fields = Fields(whole).part("post")
        private = fields.text("topic_archetype") == "private_message"
        if private or (fields.count("post_type") or _REGULAR) != _REGULAR:
            return "discourse_private"
        post = read_post(fields, self._site.address)
        if event == "post_destroyed":
            post = replace(post, deleted=True)
        return self._site.draft(post)
