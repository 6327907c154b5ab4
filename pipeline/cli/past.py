"""What ``backtest`` and ``tune`` share: which past, which part of it, which labels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.backtest import Asked
from pipeline.cli.common import errors, time_of
from pipeline.labelled_incidents import read_labelled
from pipeline.past import IndexPast, Past, TopicPast, file_past
from pipeline.settings import Settings
from processors.alarms import Labelled
from schemas.errors import FatalError
from schemas.language import say

__all__ = [
    "BrandOption",
    "FileOption",
    "FromOption",
    "IndexOption",
    "LabelsOption",
    "MappingOption",
    "ToOption",
    "TopicOption",
    "asked_part",
    "asked_past",
    "labels_within",
    "shown_progress",
]

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help=say(
            "从文件读：信号行，或帖子（JSONL，可 gz；或有列映射的表格）。",
            "Read a file: lines of signals, or posts (JSONL, may be gz; or a table and mapping).",
        ),
    ),
]
MappingOption = Annotated[
    Path | None,
    typer.Option(
        "--mapping", help=say("该文件的列映射（TOML）。", "The file's column mapping (TOML).")
    ),
]
TopicOption = Annotated[
    bool,
    typer.Option(
        "--topic",
        help=say(
            "从 signals topic 读它还留着的全部（默认）。",
            "Read all that the topic signals still holds (the default).",
        ),
    ),
]
IndexOption = Annotated[
    bool,
    typer.Option(
        "--index", help=say("从索引读帖子，按发布时间。", "Read the index's posts, by their time.")
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        help=say(
            "只报告此时起的警报；更早的仍用来学习。如 2026-10-01。",
            "Tell alarms from then on; what is earlier is still learned from. E.g. 2026-10-01.",
        ),
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", help=say("时钟停在此时（不含）。", "The clock stops then (exclusive).")),
]
BrandOption = Annotated[
    str | None, typer.Option("--brand", help=say("只看这个品牌。", "This brand only."))
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help=say(
            "已知事件（CSV：brand,start,end,kind）。",
            "Known incidents (CSV: brand,start,end,kind).",
        ),
    ),
]


def asked_part(
    settings: Settings, since: str | None, until: str | None, brand: str | None
) -> Asked:
    """The stretch of time and the brand.

    Raises:
        FatalError: a time can't be read, or the end is not behind the beginning.
    """
    start, end = time_of("--from", since, settings), time_of("--to", until, settings)
    if start is not None and end is not None and end <= start:
        raise FatalError(
            say(
                f"--to（{until}）不晚于 --from（{since}），这段时间是空的。",
                f"--to ({until}) is not behind --from ({since}): that is no time at all.",
            )
        )
    return Asked(start, end, brand)


def asked_past(
    settings: Settings,
    asked: Asked,
    file: Path | None,
    mapping: Path | None,
    *,
    topic: bool,
    index: bool,
    retagged: bool = False,
) -> Past:
    """Where to read from.

    Raises:
        FatalError: two places were named, or the one that was can't be used.
    """
    if (file is not None) + topic + index > 1:
        raise FatalError(
            say(
                "--file、--topic、--index 只能给一个。",
                "Give only one of --file, --topic, --index.",
            )
        )
    if mapping is not None and file is None:
        raise FatalError(say("--mapping 只能配 --file。", "--mapping goes with --file."))
    if file is not None:
        return file_past(file, mapping)
    if index:
        return IndexPast(settings, asked.until, asked.brand, retagged=retagged)
    return TopicPast(settings)


def labels_within(settings: Settings, path: Path | None, asked: Asked) -> list[Labelled] | None:
    """The labelled incidents of the stretch and brand; None without a file.

    Raises:
        FatalError: the file can't be used, or none of its incidents lies in the stretch.
    """
    if path is None:
        return None
    found = read_labelled(path, ZoneInfo(settings.time_zone))
    within = [
        label
        for label in found
        if asked.brand in (None, label.brand)
        and (asked.since is None or label.end >= asked.since)
        and (asked.until is None or label.start < asked.until)
    ]
    if not within:
        raise FatalError(
            say(
                f"{path} 的 {len(found)} 起事件都不在所问的时间和品牌里。",
                f"None of the {len(found)} incidents of {path} lies in the time and brand that "
                "were asked for.",
            )
        )
    return within


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Counts on the terminal while the past is read."""
    if quiet or not errors.is_terminal:
        yield lambda mentions: None
        return
    with errors.status(say("回放…", "Replaying…")) as status:
        yield lambda mentions: status.update(
            say(f"回放…已有 {mentions:,} 次提及", f"Replaying, {mentions:,} mentions so far")
        )
