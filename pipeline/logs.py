"""One readable log: time, level, event, details; the same shape in every process."""

import logging
import sys

import structlog

__all__ = ["configure_logs", "quiet_logs"]

CLIENTS = ("aiokafka", "elastic_transport")


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
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
