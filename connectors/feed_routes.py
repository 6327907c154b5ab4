"""Routes of an RSSHub by short names: ``weibo user 1935396210`` is ``/weibo/user/1935396210``."""

from dataclasses import dataclass
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator

from schemas.component import ComponentConfig
from schemas.language import say
from schemas.post import PostKind

__all__ = ["ROUTES", "Route", "RsshubConfig", "expand"]

_SHORT = {
    "weibo user": ("/weibo/user/{}", "weibo", "post"),
    "weibo keyword": ("/weibo/keyword/{}", "weibo", "post"),
    "weibo hot": ("/weibo/search/hot", "weibo-hot", "hot"),
    "zhihu hot": ("/zhihu/hot", "zhihu-hot", "hot"),
    "zhihu question": ("/zhihu/question/{}", "zhihu", "reply"),
    "zhihu topic": ("/zhihu/topic/{}", "zhihu", "post"),
    "bilibili user": ("/bilibili/user/dynamic/{}", "bilibili", "post"),
    "bilibili video": ("/bilibili/user/video/{}", "bilibili", "post"),
    "bilibili keyword": ("/bilibili/vsearch/{}", "bilibili", "post"),
    "bilibili hot": ("/bilibili/hot-search", "bilibili-hot", "hot"),
    "tieba forum": ("/baidu/tieba/forum/{}", "tieba", "post"),
    "tieba post": ("/baidu/tieba/post/{}", "tieba", "reply"),
    "douban user": ("/douban/people/{}/status", "douban", "post"),
    "douban group": ("/douban/group/{}", "douban", "post"),
    "xiaohongshu user": ("/xiaohongshu/user/{}/notes", "xiaohongshu", "post"),
}
ROUTES = tuple(_SHORT)
"""The short names."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a short name stands for."""

    path: str
    platform: str
    kind: PostKind


class RsshubConfig(ComponentConfig):
    """Option ``rsshub`` of ``feed``."""

    base: str = Field(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="Address of your own RSSHub, for example http://127.0.0.1:1200.",
    )
    routes: tuple[str, ...] = Field(
        min_length=1,
        max_length=50,
        description="Short names and what they need, for example 'weibo user 1935396210': "
        + ", ".join(ROUTES)
        + ".",
    )
    key: SecretStr | None = Field(None, description="The RSSHub's ACCESS_KEY, if it has one.")

    @field_validator("routes")
    @classmethod
    def _known(cls, routes: tuple[str, ...]) -> tuple[str, ...]:
        for route in routes:
            expand(route)
        return routes


def expand(short: str) -> Route:
    """The route of a short name.

    Raises:
        ValueError: no such name, or it lacks its word.
    """
    words = short.split(maxsplit=2)
    name, word = " ".join(words[:2]), "".join(words[2:])
    path, platform, kind = _SHORT.get(name, ("", "", ""))
    if not path:
        raise ValueError(
            say(
                f"没有 RSSHub 简称 {short!r}；可用：{'、'.join(ROUTES)}",
                f"no short name of RSSHub is {short!r}; there are: {', '.join(ROUTES)}",
            )
        )
    if bool(word) != ("{}" in path):
        raise ValueError(
            say(
                f"{short!r}：简称 {name!r} 后面{'不要带参数' if word else '要带编号或关键词'}",
                f"{short!r}: {name!r} takes {'nothing more' if word else 'an id or a word'}",
            )
        )
    return Route(path.format(quote(word.strip(), safe="")), platform, kind)  # type: ignore[arg-type]
