"""One readable log: time, level, event, details; the same shape in every process.

Lines go to what `sys.stderr` is when they are written, not to what it was when logging was set up:
who replaces the stream for a while (a test runner, a progress display) keeps both working.
"""

import logging
import sys
from typing import TextIO, cast

import structlog

from pipeline.masking import masked

__all__ = ["CLIENTS", "configure_logs", "quiet_logs"]

CLIENTS = ("aiokafka", "elastic_transport")


class CurrentStderr:
    """A stream that is always the present `sys.stderr`, and shows no secret."""

    def write(self, text: str) -> int:
        return sys.stderr.write(masked(text))

    def flush(self) -> None:
        sys.stderr.flush()


def print_logger(*_: object) -> structlog.PrintLogger:
    return structlog.PrintLogger(cast(TextIO, CurrentStderr()))


def configure_logs(level: int = logging.INFO) -> None:
    """Log to standard error; Faust's and aiokafka's own lines from WARNING on."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.processors.add_log_level,
    ]
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=print_logger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(CurrentStderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for client in CLIENTS:
        logging.getLogger(client).setLevel(logging.NOTSET)


def quiet_logs() -> None:
    """For commands: only what a person has to know; the clients' own retries are no news."""
    configure_logs(logging.WARNING)
    for client in CLIENTS:
        logging.getLogger(client).setLevel(logging.CRITICAL)
