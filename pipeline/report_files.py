"""Writes a report: a folder with the page and a CSV file for each table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.report_csv import csv_bytes
from pipeline.report_figures import BrandReport
from pipeline.report_tables import report_tables
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import unwritten

__all__ = ["PAGE", "Renderer", "renderer", "write_report"]

PAGE = "report.html"

Renderer = Callable[[BrandReport, Mapping[str, str]], str]


def renderer() -> Renderer:
    """What writes the page; imported only now, with all that it needs.

    Raises:
        FatalError: the extra ``reports`` is not installed.
    """
    try:
        from pipeline.report_page import rendered
    except ImportError as error:
        raise FatalError(
            say(
                "报告需要 Jinja2 和 matplotlib。请在项目目录运行 pip install '.[reports]' 后再试。",
                "Reports need Jinja2 and matplotlib. Run pip install '.[reports]' in the project, "
                "then try again.",
            )
        ) from error
    return rendered


def write_report(
    report: BrandReport, out: Path, platforms: Mapping[str, str], render: Renderer
) -> list[Path]:
    """Write all files into a folder of the report's own below ``out``; the page comes first.

    A report of the same brand and period that is there already is replaced.

    Raises:
        FatalError: it can't be written.
    """
    folder = out / f"{report.brand}-{report.period}"
    zone = ZoneInfo(report.time_zone)
    files = {PAGE: render(report, platforms).encode()}
    for table in report_tables(report, platforms):
        files[f"{table.name}.csv"] = csv_bytes(table, zone)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        why = unwritten(error)
        raise FatalError(
            say(f"写不了 {folder}：{why}。", f"{folder} can't be written: {why}.")
        ) from error
    return [folder / name for name in files]
