"""Commands for rules: check, push, show, history, diff, rollback."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    app,
    console,
    errors,
    local_time,
    login_name,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.clock import now
from pipeline.endpoints import kafka_of
from pipeline.kafka import Kafka
from pipeline.rule_history import Past, past_version, roll_back, rule_history
from pipeline.rules import live_rules, publish_rules, read_rule_file
from pipeline.settings import Settings
from processors.rule_check import Problem, check_rule_set
from processors.rule_diff import Change, changes_between, counted
from schemas.errors import FatalError
from schemas.language import say
from schemas.rules import RuleSet

__all__ = ["FileArgument", "RulesOption", "SetOption", "rules_app"]

rules_app = typer.Typer(
    help=say("规则：听什么。", "Rules: what to listen for."), no_args_is_help=True
)
app.add_typer(rules_app, name="rules")

FileArgument = Annotated[Path, typer.Argument(help=say("规则文件（TOML）。", "Rule file (TOML)."))]
SetOption = Annotated[
    str | None,
    typer.Option(
        "--set",
        help=say("规则集；默认设置里的第一个。", "Rule set; the settings' first by default."),
    ),
]
RulesOption = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        help=say("用这个规则文件；默认线上的规则。", "By this rule file instead of what is live."),
    ),
]


def _set_of(settings: Settings, chosen: str | None) -> str:
    """The rule set that is meant."""
    return chosen or settings.rules.followed[0]


# --- a file -----------------------------------------------------------------------------------


@rules_app.command(
    "check",
    help=say(
        "检查规则文件：语法、必须匹配和不许匹配的例子、可疑之处；有错则退出码 1。",
        "Check a rule file: queries, examples that must and must not match, doubtful spots; exit "
        "code 1 when something is wrong.",
    ),
)
def rules_check(
    context: typer.Context, file: FileArgument, json_output: JsonOption = False
) -> None:
    """Check a rule file; needs no service."""
    settings_of(context)
    try:
        rules = read_rule_file(file)
    except FatalError as error:
        if not file.exists():
            raise
        problems = [Problem("", str(error))]
        count = 0
    else:
        problems = check_rule_set(rules)
        count = len(rules.rules) + len(rules.keywords)
    wrong = sum(problem.is_error for problem in problems)
    if json_output:
        print_json({"rules": count, "errors": wrong, "problems": problems})
    else:
        _print_problems(problems)
        style = "red" if wrong else "green"
        doubtful = len(problems) - wrong
        console.print(
            say(
                f"{count} 条规则，{wrong} 处错误，{doubtful} 处可疑。",
                f"{count} rules, {wrong} errors, {doubtful} doubtful spots.",
            ),
            style=style,
        )
    raise typer.Exit(EXIT_NO if wrong else 0)


def _print_problems(problems: list[Problem]) -> None:
    for problem in problems:
        sign, style = ("✗", "red") if problem.is_error else ("!", "yellow")
        console.print(f"{sign} {problem.sentence}", style=style, soft_wrap=True)


@rules_app.command(
    "push",
    help=say(
        "检查并发布规则文件；各角色几秒内生效，不用重启。",
        "Check a rule file and publish it; live within seconds, without a restart.",
    ),
)
def rules_push(context: typer.Context, file: FileArgument) -> None:
    """Publish rules."""
    settings = settings_of(context)
    rules = read_rule_file(file)
    if wait_for(publish_rules(kafka_of(settings), rules)):
        console.print(say(f"已发布 {rules.label}。", f"{rules.label} is published."))
    else:
        console.print(say(f"{rules.label} 已经在线。", f"{rules.label} is live already."))
    if rules.id not in settings.rules.followed:
        listed = ", ".join(settings.rules.followed)
        errors.print(
            say(
                f"提示：设置里跟随的是 {listed}，没有 {rules.id}；请把它写进 rules.sets。",
                f"Note: the settings follow {listed}, not {rules.id}; add it to rules.sets.",
            ),
            soft_wrap=True,
        )


# --- what is live, and what was ---------------------------------------------------------------


@rules_app.command("show", help=say("线上的规则。", "The live rules."))
def rules_show(
    context: typer.Context, rule_set: SetOption = None, json_output: JsonOption = False
) -> None:
    """Show the live rules."""
    settings = settings_of(context)
    rules = wait_for(live_rules(kafka_of(settings), _set_of(settings, rule_set)))
    if json_output:
        print_json(rules)
        return
    if rules is None:
        console.print(_none_yet())
        return
    team = f"  {rules.team}" if rules.team else ""
    console.print(f"{rules.label}{team}  {rules.author}  {rules.reason}", markup=False)
    table = Table("id", say("名称", "Name"), say("身份", "Role"), say("词或查询", "Words or query"))
    for brand in rules.brands:
        role = say(_ROLES[brand.role], brand.role)
        table.add_row(brand.id, brand.name, role, "、".join(brand.words))
    for words_rule in rules.keywords:
        words = "、".join(words_rule.words)
        table.add_row(words_rule.id, words_rule.name, say("关键词", "keywords"), words)
    for rule in rules.rules:
        table.add_row(rule.id, rule.name, say("规则", "rule"), rule.query)
    console.print(table)


_ROLES = {"own": "自有", "competitor": "竞品", "industry": "行业"}


def _none_yet() -> str:
    return say(
        "还没有规则；用 tingchao rules push 文件 发布。",
        "There are no rules yet; publish some with `tingchao rules push FILE`.",
    )


@rules_app.command(
    "history",
    help=say(
        "一个规则集的所有版本：何时、谁、为什么、改了几条。",
        "All versions of a rule set: when, who, why, how many entries changed.",
    ),
)
def rules_history(
    context: typer.Context,
    rule_set: Annotated[
        str | None,
        typer.Argument(
            metavar="[SET]",
            help=say("规则集；默认设置里的第一个。", "Rule set; the settings' first by default."),
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the versions."""
    settings = settings_of(context)
    history = wait_for(rule_history(kafka_of(settings), _set_of(settings, rule_set)))
    if json_output:
        print_json([_as_json(past) for past in history])
        return
    if not history:
        console.print(_none_yet())
        return
    table = Table(
        say("版本", "Version"),
        say("时间", "At"),
        say("作者", "Author"),
        say("原因", "Reason"),
        say("改动", "Changes"),
        say("规则", "Rules"),
    )
    for past in history:
        rules = past.rules
        state = say("  被拒", "  refused") if past.refused else ""
        table.add_row(
            str(rules.version),
            local_time(rules.changed_at, settings, "%Y-%m-%d %H:%M"),
            rules.author,
            rules.reason,
            counted(past.changes) + state,
            str(len(rules.rules) + len(rules.keywords)),
        )
    console.print(table)


def _as_json(past: Past) -> dict[str, object]:
    rules = past.rules
    return {
        "version": rules.version,
        "changed_at": rules.changed_at,
        "author": rules.author,
        "reason": rules.reason,
        "refused": past.refused,
        "changes": list(past.changes),
    }


@rules_app.command(
    "diff",
    help=say(
        "两个版本差在哪：文件对线上，版本对线上，或版本对版本。",
        "What differs: a file from the live rules, the live rules from a version, or one version "
        "from another.",
    ),
)
def rules_diff(
    context: typer.Context,
    first: Annotated[
        str,
        typer.Argument(metavar="FILE|VERSION", help=say("文件或版本号。", "File, or a version.")),
    ],
    second: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|VERSION]", help=say("与它相比。", "To compare with.")),
    ] = None,
    rule_set: SetOption = None,
    json_output: JsonOption = False,
) -> None:
    """Compare two versions."""
    settings = settings_of(context)
    old, new = wait_for(_two(settings, first, second, rule_set))
    changes = changes_between(old, new)
    if json_output:
        print_json({"from": old.label, "to": new.label, "changes": changes})
        return
    console.print(f"{old.label} → {new.label}", style="bold")
    _print_changes(changes)


async def _two(
    settings: Settings, first: str, second: str | None, rule_set: str | None
) -> tuple[RuleSet, RuleSet]:
    """What to compare, the older first: a file is newer than what is live, a version older."""
    kafka = kafka_of(settings)
    one = await _meant(kafka, first, _set_of(settings, rule_set))
    if second is not None:
        return one, await _meant(kafka, second, one.id)
    live = await live_rules(kafka, one.id)
    if live is None:
        raise FatalError(
            say(
                f"规则集 {one.id} 还没有在线版本可比；用 tingchao rules push 发布。",
                f"Rule set {one.id} has no live version to compare with; publish one with "
                "`tingchao rules push`.",
            )
        )
    return (one, live) if _is_version(first) else (live, one)


async def _meant(kafka: Kafka, written: str, rule_set: str) -> RuleSet:
    if _is_version(written):
        return await past_version(kafka, rule_set, int(written))
    return read_rule_file(Path(written))


def _is_version(written: str) -> bool:
    return written.isascii() and written.isdigit() and len(written) <= 10


def _print_changes(changes: list[Change]) -> None:
    if not changes:
        console.print(say("没有不同。", "No difference."))
    styles = {"added": "green", "removed": "red", "changed": "yellow"}
    for change in changes:
        console.print(change.sentence, style=styles[change.kind], soft_wrap=True)
        for detail in change.details:
            console.print(f"    {detail}", soft_wrap=True)


@rules_app.command(
    "rollback",
    help=say(
        "把旧版本的内容作为下一个版本重新发布。",
        "Publish the content of an old version again, as the next one.",
    ),
)
def rules_rollback(
    context: typer.Context,
    version: Annotated[int, typer.Argument(min=1, help=say("旧版本号。", "The old version."))],
    reason: Annotated[str, typer.Option("--reason", help=say("为什么。", "Why."))],
    author: Annotated[
        str | None,
        typer.Option("--author", help=say("谁；默认登录名。", "Who; the login name by default.")),
    ] = None,
    rule_set: SetOption = None,
) -> None:
    """Go back to an old version."""
    settings = settings_of(context)
    done = wait_for(
        roll_back(
            kafka_of(settings),
            _set_of(settings, rule_set),
            version,
            author=author or login_name(),
            reason=reason,
            at=now(),
        )
    )
    console.print(
        say(
            f"已发布 {done.label}，内容同版本 {version}。",
            f"{done.label} is published, with the content of version {version}.",
        )
    )
