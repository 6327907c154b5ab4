from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

import connectors.wechat_articles as articles_module
from connectors.base import Batch, Context, Cursor
from connectors.trouble import SourceError
from connectors.wechat_articles import WechatArticles
from schemas.post import PostDraft
from tests.connectors.wechat_server import APP_ID, Account

LIST = "/cgi-bin/comment/list"
PUBLISHED = "/cgi-bin/freepublish/batchget"
TOTALS = "/datacube/getarticletotal"
OPTIONS = {"app_id": APP_ID, "id_secret": "a secret for the tests"}


class Poller:
    """One connector and what it yielded."""

    def __init__(self, account: Account, context: Context, **options: Any) -> None:
        client = httpx.AsyncClient(transport=httpx.MockTransport(account.handle))
        self._context = replace(context, client=client)
        given = OPTIONS | {"app_secret": account.secret} | options
        self._config = WechatArticles.Config.model_validate(given)
        self.cursor: Cursor = {}
        self.batches: list[Batch] = []
        self.trouble: SourceError | None = None
        self.restart()

    def restart(self) -> None:
        """A new process, with the cursor of the old one."""
        self.connector = WechatArticles("文章", self._config, self._context)

    async def poll(self, *, cut_after: int = 1_000) -> list[PostDraft]:
        """The drafts of one poll; ``cut_after`` so many batches the process dies."""
        drafts: list[PostDraft] = []
        async with aclosing(self.connector.batches(self.cursor)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                self.batches.append(batch)
                self.cursor = batch.cursor
                drafts += [one.draft for one in batch.seen]
                cut_after -= 1
                if batch.poll_ends:
                    self.trouble = batch.trouble
                if not cut_after or batch.poll_ends:
                    break
        return drafts


@pytest.fixture
def account(clock: Any) -> Account:
    return Account(clock.now)


@pytest.fixture
def start(account: Account, context: Context) -> Callable[..., Poller]:
    return lambda **options: Poller(account, context, **options)


async def test_articles_and_their_comments_become_posts(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    # Given a message of two articles with a comment below the second
    account.publish(2247483650, "云帆S7上市", "保养指南")
    account.comment(2247483650, 2, "刹车异响怎么办[流泪]")

    # When they are polled
    first, second, comment = await start().poll()

    # Then each is a post, the comment below its article
    assert (first.id, first.kind, first.title) == (
        "wechat:article-2247483650_1",
        "article",
        "云帆S7上市",
    )
    assert first.text == "云帆S7上市的摘要"
    assert first.author.id == APP_ID
    assert first.author.name == "云帆汽车"
    assert first.url is not None
    assert second.engagement is not None
    assert second.engagement.comments == 1
    assert (comment.kind, comment.text) == ("comment", "刹车异响怎么办[流泪]")
    assert comment.id == "wechat:comment-2247483650_2-1"
    assert comment.parent_id == comment.root_id == second.id
    assert comment.root_text == "保养指南"
    assert comment.published_at == clock.at
    assert b"oReader" not in comment.to_line()


async def test_all_pages_are_read_below_fifty_a_time(
    start: Callable[..., Poller], account: Account
) -> None:
    account.publish(1, "一")
    for number in range(120):
        account.comment(1, 1, f"第{number}条")

    drafts = await start().poll()

    comments = [one for one in drafts if one.kind == "comment"]
    assert {one.text for one in comments} == {f"第{number}条" for number in range(120)}
    assert len(comments) == 120
    assert [body["begin"] for body in account.asked(LIST)] == [0, 49, 98]
    assert len({one.author.id for one in comments}) == 7


async def test_the_next_poll_brings_only_news(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    for number in range(60):
        account.comment(1, 1, f"第{number}条")
    poller = start()
    assert len(await poller.poll()) == 61

    clock.at += timedelta(minutes=15)
    assert await poller.poll() == []
    account.comment(1, 1, "新的")
    account.publish(2, "二")
    assert {one.text for one in await poller.poll()} >= {"新的"}


async def test_a_restart_anywhere_loses_and_doubles_nothing(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    # Given 150 comments below three articles that arrive while processes die after each batch
    poller = start()
    drafts: list[PostDraft] = []
    for data_id in (1, 2, 3):
        account.publish(data_id, f"文{data_id}")
    for number in range(150):
        account.comment(number % 3 + 1, 1, f"第{number}条")
        if number % 30 == 0:
            clock.at += timedelta(minutes=15)
            drafts += await poller.poll(cut_after=1)
            poller.restart()
    for _ in range(12):
        clock.at += timedelta(minutes=1)
        drafts += await poller.poll(cut_after=1)
        poller.restart()

    # Then each comment came exactly once
    texts = Counter(one.text for one in drafts if one.kind == "comment")
    assert texts == Counter(f"第{number}条" for number in range(150))


async def test_late_comments_are_found_and_old_ones_not_told_again(
    start: Callable[..., Poller], account: Account, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a memory that is smaller than the comments
    monkeypatch.setattr(articles_module, "MAX_KNOWN", 5)
    account.publish(1, "一")
    for number in range(20):
        account.comment(1, 1, f"第{number}条")
    poller = start()
    assert len(await poller.poll()) == 21

    # When two days later one appears that was written an hour before
    clock.at += timedelta(days=2)
    await poller.poll()
    late = int((clock.at - timedelta(hours=1)).timestamp())
    account.comment(1, 1, "迟到的", create_time=late)

    # Then it is told when the article has its turn, and nothing else
    assert {one.kind for one in await poller.poll()} == {"article"}
    clock.at += timedelta(hours=2)
    assert [one.text for one in await poller.poll() if one.kind == "comment"] == ["迟到的"]


def figures(msgid: str, title: str, **days: int) -> dict[str, Any]:
    details = [
        {
            "stat_date": day.removeprefix("d").replace("_", "-"),
            "target_user": 1_000,
            "int_page_read_user": reads,
            "int_page_read_count": reads * 2,
            "share_count": reads // 10,
        }
        for day, reads in days.items()
    ]
    return {"ref_date": "2024-05-31", "msgid": msgid, "title": title, "details": details}


async def test_figures_are_those_of_the_last_day(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    account.totals["2024-05-31"] = [
        figures("1_1", "一", d2024_05_31=100, d2024_06_01=150),
        figures("999_1", "别的", d2024_05_31=100),
    ]

    [article] = await start().poll()

    assert article.engagement is not None
    assert article.engagement.reads == 300
    assert article.engagement.reposts == 15
    # Each of the last seven days, a day at a time, none after yesterday
    asked = account.asked(TOTALS)
    assert [one["begin_date"] for one in asked] == [
        *(f"2024-05-{day}" for day in range(31, 24, -1)),
    ]
    assert all(one["begin_date"] == one["end_date"] for one in asked)


async def test_figures_are_asked_for_once_a_day_after_eight(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    poller = start(days=1)
    clock.at = clock.at.replace(hour=23, minute=30) - timedelta(days=1)  # 7:30 in Beijing
    asked = []
    for _ in range(4):
        await poller.poll()
        asked.append([one["begin_date"] for one in account.asked(TOTALS)])
        clock.at += timedelta(minutes=20)

    assert asked[0] == asked[1] == ["2024-05-30"]
    assert asked[2] == asked[3] == ["2024-05-30", "2024-05-31"]


async def test_an_article_with_a_short_address_is_found_by_its_title(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    # Given an article whose address does not tell its number
    account.publish(77, "召回公告", short=True)
    account.comment(77, 1, "终于")
    clock.at += timedelta(hours=1)
    poller = start()
    [article] = await poller.poll()
    assert article.id == "wechat:article-art-77_1"

    # When the statistics tell it a day later
    account.totals["2024-06-01"] = [figures("77_1", "召回公告", d2024_06_01=500)]
    clock.at += timedelta(days=2)
    poller.connector = start(statistics=False).connector
    assert await poller.poll() == []
    poller.restart()
    later, comment = await poller.poll()

    # Then it is the same post, and its comments are found
    assert later.id == article.id
    assert later.engagement is not None
    assert later.engagement.reads == 1_000
    assert comment.root_id == article.id


async def test_articles_are_listed_once_an_hour_and_left_after_their_days(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    poller = start(days=2)
    for _ in range(8):
        await poller.poll()
        clock.at += timedelta(minutes=15)
    assert len(account.asked(PUBLISHED)) == 2

    clock.at += timedelta(days=2)
    before = len(account.asked(LIST))
    await poller.poll()
    assert len(account.asked(LIST)) == before
    assert poller.cursor["read"] == ""


async def test_long_lists_are_paged_until_they_are_old(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    for data_id in range(1, 101):
        account.publish(data_id, f"文{data_id}")
        clock.at += timedelta(hours=6)

    drafts = await start(days=7).poll()

    assert len(drafts) == 28
    assert [body["offset"] for body in account.asked(PUBLISHED)] == [0, 20, 40]


async def test_a_deleted_article_is_told(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    poller = start()
    await poller.poll()
    account.published[0]["content"]["news_item"][0]["is_deleted"] = True
    clock.at += timedelta(hours=1)

    [article] = await poller.poll()

    assert (article.id, article.deleted) == ("wechat:article-1_1", True)


async def test_odd_items_are_parked_once_and_their_neighbours_pass(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    account.comment(1, 1, "好的")
    account.comment(1, 1, "没有时间", create_time="昨天")
    account.comment(1, 1, "字符串编号", user_comment_id="88", create_time=str(1717200000), 新字段=1)
    account.comment(1, 1, "空字符\x00", openid=None)
    account.comments[1, 0] += [None, [], {}]  # type: ignore[list-item]
    account.published += [None, {"article_id": "x"}, {"content": {"news_item": [{}]}}]  # type: ignore[list-item]
    account.totals["2024-05-31"] = [{}, None, {"msgid": "1_1", "details": {}}]  # type: ignore[list-item]
    poller = start()

    drafts = await poller.poll()
    clock.at += timedelta(hours=1)
    again = await poller.poll()

    texts = {one.text for one in drafts if one.kind == "comment"}
    assert texts == {"好的", "字符串编号", "空字符"}
    assert again == []
    odd = [item for batch in poller.batches for item in batch.unreadable]
    assert len(odd) == len({item.raw for item in odd}) == 7
    assert {item.kind for item in odd} == {"schema"}
    assert not any(b"oReader" in item.raw for item in odd)


@pytest.mark.parametrize("code", [48001, 88000])
async def test_without_the_right_to_comments_the_rest_is_read(
    start: Callable[..., Poller], account: Account, code: int
) -> None:
    account.publish(1, "一")
    account.publish(2, "二")
    account.refused_for_ever[LIST] = code
    poller = start()

    drafts = await poller.poll()

    assert sorted(one.text for one in drafts) == ["一的摘要", "二的摘要"]
    assert poller.trouble is not None
    assert poller.trouble.trouble == "forbidden"
    assert str(code) in str(poller.trouble)
    assert [one.text for one in await start(comments=False).poll()] == [one.text for one in drafts]


async def test_refused_comments_do_not_eat_the_calls(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    account.refused_for_ever[LIST] = 48001
    clock.at += timedelta(days=2)
    poller = start()

    for _ in range(12):
        await poller.poll()
        assert poller.trouble is not None
        clock.at += timedelta(minutes=15)

    assert len(account.asked(LIST)) == 2


async def test_one_article_with_closed_comments_is_no_trouble(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    clock.at += timedelta(minutes=1)
    account.publish(2, "二")
    account.comment(2, 1, "好")
    account.failing[LIST] = [88000]

    poller = start()
    assert len(await poller.poll()) == 3
    assert poller.trouble is None


async def test_without_the_right_to_statistics_the_rest_is_read(
    start: Callable[..., Poller], account: Account
) -> None:
    account.publish(1, "一")
    account.comment(1, 1, "好")
    account.refused_for_ever[TOTALS] = 48001
    poller = start()

    assert len(await poller.poll()) == 2
    assert poller.trouble is not None
    assert "48001" in str(poller.trouble)
    assert len(await start(statistics=False).poll()) == 2


@pytest.mark.parametrize("path", [PUBLISHED, TOTALS, LIST, "/cgi-bin/stable_token"])
@pytest.mark.parametrize("code", [-1, 40164])
async def test_after_a_trouble_it_goes_on_where_it_stood(
    start: Callable[..., Poller], account: Account, path: str, code: int
) -> None:
    account.publish(1, "一")
    account.comment(1, 1, "好")
    account.failing[path] = [code]
    poller = start()
    with pytest.raises(SourceError, match=str(code)):
        await poller.poll()

    assert len(await poller.poll()) == 2


@pytest.mark.parametrize(
    ("path", "read"), [(PUBLISHED, []), (TOTALS, ["一的摘要", "好"]), (LIST, ["一的摘要"])]
)
async def test_a_function_whose_calls_are_used_up_rests_until_midnight_and_the_others_go_on(
    start: Callable[..., Poller], account: Account, clock: Any, path: str, read: list[str]
) -> None:
    # Given one function that is used up; it is 12 o'clock in Beijing
    account.publish(1, "一")
    account.comment(1, 1, "好")
    account.refused_for_ever[path] = 45009
    poller = start()

    # When it is polled all afternoon
    drafts = await poller.poll()
    for _ in range(3):
        clock.at += timedelta(hours=2)
        drafts += await poller.poll()

    # Then that one alone is not asked again, and is told
    assert [one.text for one in drafts] == read
    assert len(account.asked(path)) == 1
    assert poller.trouble is not None
    assert poller.trouble.trouble == "quota"
    assert path in str(poller.trouble)
    assert poller.trouble.retry_after_seconds is None

    # And after midnight it is
    del account.refused_for_ever[path]
    clock.at += timedelta(hours=7)
    drafts += await poller.poll()
    assert sorted({one.text for one in drafts}) == ["一的摘要", "好"]
    assert poller.trouble is None


async def test_without_a_token_for_today_nothing_is_asked_until_midnight(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    account.failing["/cgi-bin/stable_token"] = [45009]
    poller = start()

    for _ in range(2):  # the second time by our own memory
        with pytest.raises(SourceError) as caught:
            await poller.poll()
        assert caught.value.trouble == "quota"
    assert len(account.calls) == 1
    assert clock.slept == []

    assert caught.value.retry_after_seconds is not None
    clock.at += timedelta(seconds=caught.value.retry_after_seconds)
    assert len(await poller.poll()) == 1


async def test_a_day_of_many_articles_stays_below_what_wechat_allows(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    # Given 8 articles a day for 12 days, so five pages of which are young
    for data_id in range(1, 97):
        account.publish(data_id, f"文{data_id}")
        clock.at += timedelta(hours=3)
    poller = start(days=12)

    # When it is polled for a day, and people write below old and new articles
    drafts: list[PostDraft] = []
    for turn in range(96):
        account.comment(turn + 1, 1, f"第{turn}条")
        drafts += await poller.poll()
        clock.at += timedelta(minutes=15)
    first_day = len(account.calls)
    for _ in range(49):
        drafts += await poller.poll()
        clock.at += timedelta(minutes=15)

    # Then the calls last, and each comment is told once, unless its article's days ended so soon
    assert len(account.asked(PUBLISHED)) < 100
    assert first_day < 2_000
    texts = [one.text for one in drafts if one.kind == "comment"]
    assert len(texts) == len(set(texts))
    assert set(texts) >= {f"第{turn}条" for turn in range(5, 96)}
    assert poller.trouble is None


async def test_pauses_grow_when_the_calls_would_not_last(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    # Given twenty new articles, and a thousand calls a day
    for data_id in range(1, 21):
        account.publish(data_id, f"文{data_id}")
    poller = start(calls_per_day=1_000)

    for _ in range(96):
        await poller.poll()
        clock.at += timedelta(minutes=15)

    assert 400 < len(account.calls) < 1_000
    assert clock.slept == []


async def test_a_new_article_is_found_within_the_hour_on_the_first_page(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    # Given five pages of young articles
    for data_id in range(1, 101):
        account.publish(data_id, f"文{data_id}")
    poller = start()
    await poller.poll()
    assert len(account.asked(PUBLISHED)) == 5

    # When one is published, and an old one deleted
    account.publish(101, "新的")
    account.published[-2]["content"]["news_item"][0]["is_deleted"] = True
    clock.at += timedelta(hours=1)

    # Then the new one is found with one call, the deleted one when all pages are listed again
    assert [one.title for one in await poller.poll()] == ["新的"]
    assert len(account.asked(PUBLISHED)) == 6
    clock.at += timedelta(hours=4)
    assert [one.deleted for one in await poller.poll()] == [True]


async def test_the_list_has_a_quota_of_its_own(
    start: Callable[..., Poller], account: Account, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two lists a day
    monkeypatch.setattr(articles_module, "LISTS_PER_DAY", 2)
    account.publish(1, "一")
    poller = start()
    for _ in range(2):
        await poller.poll()
        clock.at += timedelta(hours=1)
    assert poller.trouble is None

    # When they are used up, then that is told without a wait, and comments are read
    account.comment(1, 1, "好")
    assert [one.text for one in await poller.poll() if one.kind == "comment"] == ["好"]
    assert poller.trouble is not None
    assert "文章列表" in str(poller.trouble)
    assert "22 小时" in str(poller.trouble)
    assert (len(account.asked(PUBLISHED)), clock.slept) == (2, [])


async def test_a_long_wait_for_the_quota_is_told_before_it_begins(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    for data_id in range(1, 121):
        account.publish(data_id, f"文{data_id}")
    poller = start(calls_per_day=100, calls_per_minute=1_000)

    await poller.poll()

    assert clock.slept == []
    assert poller.trouble is not None
    assert poller.trouble.trouble == "quota"
    assert poller.trouble.retry_after_seconds == 86_400
    assert "24 小时" in str(poller.trouble)
    with pytest.raises(SourceError, match="自动继续"):
        await poller.poll()
    assert clock.slept == []


async def test_what_is_left_of_the_quota_is_told(
    start: Callable[..., Poller], account: Account, clock: Any
) -> None:
    account.publish(1, "一")
    poller = start(calls_per_minute=12, days=7)

    await poller.poll()

    # A token, a list, seven days of figures and a page of comments
    assert poller.batches[-1].quota_left == 2
    clock.at += timedelta(seconds=30)
    for _ in range(3):
        await poller.poll()
    assert len(account.calls) == 13


def test_options_are_checked(context: Context) -> None:
    with pytest.raises(ValidationError, match="app_secret"):
        WechatArticles.Config.model_validate(OPTIONS)
    config = WechatArticles.Config.model_validate(OPTIONS | {"app_secret": "the secret"})
    assert "the secret" not in repr(config)
    assert WechatArticles("文章", config, context).total() is None
