"""Draws posts by hour against what is usual: as SVG for the page, as PNG for mails.

Needs matplotlib (the extra ``reports``): whoever imports this module imports it. The SVG keeps text
as text, so that the reader's own fonts show it; a PNG needs a Chinese font on this machine. Same
figures, same bytes, on one machine.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from zoneinfo import ZoneInfo

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report_figures import HourRow
from schemas.errors import FatalError
from schemas.language import language, say

__all__ = ["CHINESE_FONTS", "volume_picture", "volume_svg"]

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Noto Sans CJK JP",  # the name that matplotlib reads from the collection of all five
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "PingFang HK",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "DengXian",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
_LATIN = "DejaVu Sans"
"""Comes with matplotlib."""
_INK, _FAINT, _BAND, _HIGH, _GAP = "#1f2933", "#7b8794", "#cfe3f3", "#d55e00", "#e4e7eb"
_WEEKDAYS = ("周一 周二 周三 周四 周五 周六 周日 ", "MonTueWedThuFriSatSun")
_SIZE = (11.0, 2.9)
"""Inches, at 100 dots each."""


def volume_svg(hours: Sequence[HourRow], zone: ZoneInfo) -> bytes:
    """The picture for a page; text stays text, in the first font that the reader has."""
    with _style(_installed()):
        figure = _drawn(hours, zone, "")
        out = BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        return out.getvalue()


def volume_picture(hours: Sequence[HourRow], zone: ZoneInfo, title: str = "") -> bytes:
    """The picture as PNG, for mails.

    Raises:
        FatalError: the texts are Chinese, and no font of this machine has the signs.
    """
    fonts = _installed()
    if not fonts and (language() == "zh" or not title.isascii()):
        raise _no_font()
    with _style(fonts):
        figure = _drawn(hours, zone, title)
        out = BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
        return out.getvalue()


def _no_font() -> FatalError:
    return FatalError(
        say(
            "画图缺中文字体：请运行 apt install fonts-noto-cjk（或 fonts-wqy-microhei）再试。",
            "No Chinese font for the picture: run `apt install fonts-noto-cjk` (or "
            "fonts-wqy-microhei), then try again.",
        )
    )


def _installed() -> list[str]:
    known = set(font_manager.get_font_names())
    return [name for name in CHINESE_FONTS if name in known]


@contextmanager
def _style(fonts: Sequence[str]) -> Iterator[None]:
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Where no font has a sign, a picture of text as text does not need one.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcParams.update(
            {
                "font.family": [*fonts[:1], _LATIN],
                "font.size": 9,
                "svg.fonttype": "none",
                "svg.hashsalt": "tingchao",
                "axes.edgecolor": _FAINT,
                "axes.labelcolor": _INK,
                "xtick.color": _FAINT,
                "ytick.color": _FAINT,
                "text.color": _INK,
                "text.parse_math": False,  # a brand may be called $A$
            }
        )
        yield


def _drawn(hours: Sequence[HourRow], zone: ZoneInfo, title: str) -> Figure:
    figure = Figure(figsize=_SIZE, dpi=100, facecolor="white")
    axes: Axes = figure.add_axes((0.045, 0.12, 0.945, 0.76 if title else 0.80))
    edges = list(range(len(hours) + 1))
    _draw_gaps(axes, hours)
    usual = [row.usual for row in hours]
    if any(usual):
        nan = float("nan")
        axes.stairs(
            [nan if band is None else band.median for band in usual],
            edges,
            baseline=None,
            color="#5b7083",
            linewidth=1.1,
            linestyle="--",
            zorder=2.5,
            label=say("平时中位数", "usual median"),
        )
        axes.stairs(
            [nan if band is None else float(band.high) for band in usual],
            edges,
            baseline=[nan if band is None else float(band.low) for band in usual],
            fill=True,
            color=_BAND,
            label=say("平时范围", "usual range"),
        )
    axes.stairs(
        [row.posts for row in hours],
        edges,
        baseline=None,
        color=_INK,
        linewidth=1.4,
        zorder=3,
        label=say("帖子", "posts"),
    )
    high = [
        (place + 0.5, row.posts)
        for place, row in enumerate(hours)
        if row.usual is not None and row.posts > row.usual.high
    ]
    if high:
        axes.plot(
            [x for x, _ in high],
            [y for _, y in high],
            "o",
            color=_HIGH,
            markersize=4,
            zorder=4,
            label=say("高于平时", "above the usual"),
        )
    _draw_frame(axes, hours, zone, title)
    return figure


def _draw_gaps(axes: Axes, hours: Sequence[HourRow]) -> None:
    label: str | None = say("有信源中断", "a source was not heard")
    for place, row in enumerate(hours):
        if row.incomplete:
            axes.axvspan(place, place + 1, color=_GAP, linewidth=0, label=label)
            label = None


def _draw_frame(axes: Axes, hours: Sequence[HourRow], zone: ZoneInfo, title: str) -> None:
    walls = [row.at.astimezone(zone) for row in hours]
    ticks = [place for place, wall in enumerate(walls) if _has_tick(wall, len(hours))]
    axes.set_xticks(ticks, [_tick(walls[place], len(hours)) for place in ticks])
    axes.set_xlim(0, max(1, len(hours)))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.grid(axis="y", color="#eef1f4", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if title:
        axes.set_title(title, loc="left", fontsize=11)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, frameon=False, borderaxespad=0.2
    )


def _has_tick(wall: datetime, count: int) -> bool:
    return wall.minute == 0 and wall.hour % (3 if count <= 25 else 24) == 0


def _tick(wall: datetime, count: int) -> str:
    if count <= 25:
        return f"{wall.hour}:00"
    weekday = say(*_WEEKDAYS)[wall.weekday() * 3 : wall.weekday() * 3 + 3].strip()
    return f"{wall:%m-%d} {weekday}"
