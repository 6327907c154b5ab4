"""Draws a backtest as a picture (SVG), one for each brand: mentions by hour, and the alarms in it.

Our own writer, as of a spread: no script, no style sheet, no font of ours, foreign text escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from math import ceil
from zoneinfo import ZoneInfo

from processors.alarms import Alarm, Labelled
from processors.backtest import HOUR
from processors.hour_band import band_of
from schemas.language import say
from sinks.wording import KINDS, clean

__all__ = ["brand_picture"]

WIDTH, HEIGHT = 1280, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 1250, 130, 420
_FONT = "'Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif"
_INK, _FAINT, _BARS, _BAND, _LABEL = "#1f2933", "#7b8794", "#5b7083", "#cfe3f1", "#fbe3c8"
#: Okabe and Ito's, which the colour-blind tell apart.
_COLOURS = {"crisis": "#d55e00", "copy_flood": "#b8860b", "praise_surge": "#009e73"}
_OTHER = "#0072b2"
_MOST_COLUMNS = 1_200
_NAMED_ALARMS = 12
_NAME_ROWS = 4


def brand_picture(
    brand: str,
    hours: Mapping[int, int],
    span: tuple[datetime, datetime],
    alarms: Sequence[Alarm],
    zone: ZoneInfo,
    *,
    old: Sequence[Alarm] = (),
    labels: Sequence[Labelled] = (),
) -> str:
    """The whole file. ``hours``: by hours since 1970, from the first that was heard; ``span``: what
    is drawn of them; ``old``: the alarms of the version compared with.
    """
    drawing = _Picture(brand, hours, span, zone)
    return "\n".join(drawing.lines(alarms, old, labels)) + "\n"


class _Picture:
    def __init__(
        self,
        brand: str,
        hours: Mapping[int, int],
        span: tuple[datetime, datetime],
        zone: ZoneInfo,
    ) -> None:
        self._brand, self._hours, self._zone = clean(brand), hours, zone
        self._first = int(span[0].timestamp()) // HOUR
        self._end = max(self._first + 1, ceil(span[1].timestamp() / HOUR))
        # So many hours a column that bars can still be told apart.
        self._step = ceil((self._end - self._first) / _MOST_COLUMNS)
        self._columns = [
            (hour, max(hours.get(one, 0) for one in range(hour, hour + self._step)))
            for hour in range(self._first, self._end, self._step)
        ]
        self._heard = min(hours, default=self._first)
        self._bands = [
            (hour, band) for hour, _ in self._columns if (band := band_of(hours, hour, self._heard))
        ]
        highest = [count for _, count in self._columns] + [high for _, (_, high) in self._bands]
        self._top = _round_up(max([1, *highest]))

    def lines(
        self, alarms: Sequence[Alarm], old: Sequence[Alarm], labels: Sequence[Labelled]
    ) -> Iterator[str]:
        """From the back to the front."""
        title = say(
            f"{self._brand}：每小时提及与警报", f"{self._brand}: mentions by hour, and alarms"
        )
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img" font-family="{_FONT}" fill="{_INK}">'
        )
        yield f"<title>{escape(title)}</title>"
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        yield _write(LEFT, 40, title, size=20, more='font-weight="bold"')
        yield from self._labelled(labels)
        yield from self._band()
        yield self._bars()
        yield from self._axes()
        for alarm in old:
            yield self._old(alarm)
        yield from self._alarms(alarms)
        yield _write(LEFT, HEIGHT - 18, self._legend(old, labels), size=12, colour=_FAINT)
        yield "</svg>"

    def _x(self, hour: float) -> float:
        part = (hour - self._first) / (self._end - self._first)
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, part))

    def _at(self, time: datetime) -> float:
        return self._x(time.timestamp() / HOUR)

    def _y(self, count: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * count / self._top

    def _labelled(self, labels: Sequence[Labelled]) -> Iterator[str]:
        for label in labels:
            left, right = self._at(label.start), self._at(label.end)
            yield (
                f'<rect x="{left:.1f}" y="{TOP}" width="{max(1.0, right - left):.1f}" '
                f'height="{BOTTOM - TOP}" fill="{_LABEL}"/>'
            )

    def _band(self) -> Iterator[str]:
        """One shape for each stretch of hours that have a band."""
        stretch: list[tuple[int, tuple[int, int]]] = []
        for hour, band in [*self._bands, (-1, (0, 0))]:
            if stretch and hour != stretch[-1][0] + self._step:
                upper = [f"{self._x(h):.1f} {self._y(high):.1f}" for h, (_, high) in stretch]
                lower = [f"{self._x(h):.1f} {self._y(low):.1f}" for h, (low, _) in stretch]
                yield f'<path d="M{"L".join([*upper, *reversed(lower)])}Z" fill="{_BAND}"/>'
                stretch = []
            stretch.append((hour, band))

    def _bars(self) -> str:
        width = (RIGHT - LEFT) / max(1, len(self._columns))
        strokes = "".join(
            f"M{self._x(hour) + width / 2:.1f} {BOTTOM}V{self._y(count):.1f}"
            for hour, count in self._columns
            if count
        )
        return (
            f'<path d="{strokes}" stroke="{_BARS}" stroke-width="{max(0.6, 0.8 * width):.2f}" '
            'fill="none"/>'
        )

    def _axes(self) -> Iterator[str]:
        for part in (0.0, 0.5, 1.0):
            y = self._y(part * self._top)
            yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#e4e7eb" fill="none"/>'
            count = f"{part * self._top:g}"
            yield _write(LEFT - 8, y + 4, count, size=11, colour=_FAINT, more='text-anchor="end"')
        for day in self._days():
            x = self._at(day)
            yield f'<path d="M{x:.1f} {BOTTOM}v6" stroke="{_FAINT}" fill="none"/>'
            yield _write(x, BOTTOM + 20, f"{day:%m-%d}", size=11, colour=_FAINT)

    def _days(self) -> Iterator[datetime]:
        """Local midnights, at most some fifteen."""
        start = datetime.fromtimestamp(self._first * HOUR, UTC).astimezone(self._zone)
        days = (self._end - self._first) / 24
        step = max(1, ceil(days / 15))
        day = start.replace(hour=0, minute=0) + timedelta(days=1)
        while day.timestamp() < self._end * HOUR:
            yield day
            day += timedelta(days=step)

    def _old(self, alarm: Alarm) -> str:
        x = self._at(alarm.opened_at)
        return (
            f'<path d="M{x:.1f} {BOTTOM + 28}l-6 11h12Z" fill="#fff" '
            f'stroke="{_colour(alarm)}" stroke-width="1.5"/>'
        )

    def _alarms(self, alarms: Sequence[Alarm]) -> Iterator[str]:
        for place, alarm in enumerate(alarms):
            x, colour = self._at(alarm.opened_at), _colour(alarm)
            told = f"{alarm.opened_at.astimezone(self._zone):%m-%d %H:%M} {_kind(alarm)}"
            yield f'<path d="M{x:.1f} {BOTTOM}V{TOP - 4}" stroke="{colour}" stroke-width="1.6"/>'
            yield (
                f'<path d="M{x:.1f} {BOTTOM + 26}l-6 11h12Z" fill="{colour}">'
                f"<title>{escape(told)}</title></path>"
            )
            if place < _NAMED_ALARMS:
                y = TOP - 12 - 16 * (place % _NAME_ROWS)
                right = x > RIGHT - 160
                more = 'text-anchor="end"' if right else ""
                yield _write(x - 4 if right else x + 4, y, told, size=12, colour=colour, more=more)

    def _legend(self, old: Sequence[Alarm], labels: Sequence[Labelled]) -> str:
        parts = [
            say("柱：提及", "bars: mentions")
            + (
                ""
                if self._step == 1
                else say(
                    f"（每 {self._step} 小时的最高值）", f" (highest of every {self._step} hours)"
                )
            ),
            say("三角：警报", "triangle: alarm"),
        ]
        if self._bands:
            parts.insert(
                1,
                say(
                    "浅蓝：前 14 天同一时段的通常范围",
                    "light blue: usual range of these hours, 14 days before",
                ),
            )
        if old:
            parts.append(say("空心三角：对照规则的警报", "hollow: alarm of the other rules"))
        if labels:
            parts.append(say("浅橙：已标注的事件", "light orange: labelled incident"))
        return " · ".join(parts)


def _colour(alarm: Alarm) -> str:
    return _COLOURS.get(alarm.kind, _OTHER)


def _kind(alarm: Alarm) -> str:
    name = KINDS.get(alarm.kind)
    return f"{say(*name) if name else alarm.kind} {alarm.severity}/5"


def _round_up(count: int) -> int:
    """The next 1, 2 or 5 with zeros."""
    step = 1
    while True:
        for lead in (1, 2, 5):
            if count <= lead * step:
                return lead * step
        step *= 10


def _write(x: float, y: float, text: str, *, size: int, colour: str = _INK, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
        f"{' ' + more if more else ''}>{escape(text)}</text>"
    )
