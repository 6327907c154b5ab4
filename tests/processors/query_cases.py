"""Random queries and posts that meet often: few words, many signs that make trouble."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from schemas.enriched import BrandTag, EnrichedPost, Sentiment
from schemas.post import Author, Engagement

__all__ = ["posts", "queries"]

AT = datetime(2026, 1, 1, tzinfo=UTC)

#: Words that lie in one another, overlap themselves, need boundaries, fold, or hide something.
WORDS = [
    *(
        "刹",
        "刹车",
        "车",
        "车车",
        "失灵",
        "刹车失灵",
        "漏水",
        "蘋果",
        "苹果",
        "𠮷野家",
        "😀",
        "👨‍👩‍👧",
    ),
    *("5G", "BYD", "byd", "ABYDOS", "a", "aa", "b", "Model", "H&M", "ﬁ", "ß", "Ｂ", "İ", "100%"),
]
WILD = ["刹?车", "刹车*失灵", "车*", "*车", "by*", "*yd", "?yd", "a*b", "a?", "失??"]
PHRASES = ["Model Y", "刹车 失灵", "a", "b a", "(a)", "车 车 车"]
REGEXES = ["刹车?", "a+", "[ab]{2}", "\\d+", "B.D", "车.{0,2}失", "\u200b"]
FIELDS = [
    *("平台:微博", "platform:wechat", "kind:comment", "认证:是", "verified:no", "地区:上海"),
    *("brand:qilan", "情感:负面", "含:图片", "粉丝>=1万", "followers<5", "转发数=3", "热度>1"),
    *("author.kind:media", "作者类型:个人", "影响力>50", "author.influence<=20"),
    *("kind:(post OR NOT repost)", "source:demo", "url:example"),
]
SCOPES = ["标题", "text", "root", "作者"]

#: What texts are made of besides the words.
FILLING = [
    *("的", "了", "突然", "。", "！", "；", "\n", ".", ". ", ",", " ", "\u3000", "\xa0", "-", "&"),
    *("\u200b", "\ufe0f", "\u00ad", "x", "7", "_", "é", "…", "\x1c", "\x85", "“", "?", "_a"),
]


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


_plain = st.one_of(
    st.sampled_from(WORDS).filter(lambda word: "&" not in word or word == "H&M"),
    st.sampled_from(PHRASES).map(_quoted),
)
_word = st.one_of(_plain, st.sampled_from(WILD))
_located = st.one_of(
    _word,
    _plain.map("~{}".format),
    st.sampled_from(REGEXES).map("/{}/".format),
    st.sampled_from(REGEXES).map("/{}/i".format),
)
_choice = st.one_of(
    _located, st.lists(_located, min_size=2, max_size=3).map(lambda some: f"({' OR '.join(some)})")
)
_link = st.one_of(
    st.integers(0, 6).map("NEAR/{}".format),
    st.integers(0, 6).map("ONEAR/{}".format),
    st.sampled_from(["SENTENCE", "同句"]),
)


@st.composite
def _near(draw: st.DrawFn) -> str:
    chain = draw(_choice)
    for _ in range(draw(st.integers(1, 3))):
        chain += f" {draw(_link)} {draw(_choice)}"
    return chain


def _groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=2, max_size=4)
    return st.one_of(
        several.map(lambda some: f"({' AND '.join(some)})"),
        several.map(lambda some: f"({' '.join(some)})"),
        several.map(lambda some: f"({' OR '.join(some)})"),
        inner.map("NOT ({})".format),
        inner.map("(a OR -({}))".format),
        st.tuples(several, st.integers(1, 2)).map(
            lambda two: f"至少/{two[1]}({', '.join(two[0])})"
        ),
        st.tuples(st.sampled_from(SCOPES), inner).map(lambda two: f"{two[0]}:({two[1]})"),
    )


queries = st.recursive(st.one_of(_located, _near(), st.sampled_from(FIELDS)), _groups, max_leaves=8)

_text = st.lists(st.sampled_from([*WORDS, *FILLING, "刹车", "失灵", "a", "b"]), max_size=16).map(
    "".join
)
_maybe = st.one_of(st.none(), _text)


@st.composite
def posts(draw: st.DrawFn) -> EnrichedPost:
    """A post: records refuse lone surrogates, so there is none."""
    platform = draw(st.sampled_from(["weibo", "wechat"]))
    mood = draw(st.sampled_from(["negative", "neutral", None]))
    plain = EnrichedPost(
        id=f"{platform}:1",
        platform=platform,
        kind=draw(st.sampled_from(["post", "comment", "repost"])),
        text="",
        author=Author(
            id="1",
            followers=draw(st.sampled_from([None, 0, 5, 10_000])),
            verified=draw(st.sampled_from([None, True, False])),
        ),
        engagement=draw(st.sampled_from([None, Engagement(reposts=3), Engagement(heat=2.5)])),
        region=draw(st.sampled_from([None, "中国上海", "北京"])),
        url=draw(st.sampled_from([None, "https://example.com/a"])),
        media=draw(st.sampled_from([None, ("image",)])),
        published_at=AT,
        observed_at=AT,
        source="demo",
        author_kind=draw(st.sampled_from(["media", "person", None])),
        influence=draw(st.sampled_from([None, 20.0, 61.5])),
        brands=draw(st.sampled_from([(), (BrandTag(brand="qilan", role="own"),)])),
        sentiment=mood
        and Sentiment(
            label="negative" if mood == "negative" else "neutral",
            negative=0.5,
            neutral=0.5,
            positive=0.0,
        ),
    )
    return plain.replaced(
        text=draw(_text),
        title=draw(_maybe),
        root_text=draw(_maybe),
        author=plain.author.replaced(name=draw(_maybe)),
    )
