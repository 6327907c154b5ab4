import numpy as np
import pytest

from processors.linear_training import FOLDS
from processors.repost_folds import chains, deal_chains

TEXTS = [f"{thing}{end}" for thing in "车座屏灯窗门轮锁" for end in ("很好", "太差", "多少钱")]


@pytest.mark.parametrize(
    ("texts", "firsts"),
    [
        (["今晚小区停水请转告", "收到//@物业: 今晚小区停水，请转告！"], [0, 0]),
        (["甲//@物业:今晚小区停水请转告", "乙 //@物业：今晚小区停水请转告"], [0, 0]),
        (["甲//@一:哈哈", "乙//@一:哈哈"], [0, 1]),
        (["好车", "好 车！", "差车"], [0, 0, 2]),
        (
            [
                "今晚小区停水请转告",
                "下周一全员核酸检测",
                "今晚小区停水请转告//@一:下周一全员核酸检测",
            ],
            [0, 0, 0],
        ),
        ([], []),
        (["\ud800", "？？"], [0, 1]),
    ],
    ids=["quotes the other", "quote a third", "short", "signs alone", "joins two", "none", "odd"],
)
def test_texts_that_quote_each_other_are_one_chain(texts: list[str], firsts: list[int]) -> None:
    assert chains(texts) == firsts


def test_a_chain_stands_in_one_fold_and_every_fold_has_every_class() -> None:
    classes = np.array([place % 3 for place in range(len(TEXTS))])
    folds = deal_chains(TEXTS, classes)
    counts = [
        int(((folds == fold) & (classes == one)).sum()) for fold in range(FOLDS) for one in range(3)
    ]
    assert set(counts) <= {1, 2}

    # Quoted, each goes where its text went, whatever class it is
    quoted = [f"转了//@某人:{text}给大家看看吧" for text in TEXTS]
    whole = [f"{text}给大家看看吧" for text in TEXTS]
    both = deal_chains([*whole, *quoted], np.concatenate([classes, (classes + 1) % 3]))
    assert both[: len(whole)].tolist() == both[len(whole) :].tolist()


def test_the_order_of_texts_makes_no_difference() -> None:
    classes = np.zeros(len(TEXTS), np.intp)
    assert deal_chains(TEXTS[::-1], classes)[::-1].tolist() == deal_chains(TEXTS, classes).tolist()
