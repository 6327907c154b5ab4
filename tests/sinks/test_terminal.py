import io
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.errors import FatalError
from sinks.base import Notice
from sinks.notice_text import title
from sinks.terminal import Terminal

MakeNotice = Callable[..., Notice]


async def test_a_notice_is_printed_with_its_title(make_notice: MakeNotice) -> None:
    stream, notice = io.StringIO(), make_notice()

    await Terminal("room", Terminal.Config(), stream=stream).deliver(notice)

    assert title(notice) in stream.getvalue()
    assert "2024-03-05 12:00" in stream.getvalue()
    assert notice.incident.id in stream.getvalue()


async def test_without_a_stream_it_is_standard_output(
    make_notice: MakeNotice, capsys: pytest.CaptureFixture[str]
) -> None:
    await Terminal("room", Terminal.Config()).deliver(make_notice())
    assert "海鸥" in capsys.readouterr().out


async def test_the_zone_is_a_setting(make_notice: MakeNotice) -> None:
    stream = io.StringIO()
    config = Terminal.Config(time_zone="UTC")
    await Terminal("room", config, stream=stream).deliver(make_notice())
    assert "2024-03-05 04:00" in stream.getvalue()
    with pytest.raises(ValidationError, match="Mars/Olympus"):
        Terminal.Config(time_zone="Mars/Olympus")


async def test_a_terminal_without_chinese_loses_signs_but_no_notice(
    make_notice: MakeNotice,
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    await Terminal("room", Terminal.Config(), stream=stream).deliver(make_notice())
    assert b"seagull-20240305T0400-1" in raw.getvalue()


async def test_a_closed_terminal_needs_a_person(make_notice: MakeNotice) -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(FatalError, match="room"):
        await Terminal("room", Terminal.Config(), stream=stream).deliver(make_notice())
