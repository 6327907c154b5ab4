from datetime import UTC, datetime

import pytest

from connectors.cells import time_zone
from connectors.local_times import read_local_time

SHANGHAI = time_zone("Asia/Shanghai")
#: In Shanghai it is 23 November 2026, 00:30:07.
NOW = datetime(2026, 11, 22, 16, 30, 7, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("刚刚", "2026-11-22T16:30:07"),
        ("8 秒前", "2026-11-22T16:29:59"),
        ("3 分钟前", "2026-11-22T16:27:07"),
        ("3\u00a0分钟前", "2026-11-22T16:27:07"),
        ("半小时前", "2026-11-22T16:00:07"),
        ("2 小时前", "2026-11-22T14:30:07"),
        ("3 天前", "2026-11-19T16:30:07"),
        ("00:10", "2026-11-22T16:10:00"),
        ("今天 00:10", "2026-11-22T16:10:00"),
        ("昨天 22:05", "2026-11-22T14:05:00"),
        ("昨天22:05", "2026-11-22T14:05:00"),
        ("前天 08:00", "2026-11-21T00:00:00"),
        ("11-22 08:00", "2026-11-22T00:00:00"),
        ("11月22日 08:00", "2026-11-22T00:00:00"),
        ("12-31 23:59", "2025-12-31T15:59:00"),
        ("2-29 12:00", None),
        ("2026-11-22 08:00", "2026-11-22T00:00:00"),
        ("2026-1-2 8:00", "2026-01-02T00:00:00"),
        ("2026年11月22日 08:00", "2026-11-22T00:00:00"),
        ("2026-11-22 08:00:09+00:00", "2026-11-22T08:00:09"),
        ("Sun, 22 Nov 2026 08:00:00 GMT", "2026-11-22T08:00:00"),
        ("Sun, 22 Nov 2026 08:00:00 +0800", "2026-11-22T00:00:00"),
        ("Sun, 22 Nov 2026 08:00:00", "2026-11-22T00:00:00"),
    ],
)
def test_times_of_a_site_in_shanghai(written: str, utc: str | None) -> None:
    if utc is None:
        with pytest.raises(ValueError, match=r"时间|time"):
            read_local_time(written, NOW, SHANGHAI)
    else:
        assert read_local_time(written, NOW, SHANGHAI) == datetime.fromisoformat(utc + "+00:00")


@pytest.mark.parametrize(
    ("zone", "utc"),
    [("UTC", "2026-11-21T22:05:00"), ("-05:00", "2026-11-22T03:05:00")],
)
def test_yesterday_is_the_sites_yesterday(zone: str, utc: str) -> None:
    found = read_local_time("昨天 22:05", NOW, time_zone(zone))

    assert found == datetime.fromisoformat(utc + "+00:00")


def test_in_january_a_date_of_december_is_of_last_year_and_tomorrow_of_this() -> None:
    now = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)

    assert read_local_time("12-31 10:00", now, UTC).year == 2026
    assert read_local_time("1-1 20:00", now, UTC) == datetime(2027, 1, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    ["", " ", "很久以前", "昨天", "25:00", "昨天 24:61", "13-40 08:00", "9999 周前 吗", "1" * 500],
)
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"时间|time"):
        read_local_time(written, NOW, SHANGHAI)


def test_beyond_the_first_year_is_refused() -> None:
    with pytest.raises(ValueError, match=r"时间|time"):
        read_local_time("9999 周前", datetime(100, 1, 1, tzinfo=UTC), UTC)
