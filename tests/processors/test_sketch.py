from base64 import b64encode

import pytest

from processors.letters import letters
from processors.sketch import BINS, MIN_LETTERS, SKETCH_LENGTH, read_sketches, sketches

TEXT = "昨天在地库充电，枪一插上仪表就黑了，拔下来重启才好，不知道有没有人碰到过"


def sketch(text: str, *, quotes: bool = False) -> str | None:
    (found,) = sketches(letters([text])[0], [quotes])
    return found


def test_it_is_the_same_for_ever() -> None:
    # It stands in the log and in checkpoints, so a change needs a new SKETCH_VERSION.
    assert sketch(TEXT) == (
        "HwAAAAAADGEAAADL3jUAAAAAzsYAPxQAAAAAAIWaKNUAkEgAgQAAAAAAAAAAAKavSQAAKhSnAACCAABxAAAAnwAA"
    )


def test_what_was_written_is_read() -> None:
    written = [sketch(TEXT), sketch(TEXT[5:], quotes=True)]

    own, whole = read_sketches("".join(part or "" for part in written))

    assert (own.size, own.quotes) == (31, False)
    assert (whole.size, whole.quotes) == (26, True)
    assert len(own.bins) == BINS
    assert 10 <= sum(own.bins > 0) <= own.size


@pytest.mark.parametrize(
    "damaged", ["", "QUJD", "不是", "A" * (SKETCH_LENGTH - 1), b64encode(bytes(67)).decode()]
)
def test_what_is_none_is_not_read(damaged: str) -> None:
    assert read_sketches(damaged) == []


def test_short_texts_have_none() -> None:
    assert sketch("甲乙丙丁戊己庚辛壬癸子丑"[: MIN_LETTERS - 1]) is None
    assert sketch("甲乙丙丁戊己庚辛壬癸子丑"[:MIN_LETTERS]) is not None


def test_a_repeated_word_counts_once() -> None:
    (found,) = read_sketches(sketch((TEXT[:20]) * 40) or "")

    assert found.size < 40


def test_an_article_is_compared_by_its_beginning() -> None:
    beginning = "".join(chr(0x4E00 + number) for number in range(2_000))

    assert sketch(beginning + "后面") == sketch(beginning + "不同的结尾") == sketch(beginning)
    assert sketch("不同" * 50 + beginning) != sketch(beginning)


def test_nothing_gives_nothing() -> None:
    assert sketches(letters([])[0], []) == []
    assert sketch("") is None
