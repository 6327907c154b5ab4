"""Posts of Weibo by their ids, fifty at once: whole texts, and what became of posts since."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from connectors.base import Context
from connectors.weibo_api import ApiError, WeiboApi
from connectors.weibo_lists import items_of
from connectors.weibo_posts import native_id, needs_long_text
from connectors.weibo_told import Told
from schemas.language import say

__all__ = ["ById"]

log = logging.getLogger(__name__)

SHOWN_AT_ONCE = 50
MOST_LONG_TEXTS = 200
RECHECKED_FOR = timedelta(days=7)


class ById:
    """Asks for posts that a list named before."""

    def __init__(self, api: WeiboApi, context: Context, *, business: bool) -> None:
        self._api = api
        self._context = context
        self._business = business

    async def with_whole_texts(self, items: Sequence[Any], told: Told) -> list[Any]:
        """The items, long posts that are new with their whole text where it can be had.

        Raises:
            SourceError: nothing can be had from the API now.
        """
        wanted = [
            native
            for item in items
            if needs_long_text(item)
            and (native := native_id(item))
            and not told.known.has(f"weibo:{native}")
        ][:MOST_LONG_TEXTS]
        whole: dict[str, Any] = {}
        for start in range(0, len(wanted), SHOWN_AT_ONCE):
            for item in await self._show(wanted[start : start + SHOWN_AT_ONCE]):
                if isinstance(item, dict) and item.get("longText"):
                    whole[native_id(item)] = item["longText"]
        return [
            {**item, "longText": whole[native]}
            if isinstance(item, dict) and (native := native_id(item)) in whole
            else item
            for item in items
        ]

    async def again(self, told: Told, every_seconds: float) -> list[Any] | None:
        """Some of the latest posts as they are now, in turn; None while it is not their time.

        Raises:
            SourceError: nothing can be had from the API now.
        """
        now, due = self._context.now(), told.recheck_at
        if due and now.timestamp() < due:
            return None
        told.recheck_at = int(now.timestamp() + every_seconds)
        for native, one in list(told.recent.items()):
            if now - one.published_at > RECHECKED_FOR:
                del told.recent[native]
        ids = list(told.recent)[:SHOWN_AT_ONCE]
        if not due or not ids:
            return None
        for native in ids:
            told.recent.move_to_end(native)
        items = [one for one in await self._show(ids) if isinstance(one, dict)]
        return [one for one in items if native_id(one) in ids]

    async def _show(self, ids: Sequence[str]) -> list[Any]:
        """Posts by id; none where the account has no right to ask for them."""
        path = "statuses/show_batch/biz" if self._business else "statuses/show_batch"
        params: dict[str, str | int] = {"ids": ",".join(ids), "isGetLongText": 1}
        try:
            payload = await self._api.get(path, params, target="", business=self._business)
        except ApiError as error:
            if error.reach == "source":
                raise
            log.warning(
                say(
                    f"无法按 id 读取微博，长文和删除可能缺失：{error}",
                    f"posts can't be read by id, long texts and deletions may be missing: {error}",
                )
            )
            return []
        return items_of(payload, "statuses")
