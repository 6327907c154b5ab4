"""Commands that ask rules about posts: explain, try."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from connectors.base import Unreadable
from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    console,
    errors,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.cli.rules import FileArgument, RulesOption, SetOption, rules_app
from pipeline.endpoints import kafka_of
from pipeline.mappings import needed_mapping
from pipeline.one_post import asked_rules, indexed_post, post_of_text, read_text
from pipeline.rule_posts import all_but_rules, enriched, indexed_posts, recorded_posts
from pipeline.rule_retag import Retagged, retag
from pipeline.rules import live_rules, read_rule_file, refuse_broken
from pipeline.settings import Settings
from processors.rule_explain import Explanation, every_rule, explain_rule, rule_of
from processors.rule_trial import RuleJudge, Sample, Trial, Tried, only_rule
from processors.threads import Threads
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.language import say
from schemas.rules import RuleSet, joined

__all__: list[str] = []

Days = Annotated[
    float | None,
    typer.Option(
        "--days", min=0.01, max=3650, help=say("索引里最近几天。", "Last days of the index.")
    ),
]


# --- explain ----------------------------------------------------------------------------------


@rules_app.command(
    "explain",
    help=say(
        "一条帖子为什么命中、为什么没命中：逐项判断，指出位置。",
        "Why a post matches or does not: the verdict of each part, and where its words stand.",
    ),
)
def rules_explain(
    context: typer.Context,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule", help=say("规则 id；默认所有命中的。", "Rule id; by default all that match.")
        ),
    ] = None,
    post: Annotated[
        str | None, typer.Option("--post", help=say("索引里的帖子 id。", "Id of an indexed post."))
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help=say("一段文字。", "A text."))] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help=say("装着文字的文件（UTF-8）。", "File with a text (UTF-8).")),
    ] = None,
    rules: RulesOption = None,
    rule_set: SetOption = None,
    json_output: JsonOption = False,
) -> None:
    """Explain verdicts."""
    settings = settings_of(context)
    if sum(given is not None for given in (post, text, file)) != 1:
        raise FatalError(
            say(
                "请给出 --post、--text、--file 中的一个。", "Give one of --post, --text and --file."
            )
        )
    sets = wait_for(asked_rules(settings, rules, rule_set))
    written = text or "" if file is None else read_text(file)
    shown = wait_for(_post(settings, post, written, sets))
    explained = _explained(sets, shown, rule)
    if json_output:
        print_json(
            [
                {"rule_set": one.id, "version": one.version, "rule": why.rule.id}
                | {"fires": why.fires, "lines": why.lines}
                for one, why in explained
            ]
        )
        return
    for one, why in explained:
        verdict = say("命中", "matches") if why.fires else say("没有命中", "does not match")
        style = "green" if why.fires else "red"
        console.print(f"{one.label} {why.rule.id} {why.rule.name}: {verdict}", style=style)
        for line in why.lines:
            console.print(f"  {line}", soft_wrap=True)
        if post is not None:
            _tell_then(shown, one, why)
    if not explained:
        count = sum(len(one.rules) + len(one.keywords) for one in sets)
        console.print(
            say(
                f"{count} 条规则没有一条命中；用 --rule 看某一条为什么没命中。",
                f"None of {count} rules matches; see why one does not with --rule.",
            )
        )


async def _post(
    settings: Settings, post_id: str | None, text: str, sets: Sequence[RuleSet]
) -> EnrichedPost:
    if post_id is not None:
        return await indexed_post(settings, post_id)
    chain = all_but_rules(settings, joined(sets))
    [found] = enriched(chain, [post_of_text(text)], Threads())
    return found


def _explained(
    sets: Sequence[RuleSet], post: EnrichedPost, wanted: str | None
) -> list[tuple[RuleSet, Explanation]]:
    if wanted is None:
        every = [(one, explain_rule(rule, post)) for one in sets for rule in every_rule(one)]
        return [(one, why) for one, why in every if why.fires]
    named = [(one, rule) for one in sets if (rule := rule_of(one, wanted)) is not None]
    if not named:
        labels = ", ".join(one.label for one in sets)
        raise FatalError(
            say(
                f"{labels} 里没有规则 {wanted}；用 tingchao rules show 查看。",
                f"There is no rule {wanted} in {labels}; see `tingchao rules show`.",
            )
        )
    return [(one, explain_rule(rule, post)) for one, rule in named]


def _tell_then(post: EnrichedPost, rules: RuleSet, why: Explanation) -> None:
    """What was found when the post came in, where that was otherwise."""
    then = [
        match
        for match in post.matches
        if match.rule == why.rule.id and match.rule_set in (None, rules.id)
    ]
    if bool(then) == why.fires:
        return
    label = f"{rules.id}@{then[0].version}" if then else ""
    console.print(
        say(
            f"  收到时由 {label} 判为命中，规则后来改了。" if then else "  收到时没有命中。",
            f"  When it came in, {label} matched; the rules changed since."
            if then
            else "  When it came in, it did not match.",
        ),
        style="yellow",
        soft_wrap=True,
    )


# --- try --------------------------------------------------------------------------------------


@rules_app.command(
    "try",
    help=say(
        "拿规则文件在过去的帖子上试：每天命中多少、样例、比线上多了什么少了什么。",
        "Try a rule file on posts of the past: matches a day, examples, what it adds to and loses "
        "against the live version.",
    ),
)
def rules_try(
    context: typer.Context,
    file: FileArgument,
    rule: Annotated[
        str | None, typer.Option("--rule", help=say("只试这一条。", "This rule only."))
    ] = None,
    days: Days = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help=say(
                "帖子文件，不用索引（JSONL，可 gz；或有列映射的表格）。",
                "A file of posts instead of the index (JSONL, may be gz; or a table with a "
                "mapping).",
            ),
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", help=say("列映射（TOML）。", "Column mapping (TOML).")),
    ] = None,
    retag_history: Annotated[
        bool,
        typer.Option(
            "--retag",
            help=say(
                "试完把线上规则的命中写回索引里的这些天；文件必须已经发布。",
                "Then write what the live rules match onto those days of the index; the file has "
                "to be live.",
            ),
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Try rules on the past."""
    settings = settings_of(context)
    if (days is None) == (recording is None) or (retag_history and days is None):
        raise FatalError(
            say(
                "请给出 --days 或 --from 中的一个；--retag 要和 --days 一起用。",
                "Give either --days or --from; --retag goes with --days.",
            )
        )
    new = read_rule_file(file)
    refuse_broken(new)
    trial, unreadable, done = wait_for(
        _try(settings, new, rule, days, (recording, mapping), retag_history)
    )
    nothing_read = unreadable.count > 0 and trial.posts == 0
    if json_output:
        report = {"posts": trial.posts, "unreadable": unreadable.count}
        print_json(report | {"rules": list(trial.rules.values()), "retagged": done})
    else:
        _print_trial(trial, unreadable)
        _print_retagged(done)
    raise typer.Exit(EXIT_NO if nothing_read else 0)


def _print_retagged(done: Retagged | None) -> None:
    if done is not None:
        console.print(
            say(
                f"重标：看了 {done.looked_at} 条，改写 {done.written} 条，几秒后可以搜到。",
                f"Retagged: {done.looked_at} posts looked at, {done.written} written again; "
                "searchable within seconds.",
            )
        )


@dataclass
class _NoPosts:
    """Rows of a file that are none: how many, and what is wrong with the first."""

    count: int = 0
    first: Unreadable | None = None

    def take(self, rows: Sequence[Unreadable]) -> None:
        self.count += len(rows)
        if self.first is None and rows:
            self.first = rows[0]

    def told(self) -> str:
        """The end of a sentence; empty where every row was a post."""
        if self.first is None:
            return ""
        line, why = self.first.line, self.first.message.rstrip("。.")
        return say(
            f"；{self.count} 行不是帖子，第一处在第 {line} 行：{why}",
            f"; {self.count} rows are no posts, the first is line {line}: {why}",
        )


async def _try(
    settings: Settings,
    new: RuleSet,
    rule: str | None,
    days: float | None,
    source: tuple[Path | None, Path | None],
    retag_history: bool,
) -> tuple[Trial, _NoPosts, Retagged | None]:
    old = await _live_or_none(settings, new, need=days is not None)
    if retag_history:
        _check_live(settings, new, old)
    if rule is not None:
        if rule_of(new, rule) is None and (old is None or rule_of(old, rule) is None):
            raise FatalError(
                say(
                    f"{new.label} 里没有规则 {rule}；请查 --rule。",
                    f"There is no rule {rule} in {new.label}; see --rule.",
                )
            )
        old_one = only_rule(old, rule) if old is not None else None
        trial = _trial(settings, only_rule(new, rule), old_one)
    else:
        trial = _trial(settings, new, old)
    unreadable = _NoPosts()
    recording, mapping = source
    if recording is not None:
        columns = mapping or needed_mapping(recording)
        for posts, bad in recorded_posts(recording, columns, settings, new):
            trial.take(posts)
            unreadable.take(bad)
        return trial, unreadable, None
    assert days is not None
    async for page in indexed_posts(settings, days):
        trial.take(page)
    done = await _retag(settings, days) if retag_history else None
    return trial, unreadable, done


def _trial(settings: Settings, new: RuleSet, old: RuleSet | None) -> Trial:
    return Trial(new, old, settings.enrich.options, ZoneInfo(settings.time_zone))


async def _live_or_none(settings: Settings, new: RuleSet, *, need: bool) -> RuleSet | None:
    """The live version to compare with; a file can be tried on a file without a broker."""
    try:
        return await live_rules(kafka_of(settings), new.id)
    except FatalError as error:
        if need:
            raise
        errors.print(
            say(f"提示：不与线上比较。{error}", f"Note: not compared with what is live. {error}"),
            soft_wrap=True,
        )
        return None


def _check_live(settings: Settings, new: RuleSet, old: RuleSet | None) -> None:
    if new != old or new.id not in settings.rules.followed:
        raise FatalError(
            say(
                f"{new.label} 还没有在线，不能重标；请先 tingchao rules push。",
                f"{new.label} is not live, so history can't be retagged by it; "
                "`tingchao rules push` it first.",
            )
        )


async def _retag(settings: Settings, days: float) -> Retagged:
    """By all sets that the workers follow: a post's matches are those of every team."""
    sets = await asked_rules(settings, None, None)
    judge = RuleJudge(joined(sets), settings.enrich.options)
    pages: AsyncIterator[Sequence[EnrichedPost]] = indexed_posts(settings, days)
    return await retag(kafka_of(settings), judge, pages)


def _print_trial(trial: Trial, unreadable: _NoPosts) -> None:
    rules = trial.rules.values()
    shown = sorted({day for tried in rules for day in tried.days})[-7:]
    table = Table(
        "id",
        say("名称", "Name"),
        say("命中", "Matches"),
        say("多了", "Added"),
        say("少了", "Lost"),
        *(day[5:] for day in shown),
    )
    for tried in rules:
        by_day = (str(tried.days.get(day, 0)) for day in shown)
        numbers = (str(tried.total), str(tried.added), str(tried.lost))
        table.add_row(tried.id, tried.name, *numbers, *by_day)
    console.print(table)
    for tried in rules:
        _print_samples(tried)
    console.print(
        say(f"看了 {trial.posts} 条帖子", f"{trial.posts} posts looked at")
        + unreadable.told()
        + say("。", "."),
        soft_wrap=True,
    )


def _print_samples(tried: Tried) -> None:
    groups: list[tuple[str, str, list[Sample]]] = [
        ("+", "green", tried.added_samples),
        ("-", "red", tried.lost_samples),
    ]
    if not tried.added and not tried.lost:
        groups = [(" ", "white", tried.samples)]
    if any(samples for _, _, samples in groups):
        console.print(f"{tried.id} {tried.name}", style="bold")
    for sign, style, samples in groups:
        for sample in samples:
            words = say("、", ", ").join(sample.words)
            line = f"  {sign} {sample.post_id}  {sample.text}" + (f"  [{words}]" if words else "")
            console.print(line, style=style, soft_wrap=True)
