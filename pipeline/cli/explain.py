"""The command that says why a post is judged as it is: explain."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pipeline.cli.common import (
    JsonOption,
    app,
    console,
    errors,
    local_time,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.cli.rules import RulesOption, SetOption
from pipeline.one_post import (
    asked_rules,
    indexed_post,
    parse_post,
    post_of_text,
    read_text,
    root_in_index,
)
from pipeline.rules import no_rules
from pipeline.settings import Settings
from processors.chain import build_chain
from processors.explained import Clue, Explained, Step, changed
from schemas.enriched import BrandTag, EnrichedPost
from schemas.errors import FatalError, TingchaoError
from schemas.language import say
from schemas.post import Post
from schemas.rules import RuleSet, joined
from schemas.thread import Root

__all__: list[str] = []

#: ``platform:native``, and no address: what an id of a post looks like.
_POST_ID = re.compile(r"[a-z][a-z0-9-]{0,31}:(?!//)[^\s\u2e80-\U0010ffff]+")
_AROUND = 10
_MOST_TEXT = 400
_MOST_CLUES = 6
_ROOT = "text:root"


@dataclass(frozen=True)
class _Judged:
    """What is to be shown."""

    post: Post
    steps: list[Step]
    sets: Sequence[RuleSet]
    then: EnrichedPost | None
    """As the index holds it."""

    @property
    def last(self) -> EnrichedPost | None:
        return self.steps[-1].post if self.steps else None


@app.command(
    "explain",
    help=say(
        "一条帖子或一段文字为什么这样判断：每个结论、把握、起作用的词和版本。",
        "Why a post or a text is judged as it is: each finding, how sure it is, the words that "
        "decided, and the version.",
    ),
)
def explain(
    context: typer.Context,
    post: Annotated[
        str | None,
        typer.Argument(
            metavar="POST|TEXT",
            help=say(
                "索引里的帖子 id（如 weibo:123），或一段文字；- 表示从标准输入读。",
                "Id of an indexed post (such as weibo:123), or a text; - reads standard input.",
            ),
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "--text", help=say("一段文字，即使它像 id。", "A text, even if it looks like an id.")
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help=say(
                "装着一条帖子（JSON）或一段文字的文件（UTF-8）。",
                "File with one post (JSON) or a text (UTF-8).",
            ),
        ),
    ] = None,
    brand: Annotated[
        str | None,
        typer.Option(
            "--brand",
            help=say("当作在说这个品牌的帖子下的回复。", "As a reply to a post about this brand."),
        ),
    ] = None,
    rules: RulesOption = None,
    rule_set: SetOption = None,
    json_output: JsonOption = False,
) -> None:
    """Explain a post."""
    settings = settings_of(context)
    if sum(given is not None for given in (post, text, file)) != 1:
        raise FatalError(
            say(
                "请给出一个帖子 id 或一段文字，或 --text、--file 中的一个。",
                "Give the id of a post or a text, or one of --text and --file.",
            )
        )
    asked = _asked(post, text, file)
    judged = wait_for(_judge(settings, asked, brand, rules, rule_set))
    if json_output:
        print_json(_as_json(judged))
    else:
        _print(judged, settings)


def _asked(post: str | None, text: str | None, file: Path | None) -> Post | str:
    """The post that was given, or the id of one of the index."""
    name = "--text"
    if file is not None:
        text, name = read_text(file), str(file)
    elif post == "-":
        text, name = sys.stdin.read(), "stdin"
    elif post is not None:
        if _POST_ID.fullmatch(post):
            return post
        text = post
    text = text or ""
    if name != "--text" and text.lstrip().startswith("{"):
        return parse_post(text.strip(), name)
    return post_of_text(text.rstrip("\n"))


async def _judge(
    settings: Settings,
    asked: Post | str,
    brand: str | None,
    file: Path | None,
    rule_set: str | None,
) -> _Judged:
    post = await indexed_post(settings, asked) if isinstance(asked, str) else asked
    then = post if isinstance(post, EnrichedPost) and isinstance(asked, str) else None
    sets = await _rules(settings, file, rule_set)
    rules = joined(sets)
    chain = build_chain(settings.enrich.chain, settings.enrich.options, rules)
    roots = await root_in_index(settings, chain, post) if then is not None else {}
    if brand is not None:
        post = post.replaced(root_id=post.root_id or _ROOT)
        roots = {post.thread: Root((_inherited(rules, brand),), 1)}
    return _Judged(post, chain.explain(post, roots), sets, then)


async def _rules(settings: Settings, file: Path | None, rule_set: str | None) -> list[RuleSet]:
    """As asked; without any a text has a mood all the same."""
    try:
        return await asked_rules(settings, file, rule_set)
    except TingchaoError as error:
        if file is not None or rule_set is not None:
            raise
        errors.print(
            say(f"提示：没有规则，不看品牌和规则。{error}", f"Note: judged without rules. {error}"),
            soft_wrap=True,
        )
        return [no_rules(settings.rules.followed[0])]


def _inherited(rules: RuleSet, brand: str) -> BrandTag:
    for one in rules.brands:
        if one.id == brand:
            return BrandTag(brand=one.id, role=one.role, inherited=True, reason="root")
    raise FatalError(
        say(
            f"{rules.label} 里没有品牌 {brand}；用 tingchao rules show 查看。",
            f"There is no brand {brand} in {rules.label}; see `tingchao rules show`.",
        )
    )


# --- shown ------------------------------------------------------------------------------------


def _as_json(judged: _Judged) -> dict[str, Any]:
    return {
        "post": judged.post.id,
        "text": judged.post.text,
        "rule_sets": [one.label for one in judged.sets],
        "steps": [
            {
                "name": step.name,
                "version": step.version,
                "kept": step.post is not None,
                "findings": [_finding(judged.post, one) for one in step.explained],
            }
            for step in judged.steps
        ],
        "now": judged.last,
        "then": judged.then,
    }


def _finding(post: Post, one: Explained) -> dict[str, Any]:
    evidence = [
        clue._asdict() | {"words": (getattr(post, clue.field) or "")[clue.start : clue.end]}
        for clue in one.evidence
    ]
    return one._asdict() | {"evidence": evidence}


def _print(judged: _Judged, settings: Settings) -> None:
    post = judged.post
    head = Text(post.id, style="bold")
    if judged.then is not None:
        head.append(f"  {local_time(post.event_at, settings)}  {post.author.name or ''}", "cyan")
    console.print(head, soft_wrap=True)
    for part in (post.title, post.text):
        if part:
            shown = part[:_MOST_TEXT] + ("…" if len(part) > _MOST_TEXT else "")
            console.print("  " + shown.replace("\n", "\n  "), soft_wrap=True)
    for step in judged.steps:
        _print_step(post, step)
    _print_then(judged)


def _print_step(post: Post, step: Step) -> None:
    version = Text(f"  [{step.name} {step.version}]", style="dim")
    for one in step.explained:
        line = Text(one.title, style="bold cyan")
        line.append("  ")
        line.append(one.value, style="bold")
        if one.note and "\n" not in one.note:
            line.append(f"  {one.note}")
        console.print(line + version, soft_wrap=True)
        for clue in one.evidence[:_MOST_CLUES]:
            console.print(_in_context(post, clue), soft_wrap=True)
        if len(one.evidence) > _MOST_CLUES:
            more = len(one.evidence) - _MOST_CLUES
            console.print(say(f"    还有 {more} 处", f"    {more} more places"), style="dim")
        if "\n" in one.note:
            for part in one.note.splitlines():
                console.print(f"    {part}", soft_wrap=True)


def _in_context(post: Post, clue: Clue) -> Text:
    """The words between what stands around them; which text, unless it is the post's own."""
    text = getattr(post, clue.field) or ""
    start, end = max(0, clue.start - _AROUND), min(len(text), clue.end + _AROUND)
    line = Text("    ")
    line.append({"title": say("标题：", "title: "), "text": ""}.get(clue.field, _quoted()), "dim")
    line.append(("…" if start else "") + text[start : clue.start].replace("\n", " "))
    line.append(f"[{text[clue.start : clue.end]}]".replace("\n", " "), style="bold reverse")
    line.append(text[clue.end : end].replace("\n", " ") + ("…" if end < len(text) else ""))
    if clue.note:
        line.append(f"  {clue.note}", style="dim")
    return line


def _quoted() -> str:
    return say("原帖：", "root: ")


def _print_then(judged: _Judged) -> None:
    """What was found when the post came in, where that was otherwise."""
    then, now = judged.then, judged.last
    if then is None or now is None:
        return
    was = [f"{one.title} {one.value}" for one in changed(now, then)]
    if was:
        listed = say("；", "; ").join(was)
        console.print(
            say(f"收到时不同：{listed}", f"Otherwise when it came in: {listed}"),
            style="yellow",
            soft_wrap=True,
        )
