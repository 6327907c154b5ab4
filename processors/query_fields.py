"""The fields of the query language: their names, their values, and what a post has there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from processors.aspect_lists import listed_aspects
from processors.fold import INVISIBLE, fold
from processors.query_tree import Scope
from schemas.enriched import EnrichedPost

__all__ = [
    "COUNTERS",
    "FIELDS",
    "PARTS",
    "PLATFORMS",
    "SCOPES",
    "Counter",
    "Field",
    "counter_of",
    "field_of",
    "plain_value",
]


@dataclass(frozen=True)
class Field:
    """A field with values, such as ``platform:weibo``."""

    names: tuple[str, ...]
    """English, Chinese, and others; the first is the field's own."""
    holds: Callable[[EnrichedPost, str], bool]
    """Whether the post has the value; given as ``plain_value`` makes it."""
    values: Mapping[str, str]
    """What people write (folded), and what it means."""
    closed: bool = False
    """There are no other values."""
    reads: str | None = None
    """The enricher whose finding it is."""


@dataclass(frozen=True)
class Counter:
    """A number, such as ``followers >= 1万``."""

    names: tuple[str, ...]
    count: Callable[[EnrichedPost], float | None]


def plain_value(text: str) -> str:
    """A value as it is compared: folded, nothing invisible, no blanks around."""
    return fold(text).replace(INVISIBLE, "").strip()


def _of_engagement(name: str) -> Callable[[EnrichedPost], float | None]:
    def count(post: EnrichedPost) -> float | None:
        return None if post.engagement is None else getattr(post.engagement, name)

    return count


def _kinds() -> dict[str, str]:
    chinese = {
        "post": "帖子 原帖 原创",
        "repost": "转发",
        "comment": "评论",
        "reply": "回复",
        "article": "文章",
        "message": "消息 私信",
        "review": "评价 点评",
        "hot": "热搜 热榜",
    }
    return {word: kind for kind, words in chinese.items() for word in (kind, *words.split())}


_PLATFORMS = {
    "微博": "weibo",
    "微信": "wechat",
    "企业微信": "wecom",
    "知乎": "zhihu",
    "贴吧": "tieba",
    "豆瓣": "douban",
    "小红书": "xiaohongshu",
    "哔哩哔哩": "bilibili",
    "b站": "bilibili",
    "抖音": "douyin",
    "快手": "kuaishou",
    "头条": "toutiao",
    "今日头条": "toutiao",
    "邮件": "mail",
}
PLATFORMS: Final = frozenset(_PLATFORMS.values()) | set(
    "bbs discourse discuz forum misago news nodebb phpbb rss web weibo-hot xhs".split()
)
"""What posts usually come from; a source or a mapping may call its platform something else."""

_MOODS = {"negative": "负面 消极", "neutral": "中性 中立", "positive": "正面 积极"}
_AUTHOR_KINDS = {
    "person": "个人 普通用户",
    "media": "媒体",
    "official": "官方 政务 政府",
    "industry": "行业 自媒体 博主",
    "dealer": "经销商 门店",
    "brand": "品牌号 企业",
    "staff": "员工",
    "bot": "水军 机器人",
}
_INTENTS = {
    "complaint": "投诉 抱怨 投诉抱怨",
    "enquiry": "咨询 提问 询问 inquiry",
    "purchase": "购买 购买意向 想买 询价",
    "repurchase": "复购 回购",
    "praise": "表扬 称赞 好评 推荐",
    "churn": "流失 弃用",
    "help": "求助 救援 求救",
    "maintenance": "保养 维修 配件 保养维修",
    "rumour": "传闻 谣言 爆料 rumor",
    "job": "招聘 求职 员工",
}
_REASONS = {
    "promise": "承诺 诚信 虚假宣传",
    "quality": "质量",
    "practicality": "实用 实用性",
    "enjoyment": "体验 舒适",
    "respect": "尊重 态度 服务态度",
}
_YES_NO = {"yes": "yes", "是": "yes", "true": "yes", "no": "no", "否": "no", "false": "no"}
PARTS: Final[Mapping[str, Callable[[EnrichedPost], bool]]] = {
    "image": lambda post: "image" in (post.media or ()),
    "video": lambda post: "video" in (post.media or ()),
    "audio": lambda post: "audio" in (post.media or ()),
    "file": lambda post: "file" in (post.media or ()),
    "url": lambda post: post.url is not None,
    "title": lambda post: bool(post.title),
    "root": lambda post: bool(post.root_text),
    "region": lambda post: bool(post.region),
}
"""What a post may have besides its text."""
_PARTS_IN_CHINESE = (
    "image 图片 video 视频 audio 音频 file 附件 url 链接 title 标题 root 原文 region 地区"
)

SCOPES: Final[Mapping[str, Scope]] = {
    "text": "text",
    "正文": "text",
    "title": "title",
    "标题": "title",
    "root": "root_text",
    "原文": "root_text",
    "author": "author",
    "作者": "author",
}
"""Where a word may stand; ``author`` is the author's name."""

FIELDS: Final = (
    Field(
        ("platform", "平台"), lambda post, value: plain_value(post.platform) == value, _PLATFORMS
    ),
    Field(("kind", "类型"), lambda post, value: post.kind == value, _kinds(), closed=True),
    Field(("source", "来源"), lambda post, value: plain_value(post.source) == value, {}),
    Field(("author.id", "作者号"), lambda post, value: plain_value(post.author.id) == value, {}),
    Field(
        ("verified", "author.verified", "认证"),
        lambda post, value: post.author.verified is (value == "yes"),
        _YES_NO,
        closed=True,
    ),
    Field(
        ("author.kind", "作者类型"),
        lambda post, value: post.author_kind == value,
        {word: kind for kind, words in _AUTHOR_KINDS.items() for word in (kind, *words.split())},
        closed=True,
        reads="author",
    ),
    Field(("region", "地区"), lambda post, value: value in plain_value(post.region or ""), {}),
    Field(("url", "网址"), lambda post, value: value in plain_value(post.url or ""), {}),
    Field(
        ("brand", "品牌"),
        lambda post, value: any(plain_value(tag.brand) == value for tag in post.brands),
        {},
        reads="brands",
    ),
    Field(
        ("sentiment", "mood", "情感"),
        lambda post, value: post.sentiment is not None and post.sentiment.label == value,
        {word: mood for mood, words in _MOODS.items() for word in (mood, *words.split())},
        closed=True,
        reads="sentiment",
    ),
    Field(
        ("aspect", "方面"),
        lambda post, value: any(aspect.aspect == value for aspect in post.aspects),
        {word: one.id for one in listed_aspects().values() for word in (one.id, one.name)},
        reads="aspects",
    ),
    Field(
        ("intent", "意图"),
        lambda post, value: any(intent.label == value for intent in post.intents),
        {word: intent for intent, words in _INTENTS.items() for word in (intent, *words.split())},
        closed=True,
        reads="intents",
    ),
    Field(
        ("reason", "原因"),
        lambda post, value: value in post.reasons,
        {word: reason for reason, words in _REASONS.items() for word in (reason, *words.split())},
        closed=True,
        reads="intents",
    ),
    Field(
        ("has", "含"),
        lambda post, value: PARTS[value](post),
        dict(
            pair
            for english, chinese in zip(
                _PARTS_IN_CHINESE.split()[::2], _PARTS_IN_CHINESE.split()[1::2], strict=True
            )
            for pair in ((english, english), (chinese, english))
        ),
        closed=True,
    ),
)
"""Every field with values."""

COUNTERS: Final = (
    Counter(
        ("followers", "author.followers", "粉丝", "粉丝数"), lambda post: post.author.followers
    ),
    Counter(("author.influence", "influence", "影响力"), lambda post: post.influence),
    Counter(("reposts", "转发数"), _of_engagement("reposts")),
    Counter(("comments", "评论数"), _of_engagement("comments")),
    Counter(("likes", "点赞数"), _of_engagement("likes")),
    Counter(("reads", "阅读数"), _of_engagement("reads")),
    Counter(("rank", "排名"), _of_engagement("rank")),
    Counter(("heat", "热度"), _of_engagement("heat")),
)
"""Every number; one that the platform does not tell compares with nothing."""

_FIELD_BY_NAME = {name: field for field in FIELDS for name in field.names}
_COUNTER_BY_NAME = {name: counter for counter in COUNTERS for name in counter.names}


def field_of(name: str) -> Field | None:
    """The field of that name, in any of its languages."""
    return _FIELD_BY_NAME.get(plain_value(name))


def counter_of(name: str) -> Counter | None:
    """The number of that name."""
    return _COUNTER_BY_NAME.get(plain_value(name))
