from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from connectors.cells import (
    as_count,
    as_flag,
    as_media,
    as_number,
    as_text,
    as_word,
    time_reader,
    time_zone,
)

SHANGHAI = time_zone("Asia/Shanghai")


@pytest.mark.parametrize(
    ("convert", "cell", "value"),
    [
        (as_text, " 听潮 ", " 听潮 "),
        (as_text, 12, "12"),
        (as_word, " 4711 ", "4711"),
        (as_word, 4711, "4711"),
        (as_word, 4711.0, "4711"),
        (as_word, "1e23456789012345", "1e23456789012345"),
        (as_count, "1,234", 1234),
        (as_count, "12.0", 12),
        (as_count, 9_007_199_254_740_993, 9_007_199_254_740_993),
        (as_number, "15784854484.8", 15784854484.8),
        (as_flag, "是", True),
        (as_media, "图片", ("image",)),
        (as_media, " Video，image, 视频 ", ("video", "image")),
        (as_flag, False, False),
        (as_flag, 1, True),
    ],
)
def test_a_cell_becomes_its_value(
    convert: Callable[[object], object], cell: object, value: object
) -> None:
    assert convert(cell) == value


@pytest.mark.parametrize(
    ("convert", "cell"),
    [
        (as_text, ["听潮"]),
        (as_text, True),
        (as_word, True),
        (as_word, 4.5),
        (as_word, 1.2345678901234568e22),
        (as_word, "4.98123E+15"),
        (as_count, "1.5"),
        (as_count, "一万"),
        (as_count, "inf"),
        (as_count, True),
        (as_number, "nan"),
        (as_number, 10**400),
        (as_flag, "也许"),
        (as_media, "海报"),
        (as_media, ""),
        (as_flag, None),
    ],
)
def test_a_cell_that_is_no_such_value_is_refused(
    convert: Callable[[object], object], cell: object
) -> None:
    with pytest.raises(ValueError, match=r"不是|科学计数|小数"):
        convert(cell)


@pytest.mark.parametrize(
    ("format", "cell", "instant"),
    [
        ("auto", "2024-03-01 08:30:00", "2024-03-01T00:30:00+00:00"),
        ("auto", "2024-03-01T08:30:00+08:00", "2024-03-01T00:30:00+00:00"),
        ("auto", "2024-03-01T00:30:00Z", "2024-03-01T00:30:00+00:00"),
        ("auto", "2024/3/1 8:30", "2024-03-01T00:30:00+00:00"),
        ("auto", "2024年3月1日 8时30分", "2024-03-01T00:30:00+00:00"),
        ("auto", "2024年3月1日", "2024-02-29T16:00:00+00:00"),
        ("auto", "2020-6-8", "2020-06-07T16:00:00+00:00"),
        ("auto", "20240301", "2024-02-29T16:00:00+00:00"),
        ("auto", "20240301083000", "2024-03-01T00:30:00+00:00"),
        ("auto", "Fri Mar 01 08:30:00 +0800 2024", "2024-03-01T00:30:00+00:00"),
        ("auto", "1709253000", "2024-03-01T00:30:00+00:00"),
        ("auto", 1709253000, "2024-03-01T00:30:00+00:00"),
        ("auto", "1709253000123", "2024-03-01T00:30:00.123000+00:00"),
        ("auto", "0", "1970-01-01T00:00:00+00:00"),
        ("auto", "2099-12-31 23:59:59", "2099-12-31T15:59:59+00:00"),
        ("iso", "2024-03-01", "2024-02-29T16:00:00+00:00"),
        ("unix", "1709253000", "2024-03-01T00:30:00+00:00"),
        ("unix_ms", 1709253000123, "2024-03-01T00:30:00.123000+00:00"),
        ("%d.%m.%Y %H:%M", "01.03.2024 08:30", "2024-03-01T00:30:00+00:00"),
    ],
)
def test_times_are_read(format: str, cell: object, instant: str) -> None:
    assert time_reader(format, SHANGHAI)(cell) == datetime.fromisoformat(instant)


@pytest.mark.parametrize("format", ["auto", "iso", "unix", "unix_ms", "%Y-%m-%d"])
@pytest.mark.parametrize(
    "cell",
    [
        "昨天",
        "2024-13-01",
        "0001-01-01 00:00",
        "9" * 40,
        "1e300",
        True,
        None,
        ["2024-03-01"],
        "\x00",
    ],
)
def test_what_is_no_time_is_refused_and_never_crashes(format: str, cell: object) -> None:
    with pytest.raises(ValueError, match="不是"):
        time_reader(format, SHANGHAI)(cell)


def test_zones() -> None:
    # Given the same wall time in three zones
    instants = [
        time_reader("auto", time_zone(zone))("2024-03-01 08:30")
        for zone in ("Asia/Shanghai", "+08:00", "UTC")
    ]

    # Then the first two are eight hours before the third
    assert instants[0] == instants[1] == datetime(2024, 3, 1, 0, 30, tzinfo=UTC)
    assert instants[2] == datetime(2024, 3, 1, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", ["Asia/Shangai", "+99:00", "", "../etc/passwd"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="时区"):
        time_zone(name)


def test_an_unknown_time_format_is_refused() -> None:
    with pytest.raises(ValueError, match="iso"):
        time_reader("ISO8601", SHANGHAI)


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("1.2万", 12_000),
        ("1万+", 10_000),
        ("100万+", 1_000_000),
        (" 3.45 亿 ", 345_000_000),
        ("2千", 2_000),
        ("10+", 10),
    ],
)
def test_a_count_as_platforms_shorten_it(cell: str, count: int) -> None:
    assert as_count(cell) == count


@pytest.mark.parametrize("cell", ["万", "1.5+", "1万2", "+", "一万", "1.2.3万", "-1万", "１万"])
def test_what_is_no_shortened_count_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match="不是"):
        as_count(cell)
