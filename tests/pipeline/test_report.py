"""A report: figures, page, files and command; its counting is tested in ``test_report_server``."""

import csv
import io
import json
import re
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline import report_picture
from pipeline.cli.common import print_json
from pipeline.loop import EXIT_FATAL
from pipeline.report_csv import csv_bytes
from pipeline.report_figures import BrandReport
from pipeline.report_files import renderer, write_report
from pipeline.report_lookup import asked_of
from pipeline.report_page import rendered
from pipeline.report_picture import volume_picture, volume_svg
from pipeline.report_summary import summary, warnings_of
from pipeline.report_tables import report_tables
from processors.changes import change
from processors.periods import HOUR, Period, day_of, week_of
from schemas.errors import FatalError
from schemas.language import use_language
from sinks.report_counts import Said
from sinks.report_posts import AuthorFigures, ShownPost
from tests.pipeline.line_rig import cli
from tests.pipeline.report_case import RULES, gap, incident, post, report

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = day_of(date(2026, 3, 4), SHANGHAI)
CHINESE = re.compile("[\u4e00-\u9fff]")
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}\u202e&lt;"
RULES_FILE = """
id = "main"
version = 3
author = "a"
reason = "b"
changed_at = "2026-01-01T00:00:00Z"
[[brands]]
id = "qilan"
name = "启澜汽车"
role = "own"
aliases = ["启澜"]
"""


@pytest.fixture(autouse=True)
def chinese() -> None:
    use_language("zh")


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# --- figures ----------------------------------------------------------------------------------


def test_figures_are_put_beside_those_before() -> None:
    made = report(DAY)

    assert made.total.posts == change(205, 120)
    assert made.negative_share == 80 / 200  # of those that were judged
    assert [(row.brand, row.share, row.share_before) for row in made.voice] == [
        ("qilan", 205 / 300, 0.5),
        ("beta", 95 / 300, 0.5),
        ("gamma", 0.0, 0.0),
    ]
    assert made.intents[0].posts == change(60, 20)
    assert made.hours[15].posts == 90 and made.hours[15].usual is not None
    assert (made.hours[15].usual.median, made.hours[15].usual.high) == (4, 9)
    assert made.usual_total is not None and made.usual_total.median == 24 * 5
    (told,) = made.incidents
    assert (told.minutes_to_acknowledgement, told.voices) == (12, 30)


def test_a_brand_without_a_past_is_compared_with_nothing() -> None:
    made = report(DAY, since=DAY.start - HOUR)

    assert not made.compared and made.total.posts == change(205, None)
    assert made.usual_total is None and {row.usual for row in made.hours} == {None}
    assert any("不作比较" in one for one in warnings_of(made))
    assert "说不出平时是多少" in next(summary(made, {}))
    assert "上期" not in Elements(rendered(made, {})).text.partition("怎么读")[0].replace(
        "上期占比", ""
    ).replace("上期没有完整", "")


def test_products_of_a_competitor_are_not_counted_beside_it() -> None:
    asked = asked_of([RULES], "qilan", DAY)

    assert list(asked.brands) == ["qilan", "beta", "gamma"]
    assert list(asked_of([RULES], "beta", DAY).brands) == ["beta", "qilan"]
    with pytest.raises(FatalError, match="没有品牌 nobody；有的是：qilan, ql6, beta"):
        asked_of([RULES], "nobody", DAY)


# --- the first screen -------------------------------------------------------------------------


def test_the_summary_says_what_matters() -> None:
    assert list(summary(report(DAY), {})) == [
        "共 205 条帖子，高于平时（平时 100–142，据过去 8 期）。",
        "1 个小时高于平时；最高在 2026-03-04 15:00，90 条（平时最多 9）。",
        "危机（严重 4/5，处理中）：2026-03-04 15:00 起，30 个声音，25 个负面，12 分钟后有人知悉。",
        "投诉 60 条（▲200%），最多的原因是质量（30）。",
        "最受批评的方面：服务，22 次提及里 20 次负面。",
        "95% 的帖子来自微博。",
    ]


def test_what_makes_figures_doubtful_is_told_first() -> None:
    gaps = [gap(DAY.start + place * HOUR, DAY.start + (place + 1) * HOUR) for place in range(5)]
    part = DAY.until(DAY.start + 20 * HOUR)

    told = list(warnings_of(report(part, gaps=[*gaps[:4], gap(DAY.start + 19 * HOUR, None)])))

    assert "信源 weibo-main 从 2026-03-04 00:00 到 2026-03-04 01:00 没有听到" in told[0]
    assert told[3].startswith("另有 2 次信源中断")
    assert any("还没有结束" in one for one in told)
    assert any("1 条帖子自称的时间不可信" in one for one in told)
    assert any("热搜榜上见到 2 次" in one for one in told)
    shown = Elements(rendered(report(part), {})).text
    assert "未结束，截至 2026-03-04 20:00" in shown


def test_a_silent_day_is_a_report() -> None:
    nothing = {brand: Said() for brand in ("qilan", "beta", "gamma")}
    made = report(
        DAY,
        each=nothing,
        moods={brand: {} for brand in nothing},
        hours={},
        incidents=[],
        posts=[],
        comments=[],
        authors=[],
    )

    page = Elements(rendered(made, {}))

    assert made.negative_share is None and made.voice[0].share is None
    assert "本期没有可列的：" in page.text


# --- the page ---------------------------------------------------------------------------------


def hostile_report() -> BrandReport:
    bad = post(
        "weibo:1",
        DAY.start,
        text=HOSTILE,
        title=HOSTILE,
        author={"id": "u4711", "name": HOSTILE},
        root_text=HOSTILE,
        url='http://weibo.example/"><script>alert(3)</script>',
    )
    first = incident(DAY.start).first_post.replaced(excerpt=HOSTILE, url="javascript:alert(4)")
    return report(
        DAY,
        posts=[ShownPost(bad, 0)],
        comments=[ShownPost(bad, 0)],
        authors=[AuthorFigures(HOSTILE, "weibo", None, 1, 1.0, 1, 1)],
        incidents=[incident(DAY.start, first_post=first, owner=HOSTILE)],
        gaps=[gap(DAY.start, None, source=HOSTILE, message=HOSTILE)],
    )


def test_what_strangers_wrote_stays_text() -> None:
    page = Elements(rendered(hostile_report(), {"weibo": HOSTILE}))

    assert {tag for tag, _ in page.tags} == {
        *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "div"),
        *("ul", "li", "img", "main", "section", "table", "thead", "tbody", "tr", "th", "td"),
        *("span", "i", "a", "footer"),
    }
    names = {name for _, attributes in page.tags for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    for tag, attributes in page.tags:
        if tag == "a":
            assert (attributes["href"] or "").startswith("http://weibo.example/")
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/svg+xml;base64,")
    assert page.text.count("<script>alert(1)</script>") >= 7
    assert "{{7*7}}" in page.text and "\u202e" not in page.text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = rendered(report(DAY), {})
    elements = Elements(page)

    policy = next(each for tag, each in elements.tags if "http-equiv" in each)
    assert "default-src 'none'" in (policy["content"] or "")
    loaded = [each.get("src") for tag, each in elements.tags if "src" in each]
    assert all(one and one.startswith("data:") for one in loaded)
    assert "@import" not in page and "url(" not in page and "<link" not in page


def test_same_figures_same_bytes() -> None:
    assert rendered(report(DAY), {}) == rendered(report(DAY), {})


@pytest.mark.parametrize("period", [DAY, week_of(date(2026, 3, 4), SHANGHAI)])
def test_the_english_page_has_no_chinese_but_what_people_wrote(period: Period) -> None:
    use_language("en")

    text = Elements(rendered(report(period), {})).text

    for written in ("启澜汽车", "启澜的刹车失灵了", "江城晚报", "管管", "小林", "北塔", "佳马"):
        text = text.replace(written, "")
    text = text.replace("刹车失灵", "").replace("刹车:失灵", "").replace("刹车问题", "")
    assert CHINESE.findall(text) == []
    assert "Share of voice" in text


# --- people -----------------------------------------------------------------------------------


def everything(made: BrandReport, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    files = write_report(made, folder, {}, renderer())
    print_json(made)
    return "".join(file.read_text(encoding="utf-8") for file in files) + capsys.readouterr().out


def test_nothing_names_the_account_of_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_post = post("weibo:1", DAY.start, url=None)

    told = everything(report(DAY, posts=[ShownPost(open_post, 0)], comments=[]), tmp_path, capsys)

    assert "u4711" not in told
    assert "小林" in told and "weibo:1" in told


def test_without_names_nobody_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = report(DAY, show_names=False, incidents=[incident(DAY.start, owner="wang")])

    told = everything(made, tmp_path, capsys)

    for name in ("小林", "江城晚报", "wang", "weibo:1", "weibo.example", "u4711"):
        assert name not in told, name
    assert "@… 管管" in told and "媒体" in told


# --- files ------------------------------------------------------------------------------------


def test_the_files_are_a_folder_that_spreadsheets_open(tmp_path: Path) -> None:
    files = write_report(report(DAY), tmp_path / "new", {}, renderer())

    assert files[0] == tmp_path / "new" / "qilan-2026-03-04" / "report.html"
    assert len(files) == 20
    rows = list(csv.reader(io.StringIO((files[0].parent / "hours.csv").read_bytes()[3:].decode())))
    assert (files[0].parent / "hours.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert rows[0][:2] == ["小时", "帖子"] and len(rows) == 25
    assert rows[16] == ["2026-03-04 15:00", "90", "4.0", "1", "9", "8", ""]
    again = write_report(report(DAY), tmp_path / "new", {}, renderer())
    assert again == files


def test_a_formula_of_a_stranger_is_not_computed() -> None:
    bad = post("weibo:1", DAY.start, text='=HYPERLINK("http://evil.example",A1)')
    tables = {one.name: one for one in report_tables(report(DAY, posts=[ShownPost(bad, 0)]), {})}

    rows = list(csv.reader(io.StringIO(csv_bytes(tables["top-posts"], SHANGHAI).decode()[1:])))

    assert rows[1][0].startswith("'=HYPERLINK")
    cells = [cell for row in rows[1:] for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+@" and cell]


def test_every_row_has_a_cell_for_every_title() -> None:
    for table in report_tables(hostile_report(), {}):
        rows = list(csv.reader(io.StringIO(csv_bytes(table, SHANGHAI).decode())))
        assert {len(row) for row in rows} == {len(rows[0])}, table.name


# --- pictures ---------------------------------------------------------------------------------


def test_the_picture_is_svg_with_text_and_png_for_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = report(DAY).hours
    use_language("en")

    svg = volume_svg(hours, SHANGHAI).decode()
    assert "usual range</text>" in svg and "above the usual</text>" in svg
    monkeypatch.setattr(report_picture, "_installed", list)
    assert volume_picture(hours, SHANGHAI, "$A$ 2026-03-04").startswith(b"\x89PNG")
    with pytest.raises(FatalError, match="apt install fonts-noto-cjk"):
        volume_picture(hours, SHANGHAI, "启澜")
    use_language("zh")
    with pytest.raises(FatalError, match="缺中文字体"):
        volume_picture(hours, SHANGHAI)
    assert "平时范围</text>" in volume_svg(hours, SHANGHAI).decode()  # the reader's fonts show it


# --- the command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["daily", "--day", "2026-02-30"], "--day 看不懂 2026-02-30"),
        (["weekly", "--week", "2026-11-23"], "--week 看不懂 2026-11-23"),
        (["daily", "--day", "9999-12-31"], "--day 看不懂 9999-12-31"),
        (["daily", "--day", "2999-01-01"], "2999-01-01 还没有过完一个小时"),
        (["daily"], "没有品牌 nobody；有的是：qilan"),
        (["weekly", "--rules", "absent.toml"], "absent.toml"),
    ],
)
def test_what_cannot_be_reported_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.toml").write_text(RULES_FILE, encoding="utf-8")

    more = [] if "--rules" in arguments else ["--rules", "rules.toml"]
    answer = cli("report", *arguments, "--brand", "nobody", *more, TINGCHAO_LANGUAGE="zh")

    assert answer.code == EXIT_FATAL
    assert sentence in answer.err and answer.err.count("\n") == 1
    assert not list(tmp_path.glob("reports"))


def test_an_index_that_is_away_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.toml").write_text(RULES_FILE, encoding="utf-8")

    answer = cli(
        "report",
        *("daily", "--brand", "qilan", "--rules", "rules.toml"),
        TINGCHAO_LANGUAGE="zh",
        TINGCHAO_ELASTICSEARCH__URL="http://127.0.0.1:9",
    )

    assert answer.code == EXIT_FATAL
    assert "连不上 Elasticsearch" in answer.err and answer.err.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pipeline.report_page", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(FatalError, match=r"pip install '\.\[reports\]'"):
        renderer()


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")

    with pytest.raises(FatalError, match=r"写不了 .*taken"):
        write_report(report(DAY), tmp_path / "taken", {}, renderer())


def test_programs_get_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(report(DAY))

    told = json.loads(capsys.readouterr().out)
    assert told["total"]["posts"] == {
        "now": 205,
        "before": 120,
        "percent": 70.83333333333333,
        "by_chance": False,
    }
    assert told["hours"][15]["usual"]["high"] == 9
    assert told["since"] == "2026-03-03T16:00:00+00:00"
