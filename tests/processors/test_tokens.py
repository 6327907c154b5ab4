import logging
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rjieba

import processors.tokens
from processors.fold import fold
from processors.tokens import Tokens
from schemas.enriched import EnrichedPost
from schemas.post import Author
from schemas.rules import Brand, KeywordRule, Rule, RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)

SENTENCES = [
    "昨天去售后检查刹车，等了四个小时也没有人接待。",
    "新手机的屏幕很亮，但是电池不耐用，一天要充两次电。",
    "客服态度非常好，问题当天就解决了，值得表扬！",
    "这家餐厅的牛肉面又涨价了，味道还不如从前。",
    "高速公路上突然失去动力，幸好后面没有车。",
    "请问这款空调在北方冬天的制热效果怎么样？",
    "导航系统升级以后反应慢了许多，希望尽快修复。",
    "孩子们在公园里放风筝，老人们坐在长椅上聊天。",
    "银行说系统维护，转账要等到明天上午十点。",
    "研究生命的起源是生物学家的梦想",
    "南京市长江大桥上发生了一起交通事故",
    "他从马上下来，说马上就到。",
]


def post(text: str, title: str | None = None) -> EnrichedPost:
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        title=title,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
    )


def tokens(aliases: tuple[str, ...] = (), words: tuple[str, ...] = (), **options: Any) -> Tokens:
    rule_set = RuleSet(
        id="acme",
        version=7,
        author="王",
        reason="测试",
        changed_at=AT,
        brands=(Brand(id="b", name="b", role="own", aliases=aliases),) if aliases else (),
        keywords=(KeywordRule(id="k", name="k", words=words),) if words else (),
    )
    return Tokens(Tokens.Config(**options), rule_set)


PLAIN = tokens()


def words(text: str, title: str | None = None, enricher: Tokens = PLAIN) -> tuple[str, ...]:
    (enriched,) = enricher.enrich([post(text, title)])
    assert enriched is not None
    return enriched.words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("售后没有人接待，刹车检查了30分钟", ("售后", "接待", "刹车", "检查", "分钟")),
        ("電池和屏幕，电池", ("电池", "屏幕")),
        ("ＩＰＨＯＮＥ手机 iPhone", ("iphone", "手机")),
        ("刹车异响", ("刹车", "异响")),
        ("@张三 刹车//@李四：屏幕", ("刹车", "屏幕")),
        ("屏幕https://t.cn/A6xY刹车", ("屏幕", "刹车")),
        ("屏幕[允悲][doge]", ("屏幕",)),
        ("2026年 100 3.5 ½ 一百", ()),
        ("但是因为所以the and", ()),
        ("屏\u200b幕", ("屏幕",)),
        ("#" * 1000, ()),
        ("😀👨\u200d👩\u200d👧𠮷", ()),
        ("！？。，", ()),
    ],
)
def test_content_words(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


def test_the_title_comes_first() -> None:
    assert words("屏幕和电池", title="电池召回") == ("电池", "召回", "屏幕")


def test_only_the_first_words_are_kept() -> None:
    assert words("刹车 屏幕 电池", enricher=tokens(max_words=2)) == ("刹车", "屏幕")


def test_the_longest_text_is_cut_to_the_default_number_of_words() -> None:
    text = "".join(f"词{chr(0x4E00 + number)}，刹车" for number in range(20_000))

    assert len(words(text[:100_000])) == 64


def test_words_of_the_rules_stay_whole() -> None:
    # Given a name and a phrase that no dictionary holds
    text = "碰星M7的星河慢充桩坏了"
    assert not {"碰星m7", "星河慢充桩"} & set(words(text))

    # When the rules name them
    found = words(text, enricher=tokens(aliases=("碰星M7",), words=("星河慢充桩",)))

    # Then they are words, in this enricher only
    assert found[:2] == ("碰星m7", "星河慢充桩")
    assert not {"碰星m7", "星河慢充桩"} & set(words(text))


def test_a_stop_word_that_the_rules_name_is_content() -> None:
    assert words("转发抽奖") == ("抽奖",)
    assert words("转发抽奖", enricher=tokens(words=("转发",))) == ("转发", "抽奖")


def test_words_outside_the_dictionary_need_the_hidden_markov_model() -> None:
    assert "异响" in words("底盘异响")
    assert "异响" not in words("底盘异响", enricher=tokens(find_new_words=False))


def test_rjieba_cuts_as_jieba_does(tmp_path: Path) -> None:
    # Given the reference, without its hidden Markov model, whose two versions differ
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba 0.42 warns of its own syntax and of pkg_resources
        import jieba
    jieba.setLogLevel(logging.CRITICAL)
    reference = jieba.Tokenizer()
    reference.tmp_dir = str(tmp_path)

    # When both cut our sentences
    cutter = rjieba.Jieba()
    ours = [cutter.cut(sentence, False) for sentence in SENTENCES]

    # Then every word is the same
    assert ours == [reference.lcut(sentence, HMM=False) for sentence in SENTENCES]


def test_records_given_stay_as_they_were() -> None:
    given = post("屏幕").model_copy(update={"words": ("旧",)})
    before = given.to_line()

    (enriched,) = PLAIN.enrich([given])

    assert enriched is not None
    assert enriched.words == ("屏幕",)
    assert given.to_line() == before


def test_stop_words_are_written_as_they_are_compared() -> None:
    listed = (Path(processors.tokens.__file__).parent / "stop_words.txt").read_text("utf-8")

    assert len(listed.split()) == len(set(listed.split()))
    for word in listed.split():
        assert fold(word) == word
        assert len(word) > 1


def test_the_words_of_queries_are_cut_as_one_and_stop_words_stay_stop_words() -> None:
    text = "今天碰星慢充桩坏了可以退吗"
    rule = Rule(id="r", name="r", query="碰星慢充桩 AND (坏 OR 可以) -退*款")
    rules = RuleSet(
        id="main",
        version=1,
        author="a",
        reason="r",
        changed_at=datetime(2026, 1, 1, tzinfo=UTC),
        rules=(rule,),
    )

    assert "碰星慢充桩" not in words(text, enricher=tokens())
    found = words(text, enricher=Tokens(Tokens.Config(), rules))

    assert "碰星慢充桩" in found
    assert "可以" not in found
