"""The shipped mappings of MediaCrawler's exports: invented posts in the shape of its files."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.base import Context
from connectors.file import File
from pipeline.mappings import SHIPPED, mapping_for
from schemas.post import PostDraft

HASH = {"creator_hash": "00ff00ff00ff00ff"}
MS = {"last_modify_ts": 1786700000000}

CONTENTS: dict[str, dict[str, Any]] = {
    "weibo": {
        "note_id": "5100000000000001",
        "content": "云帆X3刹车失灵",
        "create_time": 1754438400,
        "create_date_time": "2025-08-06 08:00:00",
        "liked_count": "1.2万",
        "comments_count": "10+",
        "shared_count": "3",
        "note_url": "https://m.weibo.cn/detail/5100000000000001",
        "nickname": "小*",
        "source_keyword": "云帆",
    },
    "zhihu": {
        "content_id": "77",
        "content_type": "answer",
        "content_text": "云帆X3刹车失灵",
        "content_url": "https://www.zhihu.com/question/1/answer/77",
        "question_id": "1",
        "title": "云帆X3怎么样？",
        "desc": "",
        "created_time": 1754438400,
        "updated_time": 1754438400,
        "voteup_count": 12000,
        "comment_count": 10,
        "source_keyword": "云帆",
        "user_nickname": "小*",
    },
    "tieba": {
        "note_id": "9000000001",
        "title": "云帆X3怎么样？",
        "desc": "云帆X3刹车失灵",
        "note_url": "https://tieba.baidu.com/p/9000000001",
        "publish_time": "2025-08-06 08:00",
        "user_nickname": "小*",
        "tieba_name": "云帆吧",
        "tieba_link": "https://tieba.baidu.com/f?kw=x",
        "total_replay_num": 10,
        "total_replay_page": 1,
        "source_keyword": "云帆",
    },
    "xhs": {
        "note_id": "66aa00000000000000000001",
        "type": "normal",
        "title": "云帆X3怎么样？",
        "desc": "云帆X3刹车失灵",
        "video_url": "",
        "time": 1754438400000,
        "last_update_time": 1754438400000,
        "liked_count": "1.2万",
        "collected_count": "5",
        "comment_count": "10+",
        "share_count": "3",
        "image_list": "",
        "tag_list": "云帆,刹车",
        "note_url": "https://www.xiaohongshu.com/explore/66aa00000000000000000001",
        "source_keyword": "云帆",
        "xsec_token": "x",
        "nickname": "小*",
    },
}
COMMENTS: dict[str, dict[str, Any]] = {
    "weibo": {
        "comment_id": "5100000000000100",
        "note_id": "5100000000000001",
        "create_time": 1754438460,
        "create_date_time": "2025-08-06 08:01:00",
        "content": "我的也是",
        "sub_comment_count": "2",
        "comment_like_count": "7",
        "parent_comment_id": "",
        "nickname": "阿*",
    },
    "zhihu": {
        "comment_id": "100",
        "parent_comment_id": "0",
        "content": "我的也是",
        "publish_time": 1754438460,
        "sub_comment_count": 2,
        "like_count": 7,
        "dislike_count": 0,
        "content_id": "77",
        "content_type": "answer",
        "user_nickname": "阿*",
    },
    "tieba": {
        "comment_id": "100",
        "parent_comment_id": "",
        "content": "我的也是",
        "publish_time": "2025-08-06 08:01",
        "sub_comment_count": 2,
        "note_id": "9000000001",
        "note_url": "https://tieba.baidu.com/p/9000000001",
        "tieba_id": "1",
        "tieba_name": "云帆吧",
        "tieba_link": "https://tieba.baidu.com/f?kw=x",
        "user_nickname": "阿*",
    },
    "xhs": {
        "comment_id": "66bb00000000000000000100",
        "parent_comment_id": 0,
        "note_id": "66aa00000000000000000001",
        "create_time": 1754438460000,
        "content": "我的也是",
        "sub_comment_count": "2",
        "pictures": "",
        "like_count": "7",
        "nickname": "阿*",
    },
}
#: What earlier versions wrote instead of the hash.
EARLIER: dict[str, dict[str, Any]] = {
    "weibo": {"user_id": "1001", "gender": "女", "profile_url": "x", "ip_location": "上海"},
    "zhihu": {"user_id": "1001", "user_link": "x", "ip_location": "上海"},
    "tieba": {"user_link": "1001", "user_avatar": "x", "ip_location": "上海"},
    "xhs": {"user_id": "1001", "avatar": "x", "ip_location": "上海"},
}
IDS = {
    "weibo": ("weibo:5100000000000001", "weibo:5100000000000100"),
    "zhihu": ("zhihu:answer-77", "zhihu:comment-100"),
    "tieba": ("tieba:thread-9000000001", "tieba:comment-100"),
    "xhs": ("xhs:66aa00000000000000000001", "xhs:66bb00000000000000000100"),
}
Save = Callable[[Path, list[dict[str, Any]]], None]


def save_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def save_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    made = csv.DictWriter(text, list(rows[0]))
    made.writeheader()
    made.writerows(rows)
    path.write_text(text.getvalue(), "utf-8-sig")


def save_xlsx(path: Path, rows: list[dict[str, Any]]) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        sheet.append(row)
    book.save(path)


FORMS = {"jsonl": save_jsonl, "csv": save_csv, "xlsx": save_xlsx}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def imported(
    context: Context, folder: Path, form: str, platform: str, kind: str, rows: list[dict[str, Any]]
) -> list[PostDraft]:
    """The posts of a file where MediaCrawler would put it, by the mapping that is found for it."""
    path = folder / "data" / platform / form / f"search_{kind}_2026-08-14.{form}"
    path.parent.mkdir(parents=True)
    FORMS[form](path, rows)
    mapping = mapping_for(path)
    assert mapping == SHIPPED / f"mediacrawler_{platform}_{kind}.toml"
    config = File.Config(path=path, mapping=mapping)
    batches = [batch async for batch in File("s", config, context).batches({})]
    assert [one.message for batch in batches for one in batch.unreadable] == []
    return [seen.draft for batch in batches for seen in batch.seen]


@pytest.mark.parametrize("earlier", [False, True], ids=["today", "earlier"])
@pytest.mark.parametrize("platform", CONTENTS)
async def test_contents(
    context: Context, tmp_path: Path, form: str, platform: str, earlier: bool
) -> None:
    row = CONTENTS[platform] | (EARLIER[platform] if earlier else HASH) | MS

    [draft] = await imported(context, tmp_path, form, platform, "contents", [row])

    assert (draft.id, draft.platform, draft.kind) == (IDS[platform][0], platform, "post")
    assert draft.text == "云帆X3刹车失灵"
    assert draft.title == (None if platform == "weibo" else "云帆X3怎么样？")
    assert draft.author.id == ("1001" if earlier else "00ff00ff00ff00ff")
    assert draft.author.name == "小*"
    assert draft.published_at.isoformat() == "2025-08-06T00:00:00+00:00"
    assert draft.url is not None
    assert draft.engagement is not None
    assert draft.engagement.comments == 10
    assert draft.engagement.likes == (None if platform == "tieba" else 12_000)
    assert draft.engagement.reposts == (3 if platform in ("weibo", "xhs") else None)
    assert draft.region == ("上海" if earlier and platform != "zhihu" else None)
    assert draft.parent_id is draft.root_id is None


@pytest.mark.parametrize("earlier", [False, True], ids=["today", "earlier"])
@pytest.mark.parametrize("platform", COMMENTS)
async def test_comments_and_answers_to_them(
    context: Context, tmp_path: Path, form: str, platform: str, earlier: bool
) -> None:
    # Given a comment, and an answer to it
    row = COMMENTS[platform] | (EARLIER[platform] if earlier else HASH) | MS
    answer = row | {
        "comment_id": str(row["comment_id"])[:-1] + "1",
        "parent_comment_id": row["comment_id"],
    }

    comment, reply = await imported(context, tmp_path, form, platform, "comments", [row, answer])

    content_id, comment_id = IDS[platform]
    assert (comment.id, comment.kind) == (comment_id, "comment")
    assert (comment.parent_id, comment.root_id) == (content_id, content_id)
    assert (reply.id, reply.kind) == (comment_id[:-1] + "1", "reply")
    assert (reply.parent_id, reply.root_id) == (comment_id, content_id)
    assert comment.published_at.isoformat() == "2025-08-06T00:01:00+00:00"
    assert comment.author.id == ("1001" if earlier else "00ff00ff00ff00ff")
    assert comment.region == ("上海" if earlier else None)
    assert comment.engagement is not None
    assert comment.engagement.comments == 2
    assert comment.engagement.likes == (None if platform == "tieba" else 7)


async def test_a_thread_without_a_time_counts_from_when_it_was_crawled(
    context: Context, tmp_path: Path, form: str
) -> None:
    row = CONTENTS["tieba"] | HASH | MS | {"publish_time": ""}

    [draft] = await imported(context, tmp_path, form, "tieba", "contents", [row])

    assert draft.published_at.timestamp() == MS["last_modify_ts"] / 1000


async def test_an_article_is_one(context: Context, tmp_path: Path, form: str) -> None:
    row = CONTENTS["zhihu"] | HASH | {"content_type": "article", "user_nickname": ""}

    [draft] = await imported(context, tmp_path, form, "zhihu", "contents", [row])

    assert (draft.id, draft.kind) == ("zhihu:article-77", "article")
