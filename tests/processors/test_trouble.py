"""Words of trouble, launches and good news in headlines; all headlines are made up."""

import pytest

from processors.cues import groups_of, weights_of
from processors.trouble import BAD, GOOD, TROUBLED, trouble_of


@pytest.mark.parametrize(
    "headline",
    [
        "启澜汽车就刹车失灵致歉",
        "凌岳被曝后厨使用过期食材",
        "星禾被市场监管部门约谈",
        "歌手终止与远曦合作",
        "拓川APP崩了",
        "海朔员工自曝遭性骚扰",
        "启澜回应女车主维权",
        "星禾宣布裁员三成",
    ],
)
def test_trouble_is_told(headline: str) -> None:
    assert trouble_of(headline).score >= TROUBLED


@pytest.mark.parametrize(
    "headline",
    [
        "启澜新车外观曝光",
        "曝凌岳折叠屏手机下月亮相",
        "星禾发布会",
        "远曦代言人官宣",
        "拓川捐款五千万驰援灾区",
        "海朔涨停",
        "启澜QL6碰撞测试",
        "女子酒驾撞上路边停着的凌岳",
        "启澜",
        "",
    ],
)
def test_a_launch_a_star_good_news_or_somebody_elses_trouble_is_none(headline: str) -> None:
    assert trouble_of(headline).score < TROUBLED


def test_a_word_inside_a_longer_one_does_not_count() -> None:
    assert trouble_of("曝光").signs == ("leak",)
    assert trouble_of("外观曝光").signs == ("launch",)


def test_good_news_weighs_against_trouble_but_does_not_hide_it() -> None:
    alone, beside = trouble_of("启澜致歉"), trouble_of("启澜在新品发布会上致歉")
    assert 0 < beside.score < alone.score


def test_every_group_is_weighed_on_its_side() -> None:
    weights = weights_of("trouble")
    assert set(weights) == set(groups_of("trouble")) == {*BAD, *GOOD, "ordinary"}
    assert all(weights[group] > 0 for group in BAD)
    assert all(weights[group] < 0 for group in GOOD)


def test_only_the_beginning_of_a_text_is_read() -> None:
    assert trouble_of("好" * 600 + "召回").score == 0
