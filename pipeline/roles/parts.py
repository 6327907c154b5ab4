"""What every role that reads a topic is put together from."""

from typing import Any

from pipeline.breaker import Breaker
from pipeline.crash_log import CrashLog
from pipeline.dead_letter_writer import DeadLetterWriter
from pipeline.guard import instance_number
from pipeline.kafka import Kafka
from pipeline.loop import SLICE_LINES, SafeLoop, Stage
from pipeline.settings import Settings
from pipeline.vitals import Reader

__all__ = ["safe_loop"]


def safe_loop(
    stage: Stage[Any],
    kafka: Kafka,
    settings: Settings,
    vitals: Reader,
    name: str | None = None,
    slice_lines: int = SLICE_LINES,
) -> SafeLoop[Any]:
    """The safe loop of a stage, with its dead letters, crash log and breaker.

    ``name`` tells readers of one stage apart; it is the stage's own by default.
    """
    # The next process of this place reads the notes.
    note = f"{settings.kafka.prefix}{name or stage.name}-{instance_number()}.json"
    letters = DeadLetterWriter(kafka, stage.name, name, vitals)
    crash_log = CrashLog(settings.folder / "crashes" / note)
    breaker = Breaker(stage.name, settings.folder / "halted" / note, vitals=vitals)
    return SafeLoop(stage, letters, crash_log, breaker, slice_lines=slice_lines, vitals=vitals)
