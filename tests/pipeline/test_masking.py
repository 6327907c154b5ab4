"""What other people's code says about us is searched for our secrets before it is written."""

import base64
import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog

from pipeline.__main__ import _show_bug
from pipeline.logs import configure_logs, quiet_logs
from pipeline.masking import MASK, hide, masked

SECRET = "s3cret&=/深海 'x'"


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    hide([SECRET, "short"])
    yield
    hide([])


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        repr(SECRET),
        json.dumps(SECRET),
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        repr(SECRET.encode()),
    ],
)
def test_a_secret_is_masked_in_every_form_in_which_it_travels(form: str) -> None:
    said = masked(f"POST https://host/?key={form} failed")

    assert MASK in said
    assert form not in said


def test_what_is_too_short_to_be_a_secret_blots_out_nothing() -> None:
    assert masked("a short word") == "a short word"


def test_only_the_secrets_of_the_settings_in_force_are_known() -> None:
    hide(["another one"])

    assert masked(SECRET) == SECRET


@pytest.mark.parametrize("prepare", [configure_logs, quiet_logs])
def test_no_log_line_shows_a_secret_not_even_a_clients_own_or_a_traceback(
    prepare: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(prepare)
    prepare()
    try:
        raise ValueError(f"cannot log in with {SECRET}")
    except ValueError as error:
        structlog.get_logger().error("ours", reason=str(error), exc_info=True)
        logging.getLogger("faust").exception("theirs %s", SECRET)
        logging.getLogger("aiokafka.conn").critical("Request: %r", SECRET.encode())

    said = capsys.readouterr().err
    assert "ours" in said and "theirs" in said
    assert "s3cret" not in said


def test_a_bug_shows_its_traceback_and_no_secret() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as shown:
        try:
            raise KeyError(SECRET)
        except KeyError:
            _show_bug(*sys.exc_info())  # type: ignore[arg-type]

    assert "KeyError" in shown.getvalue()
    assert "s3cret" not in shown.getvalue()
