"""Commands that bring posts in and find them again: replay, import, search."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from connectors.file import File
from connectors.replay import Replay
from pipeline.bring_in import bring_in
from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    app,
    console,
    errors,
    local_time,
    print_json,
    settings_of,
    time_of,
    wait_for,
)
from pipeline.components import configure
from pipeline.endpoints import elasticsearch_client
from pipeline.mappings import needed_mapping
from pipeline.settings import Settings
from pipeline.source_progress import Progress
from pipeline.status import live_workers
from pipeline.try_file import MAX_FAULTS, Tried, try_file
from processors.query_fields import field_of, plain_value
from schemas.enriched import Mood
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import PostDraft
from sinks.notice_text import platform_name

if TYPE_CHECKING:
    from sinks.search import Hit, PostQuery

__all__ = ["print_hit"]

MOODS = {"negative": ("负面", "red"), "neutral": ("中性", "white"), "positive": ("正面", "green")}


@app.command(
    "replay",
    help=say(
        "重放一段录好的帖子（JSONL，可 gz），按原来的节奏、加速或尽快。",
        "Replay a recording (JSONL, may be gz): at its own pace, faster, or as fast as possible.",
    ),
)
def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help=say("录制文件。", "Recording."))],
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", help=say("列映射（TOML）。", "Column mapping (TOML).")),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            min=0.001,
            help=say(
                "1 为原速，60 为六十倍；默认尽快。",
                "1: own pace, 60: sixty times; default: as fast as possible.",
            ),
        ),
    ] = None,
    shift_to_now: Annotated[
        bool,
        typer.Option(
            "--shift-to-now",
            help=say("整日平移，让录制在今天结束。", "Shift by whole days so that it ends today."),
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help=say("从上次中断处继续。", "Go on where the last one stopped.")
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Replay a recording into posts.raw."""
    settings = settings_of(context)
    options: dict[str, Any] = {"path": file, "mapping": mapping or needed_mapping(file)}
    options |= {"speed": speed or 0, "shift_to_now": shift_to_now}
    config = configure("replay", Replay.Config, options)
    if any(worker.role == "ingest" for worker in live_workers(settings.folder)):
        # The live clock has closed the recording's hours long ago.
        errors.print(
            say(
                "提示：ingest 正在运行，时钟走的是现在：这段录制能搜到，但不会报警。要看警报，请把 "
                "up.ingest 设为 0，并用新的 kafka.prefix。",
                "Note: ingest runs, so the clock stands at now: this recording can be searched, "
                "but raises no alarm. For alarms set up.ingest = 0 and a fresh kafka.prefix.",
            ),
            soft_wrap=True,
        )
    name = f"replay:{file.name}"
    done = wait_for(
        bring_in(
            settings,
            name,
            "replay",
            lambda context: Replay(name, config, context),
            resume=resume,
            console=None if json_output else console,
        )
    )
    _told(done, json_output)


@app.command(
    "import",
    help=say(
        "导入一个文件（CSV/TSV/JSONL/XLSX，UTF-8 或 GB18030），中断后可继续。",
        "Import a file (CSV/TSV/JSONL/XLSX, UTF-8 or GB18030); an interrupted import goes on.",
    ),
)
def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help=say("文件。", "File."))],
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", help=say("列映射（TOML）。", "Column mapping (TOML).")),
    ] = None,
    original_times: Annotated[
        bool,
        typer.Option(
            "--original-times",
            help=say(
                "历史数据：按原来的时间计，不截到最近 30 天。",
                "History: count by the original times instead of clamping to the last 30 days.",
            ),
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help=say("从头再导入一遍。", "Import from the beginning again.")),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help=say(
                "只看不写：前几条会成为怎样的帖子，哪些行会失败、为什么（列前 100 行；加 --json "
                "列出全部）。",
                "Write nothing: show the first posts, and which rows would fail and why (the "
                "first 100; with --json all).",
            ),
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Import a file into posts.raw."""
    settings = settings_of(context)
    mapping = mapping or needed_mapping(file)
    options: dict[str, Any] = {"path": file, "mapping": mapping}
    config = configure("import", File.Config, options | {"original_times": original_times})
    name = f"import:{file.name}"
    if dry_run:
        tried = try_file(config, name, most_faults=None if json_output else MAX_FAULTS)
        _shown(tried, settings, json_output)
        return
    done = wait_for(
        bring_in(
            settings,
            name,
            "file",
            lambda context: File(name, config, context),
            resume=not again,
            console=None if json_output else console,
        )
    )
    _told(done, json_output)


def _shown(tried: Tried, settings: Settings, json_output: bool) -> None:
    if json_output:
        print_json(tried)
    else:
        for line, draft in tried.first:
            _print_draft(line, draft, settings)
        for fault in tried.faults:
            where = say(f"第 {fault.line} 行", f"line {fault.line}")
            console.print(f"✗ {where}  {fault.kind}  {fault.message}", soft_wrap=True)
        if (more := tried.rejected - len(tried.faults)) > 0:
            console.print(
                say(
                    f"…… 另有 {more} 行会失败（加 --json 列出全部）",
                    f"… and {more} more rows would fail (--json lists all)",
                )
            )
        for kind, count in sorted(tried.kinds.items()):
            console.print(f"  {kind}: {count}")
        console.print(
            say(
                f"试读：{tried.posts} 行会成为帖子，{tried.rejected} 行会进入死信；什么也没写。",
                f"Tried: {tried.posts} rows would become posts, {tried.rejected} go to dead "
                "letters; nothing was written.",
            )
        )
    if tried.rejected:
        raise typer.Exit(EXIT_NO)


def _print_draft(line: int, draft: PostDraft, settings: Settings) -> None:
    head = Text(say(f"第 {line} 行  ", f"line {line}  "), style="dim")
    head.append(local_time(draft.published_at, settings, "%Y-%m-%d %H:%M"), style="bold")
    platform = platform_name(draft.platform, settings.platforms)
    head.append(f"  {platform} {draft.author.name or draft.author.id}", style="cyan")
    head.append(f"  {draft.kind}  {draft.id}", style="dim")
    console.print(head, soft_wrap=True)
    for text in (draft.title, draft.text):
        if text:
            short = text[:160].replace("\n", " ") + ("…" if len(text) > 160 else "")
            console.print(Text(f"  {short}"), soft_wrap=True)


def _told(done: Progress, json_output: bool) -> None:
    if json_output:
        print_json({"posts": done.posts, "rejected": done.rejected})
        return
    console.print(
        say(
            f"写入 {done.posts} 条帖子，{done.rejected} 条进入死信。",
            f"{done.posts} posts written, {done.rejected} sent to dead letters.",
        )
    )
    if done.rejected:
        console.print(
            say("查看原因：tingchao dead-letters list", "Why: tingchao dead-letters list")
        )


@app.command(
    "search",
    help=say(
        "按词语、品牌、情绪、意图和时间查找帖子；空格隔开的每个词都要出现。",
        "Find posts by phrases, brand, mood, intent and time; "
        "every phrase (split by spaces) must occur.",
    ),
)
def search(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help=say("词语，用空格隔开。", "Phrases, split by spaces."))
    ] = None,
    brand: Annotated[
        str | None, typer.Option("--brand", help=say("品牌 id。", "Brand id."))
    ] = None,
    mood: Annotated[
        str | None,
        typer.Option("--mood", help="negative | neutral | positive"),
    ] = None,
    intent: Annotated[
        str | None,
        typer.Option(
            "--intent",
            help=say("意图，如 投诉、购买。", "Intent, such as complaint or purchase."),
        ),
    ] = None,
    platform: Annotated[
        str | None, typer.Option("--platform", help=say("平台。", "Platform."))
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help=say(
                "从何时起，如 2026-10-01 或 2026-10-01T08:00。",
                "From, e.g. 2026-10-01 or 2026-10-01T08:00.",
            ),
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help=say("到何时为止（不含）。", "Until (exclusive)."))
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help=say("最多几条。", "At most."))
    ] = 10,
    every_copy: Annotated[
        bool,
        typer.Option("--every-copy", help=say("不合并相同文字的帖子。", "Do not fold copies.")),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Find posts."""
    from sinks.search import PostQuery

    settings = settings_of(context)
    query = PostQuery(
        text=text,
        brand=brand,
        mood=_mood(mood),
        intent=_intent(intent),
        platform=platform,
        since=time_of("--since", since, settings),
        until=time_of("--until", until, settings),
        fold_copies=not every_copy,
    )
    found = wait_for(_search(settings, query, limit))
    if json_output:
        print_json({"total": found.total, "hits": found.hits})
        return
    if not found.hits:
        console.print(say("没有找到帖子。", "No posts found."))
        return
    for hit in found.hits:
        print_hit(hit, settings)
    console.print(
        say(
            f"共 {found.total} 条，显示 {len(found.hits)} 条。",
            f"{found.total} in all, {len(found.hits)} shown.",
        )
    )


async def _search(settings: Settings, query: "PostQuery", limit: int) -> Any:
    from sinks.search import Search

    index = elasticsearch_client(settings)
    try:
        return await Search(index).posts(query, size=limit)
    finally:
        await index.close()


def print_hit(hit: "Hit", settings: Settings) -> None:
    """One post: when, where, who, mood, brands; the text with its marks; the address.

    The terminal wraps: rich breaks at spaces, of which Chinese has few, so it would leave a line
    half empty before a long sentence.
    """
    post = hit.post
    head = Text(local_time(post.event_at, settings), style="bold")
    platform = platform_name(post.platform, settings.platforms)
    head.append(f"  {platform} {post.author.name or post.author.id}", style="cyan")
    if post.sentiment:
        zh, colour = MOODS[post.sentiment.label]
        head.append("  " + say(zh, post.sentiment.label), style=colour)
    if post.brands:
        head.append("  " + " ".join(tag.brand for tag in post.brands), style="magenta")
    if hit.copies:
        head.append("  " + say(f"另有 {hit.copies} 条相同", f"+{hit.copies} copies"), style="dim")
    console.print(head, soft_wrap=True)
    if post.title:
        console.print(Text("  ") + _marked(post.title, hit, "title"), soft_wrap=True)
    console.print(Text("  ") + _marked(post.text, hit, "text"), soft_wrap=True)
    if post.root_text and any(span.field == "root_text" for span in hit.marks):
        quoted = Text(say("  ↳ 原帖：", "  ↳ in answer to: "), style="dim")
        console.print(quoted + _marked(post.root_text, hit, "root_text"), soft_wrap=True)
    if post.url:
        console.print(Text(f"  {post.url}", style="dim"), soft_wrap=True)


def _marked(text: str, hit: "Hit", field: str) -> Text:
    """The text, shortened around its first mark, with the marks shown."""
    spans = [span for span in hit.marks if span.field == field]
    start = max(0, spans[0].start - 40) if spans else 0
    end = min(len(text), start + 160)
    shown = Text("…" if start else "")
    offset = len(shown)
    shown.append(text[start:end].replace("\n", " "))
    if end < len(text):
        shown.append("…")
    for span in spans:
        if span.start >= start and span.end <= end:
            shown.stylize("bold reverse", span.start - start + offset, span.end - start + offset)
    return shown


def _mood(value: str | None) -> Mood | None:
    if value is None:
        return None
    if value not in MOODS:
        raise FatalError(
            say(
                f"--mood 只能是 negative、neutral 或 positive，不是 {value}。",
                f"--mood must be negative, neutral or positive, not {value}.",
            )
        )
    return value  # type: ignore[return-value]


def _intent(value: str | None) -> str | None:
    """The label, which queries write the same ways: 投诉 or complaint."""
    field = field_of("intent")
    if value is None or field is None:
        return None
    label = field.values.get(plain_value(value))
    if label is None:
        labels = ", ".join(sorted(set(field.values.values())))
        raise FatalError(
            say(
                f"没有名为“{value}”的意图，可用的有：{labels}。",
                f"There is no intent {value!r}. Available: {labels}.",
            )
        )
    return label
