"""The command that shows how a post spread."""

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipeline.cli.common import (
    JsonOption,
    app,
    console,
    errors,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.cli.spread_drawing import amplifier_table, tree_lines
from pipeline.mappings import needed_mapping
from pipeline.spread_posts import indexed_thread, recorded_thread
from pipeline.spread_svg import picture
from pipeline.spread_text import circles, figures
from processors.spread import Spread, measure
from processors.spread_circles import sizes_of
from processors.spread_roles import role_of
from processors.spread_tree import Tree, build_tree
from schemas.errors import FatalError
from schemas.language import say

__all__: list[str] = []


@app.command(
    "spread",
    help=say(
        "一条帖子怎样传开：转发和回复的树、层数、速度、关键放大者、从谁的圈子到谁的圈子。",
        "How a post spread: the tree of reposts and replies, levels, speed, key amplifiers, from "
        "whose circle to whose.",
    ),
)
def spread_command(
    context: typer.Context,
    post_id: Annotated[str, typer.Argument(help=say("帖子的 id。", "The post's id."))],
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help=say(
                "从录制文件读（JSONL，可 gz；或 CSV 等），不读索引。",
                "Read a recording (JSONL, may be gz; or CSV and so on) instead of the index.",
            ),
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping",
            help=say("该文件的列映射（TOML）。", "The file's column mapping (TOML)."),
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help=say(
                "整个话题串，而不只是这条帖子以下。", "The whole thread, not just below the post."
            ),
        ),
    ] = False,
    lines: Annotated[
        int,
        typer.Option("--lines", min=5, help=say("树最多画几行。", "Lines of the tree, at most.")),
    ] = 45,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=1,
            max=500_000,
            help=say("话题串最多几条；更多则拒绝。", "Posts of the thread; more are refused."),
        ),
    ] = 20_000,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", help=say("另画成图（SVG 文件）。", "Also draw it (an SVG file).")),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show how a post spread."""
    settings = settings_of(context)
    zone = ZoneInfo(settings.time_zone)
    if file is not None:
        found = recorded_thread(file, mapping or needed_mapping(file), post_id, limit)
    elif mapping is not None:
        raise FatalError(say("--mapping 只能配 --file。", "--mapping goes with --file."))
    else:
        found = wait_for(indexed_thread(settings, post_id, limit))
    tree = build_tree(found.posts, found.root)
    if not whole and post_id in tree.nodes:
        tree = tree.below(post_id)
    spread = measure(tree)
    if svg is not None:
        _write(svg, picture(tree, spread, zone))
    if json_output:
        print_json(_as_json(tree, spread, found.unreadable))
        return
    _print(tree, spread, zone, lines, post_id)
    if tree.root != found.root:
        console.print(
            say(
                f"这条帖子在 {found.root} 的话题串里；加 --whole 看整串（{len(found.posts)} 条）。",
                f"This post stands in the thread of {found.root}; --whole shows all of it "
                f"({len(found.posts)} posts).",
            ),
            soft_wrap=True,
        )
    if found.unreadable:
        errors.print(
            say(
                f"文件里有 {found.unreadable} 行不是帖子，已略过；"
                "原因见 tingchao import --dry-run。",
                f"{found.unreadable} rows of the file are no posts and were left out; "
                "`tingchao import --dry-run` says why.",
            ),
            soft_wrap=True,
        )
    if svg is not None:
        console.print(say(f"图在 {svg}", f"The picture is in {svg}"), soft_wrap=True)


def _print(tree: Tree, spread: Spread, zone: ZoneInfo, lines: int, asked: str) -> None:
    for line in figures(tree, spread, zone):
        console.print(line, soft_wrap=True)
    console.print()
    for drawn in tree_lines(tree, lines, zone, asked):
        console.print(drawn, no_wrap=True, overflow="ellipsis")
    console.print()
    if spread.amplifiers:
        console.print(amplifier_table(spread))
    for line in circles(tree, spread):
        console.print(line, soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FatalError(
            say(f"写不了 {path}：{error.strerror}。", f"{path} can't be written: {error.strerror}.")
        ) from error


def _as_json(tree: Tree, spread: Spread, unreadable: int) -> dict[str, Any]:
    sizes = sizes_of(tree)
    nodes = []
    for node in tree.nodes.values():
        row: dict[str, Any] = {
            "id": node.id,
            "parent": node.parent,
            "link": node.link,
            "depth": node.depth,
            "seen": node.post is not None,
            "author": node.name or None,
            "descendants": sizes[node.id] - (node.post is not None),
        }
        if (post := node.post) is not None:
            row |= {
                "kind": post.kind,
                "role": role_of(tree, node),
                "author_id": post.author_id,
                "followers": post.followers if post.followers >= 0 else None,
                "at": post.at,
                "deleted": post.deleted,
                "excerpt": None if post.deleted else post.excerpt,
            }
        nodes.append(row)
    return {"root": tree.root, "spread": spread, "unreadable": unreadable, "nodes": nodes}
