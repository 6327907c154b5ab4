from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.weibo_posts import (
    Remembered,
    base62,
    is_deleted,
    needs_long_text,
    read_comment,
    read_count,
    read_status,
    read_time,
)
from schemas.errors import RejectedError
from tests.connectors.weibo_server import GONE, comment, status, user

AT = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
NOW = datetime(2024, 6, 2, 4, 0, tzinfo=UTC)


def read(**more: Any) -> Any:
    return read_status(status(3501756485200075, AT) | more, "微博", NOW)


@pytest.mark.parametrize(
    ("mid", "short"),
    [("3501756485200075", "z0JH2lOMb"), ("62", "10"), ("10000000", "10000"), ("x", ""), ("", "")],
)
def test_the_short_form_of_an_id(mid: str, short: str) -> None:
    assert base62(mid) == short


def test_a_status_becomes_a_post() -> None:
    draft = read(
        reposts_count="1万", comments_count=3, attitudes_count="100万+", region_name="发布于 上海"
    )

    assert draft.id == "weibo:3501756485200075"
    assert draft.url == "https://weibo.com/1000/z0JH2lOMb"
    assert draft.published_at == AT
    assert draft.region == "上海"
    assert draft.engagement is not None
    assert (draft.engagement.reposts, draft.engagement.comments) == (10_000, 3)
    assert draft.engagement.likes == 1_000_000
    assert (draft.author.name, draft.author.followers, draft.author.verified) == (
        "云帆1000",
        12,
        False,
    )
    assert draft.source == "微博"


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (0, 0),
        ("12", 12),
        ("1.2万", 12_000),
        ("100万+", 1_000_000),
        ("1,234", 1_234),
        ("3亿", 300_000_000),
        (-3, None),
        (True, None),
        (None, None),
        ("转发", None),
        (1.5, None),
        ("9" * 5_000, None),
        (10**30, None),
    ],
)
def test_counters_in_all_spellings(given: Any, count: int | None) -> None:
    assert read_count(given) == count


def test_times_do_not_follow_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    # strptime would read the month by the locale's names; ours must not ask it.
    assert read_time("Tue May 31 17:46:55 +0800 2011") == datetime(
        2011, 5, 31, 9, 46, 55, tzinfo=UTC
    )
    assert read_time("dim. May 31 17:46:55 +0800 2011".replace("dim.", "Dim")).year == 2011


@pytest.mark.parametrize(
    "given",
    [
        "刚刚",
        "",
        None,
        0,
        "Tue Mai 31 17:46:55 +0800 2011",
        "Tue Feb 31 17:46:55 +0800 2011",
        "Tue May 31 17:46:55 +9900 2011",
        "Tue May 31 17:46:55 +0800 0000",
        "Sat Jan  1 00:00:00 +0800 0001",
        "Tue May 31 17:46:55 +0800 2011" * 1_000,
    ],
)
def test_what_is_no_time_is_said_so(given: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_time(given)


def test_a_repost_hangs_under_its_original() -> None:
    root = status(7_000_000_001, AT, "云帆水壶召回", longText={"content": "云帆水壶召回的全文"})
    draft = read(retweeted_status=root, pidstr="7000000009")

    assert draft.kind == "repost"
    assert draft.root_id == "weibo:7000000001"
    assert draft.parent_id == "weibo:7000000009"
    assert draft.root_text == "云帆水壶召回的全文"


@pytest.mark.parametrize(
    "root",
    [
        {"id": 7_000_000_001, "text": GONE, "deleted": "1"},
        {"id": 7_000_000_001, "text": "抱歉，此微博已被作者删除。查看帮助：http://t.cn/x"},
        {"idstr": "7000000001", "text": "", "user": None},
    ],
)
def test_a_repost_outlives_its_original(root: dict[str, Any]) -> None:
    draft = read(retweeted_status=root)

    assert (draft.kind, draft.root_id, draft.root_text) == ("repost", "weibo:7000000001", None)
    assert not draft.deleted


@pytest.mark.parametrize(
    ("item", "deleted"),
    [
        ({"text": GONE}, True),
        ({"text": "x", "deleted": "1"}, True),
        ({"text": "x", "deleted": 1}, True),
        ({"text": "x", "deleted": "0"}, False),
        ({"text": "x", "deleted": False}, False),
        ({"text": "云帆的微博已被删除？"}, False),
        ({}, False),
    ],
)
def test_what_counts_as_deleted(item: dict[str, Any], deleted: bool) -> None:
    assert is_deleted(item) is deleted


def test_of_a_deleted_post_what_is_known_stands_in() -> None:
    known = Remembered("77", AT, "7000000001")

    draft = read_status({"id": 7_000_000_002, "text": GONE}, "微博", NOW, known=known)
    bare = read_status({"id": 7_000_000_002, "text": GONE}, "微博", NOW)

    assert draft.deleted
    assert (draft.author.id, draft.published_at, draft.root_id) == ("77", AT, "weibo:7000000001")
    assert bare.deleted
    assert bare.published_at == NOW


def test_a_comment_hangs_under_its_post_and_a_reply_under_its_comment() -> None:
    post = status(7_000_000_001, AT, "云帆水壶召回")
    first = read_comment(comment(7_000_000_002, AT, post, source="来自广东"), "微博", NOW)
    second = read_comment(
        comment(7_000_000_003, AT, post, reply_comment={"id": 7_000_000_002}), "微博", NOW
    )

    assert (first.kind, first.parent_id) == ("comment", "weibo:7000000001")
    assert (second.kind, second.parent_id) == ("reply", "weibo:7000000002")
    assert first.root_id == second.root_id == "weibo:7000000001"
    assert first.root_text == "云帆水壶召回"
    assert first.region == "广东"
    assert first.url == read_status(post, "微博", NOW).url


def test_a_comment_without_its_post_needs_to_be_told_of_it() -> None:
    item = comment(7_000_000_002, AT, status(1, AT))
    del item["status"]

    assert read_comment(item, "微博", NOW, status_id="44").root_id == "weibo:44"
    with pytest.raises(RejectedError):
        read_comment(item, "微博", NOW)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("云帆 a<b，3>2", "云帆 a<b，3>2"),
        ("A&amp;B &lt;3", "A&B <3"),
        ('云帆<br />水壶<a href="/n/x">@某人</a>', "云帆\n水壶@某人"),
        ("云\x00帆&#0;", "云帆\ufffd"),
        ("云帆\ud83d", "云帆\ufffd"),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_texts_are_read_as_a_reader_sees_them(given: str, text: str) -> None:
    assert read(text=given).text == text


@pytest.mark.parametrize(
    "more",
    [
        {"longText": "全文"},
        {"longText": {"longTextContent": "全文"}},
        {"longText": {"content": "全文"}},
        {"longText": {"text": "全文"}},
    ],
)
def test_the_long_text_wins_in_every_shape(more: dict[str, Any]) -> None:
    assert read(text="全…", isLongText=True, **more).text == "全文"
    assert not needs_long_text({"isLongText": True, "text": "全…"} | more)


@pytest.mark.parametrize("given", [{}, [], 5, None, {"content": 7}])
def test_a_long_text_of_no_known_shape_leaves_the_short_one(given: Any) -> None:
    assert read(text="全…", isLongText=True, longText=given).text == "全…"


def test_a_post_of_pictures_only_has_the_platforms_words() -> None:
    assert read(text="", pic_ids=["a"]).text == "分享图片"
    assert read(text="看", pic_ids=["a"]).media == ("image",)
    assert read(text="看", pic_ids=[]).media is None
    assert read(text="").text == ""


@pytest.mark.parametrize(
    ("more", "author"),
    [
        ({"user": None}, "unknown"),
        ({"user": 1234567890}, "1234567890"),
        ({"user": "1234567890"}, "1234567890"),
        ({"user": {"screen_name": "x"}}, "unknown"),
        ({"user": user(5, screen_name="n" * 500, verified="yes", followers_count=[1])}, "5"),
        ({"user": user(5, location=None, screen_name=7)}, "5"),
    ],
)
def test_users_in_every_state(more: dict[str, Any], author: str) -> None:
    assert read(**more).author.id == author


def nested(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "name", sorted(set(status(1, AT)) | {"deleted", "isLongText", "longText", "retweeted_status"})
)
def test_no_field_that_is_nested_deeply_crashes(name: str) -> None:
    try:
        read(**{name: nested(5_000)})
    except RejectedError as error:
        assert error.kind == "mapping"


@pytest.mark.parametrize("name", sorted(set(status(1, AT)) - {"id", "idstr", "mid", "text"}))
@pytest.mark.parametrize("value", [None, "", [], {}, 0, True, "x" * 10_000, 10**30])
def test_no_field_of_a_wrong_type_crashes(name: str, value: Any) -> None:
    try:
        assert read(**{name: value}).id == "weibo:3501756485200075"
    except RejectedError as error:
        assert name == "created_at"
        assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (None, "schema"),
        ([], "schema"),
        ({}, "mapping"),
        ({"id": "a b", "text": "x"}, "mapping"),
        ({"id": True, "text": "x"}, "mapping"),
        ({"id": 1.5, "text": "x"}, "mapping"),
        ({"id": 5}, "mapping"),
        (status(5, AT, "长" * 100_001), "too_large"),
        (status(5, AT, "#" * 1_001), "schema"),
    ],
)
def test_what_is_no_status_is_rejected_in_words(item: Any, kind: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read_status(item, "微博", NOW)

    assert caught.value.kind == kind
