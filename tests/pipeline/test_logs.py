"""The log outlives a replaced standard error."""

import contextlib
import io
import logging

import pytest
import structlog

from pipeline.logs import configure_logs, quiet_logs


def test_lines_go_to_the_stream_that_is_there_when_they_are_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = structlog.get_logger("tingchao.test")
    with contextlib.redirect_stderr(io.StringIO()) as first:
        configure_logs()
        log.info("to the first", line=1)
    first.close()
    log.info("to the second", line=2)
    logging.getLogger("aiokafka").warning("a client's %s", "warning")
    shown = capsys.readouterr()
    assert "to the second line=2" in shown.err
    assert "a client's warning" in shown.err
    assert not shown.out


def test_a_command_hears_warnings_and_no_client(capsys: pytest.CaptureFixture[str]) -> None:
    quiet_logs()
    log = structlog.get_logger("tingchao.test")
    log.info("routine")
    log.warning("news")
    logging.getLogger("aiokafka").error("retrying")
    shown = capsys.readouterr().err
    assert "news" in shown
    assert "routine" not in shown
    assert "retrying" not in shown
