"""A spread in sentences: how large, how fast, who, and from whose circle to whose."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from pipeline.spread_words import ROLES, after, author_of, percent
from processors.spread import Speed, Spread
from processors.spread_tree import Tree
from schemas.language import say
from sinks.wording import duration

__all__ = ["circles", "figures"]


def figures(tree: Tree, spread: Spread, zone: ZoneInfo) -> Iterator[str]:
    """How large, how deep, how fast; who; and what is uncertain."""
    shape = spread.shape
    answers = shape.posts - (tree.nodes[tree.root].post is not None)
    virality = say("–", "–") if shape.virality is None else f"{shape.virality:.2f}"
    breadth = " · ".join(map(str, shape.breadth[:12])) + (" · …" if shape.levels > 11 else "")
    yield say(
        f"其后 {answers} 条，{shape.authors} 位作者，{shape.levels} 层（每层 {breadth}），"
        f"结构病毒度 {virality}",
        f"{answers} after it, {shape.authors} authors, {shape.levels} levels ({breadth}), "
        f"structural virality {virality}",
    )
    yield from _speed(spread.speed, zone)
    roles = [f"{say(*ROLES[role])} {count}" for role, count in spread.roles.items()]
    yield say("传播者：" + "、".join(roles), "Spreaders: " + ", ".join(roles))
    unsure = [
        text
        for count, text in (
            (shape.inferred, say(f"据 //@ 推断 {shape.inferred}", f"{shape.inferred} inferred")),
            (shape.assumed, say(f"上级不详 {shape.assumed}", f"{shape.assumed} parents not known")),
            (shape.unseen, say(f"未采到 {shape.unseen}", f"{shape.unseen} not seen")),
            (shape.cut, say(f"循环断开 {shape.cut}", f"{shape.cut} circles cut")),
            (shape.deleted, say(f"已删除 {shape.deleted}", f"{shape.deleted} deleted")),
        )
        if count
    ]
    if unsure:
        yield say("其中：" + "，".join(unsure), "Of these: " + ", ".join(unsure))


def _speed(speed: Speed | None, zone: ZoneInfo) -> Iterator[str]:
    if speed is None or not speed.busiest_hour:
        return
    ten, half, ninety = (
        duration(timedelta(seconds=length or 0))
        for length in (speed.to_10_seconds, speed.to_50_seconds, speed.to_90_seconds)
    )
    hour = f"{speed.busiest_hour.astimezone(zone):%m-%d %H:%M}"
    yield say(
        f"10 % 在{ten}内，50 % 在{half}内，90 % 在{ninety}内；最忙的一小时自 {hour} 起，"
        f"{speed.busiest_hour_posts} 条；第一小时每分钟 {speed.first_hour_per_minute:.2f} 条",
        f"10 % within {ten}, 50 % within {half}, 90 % within {ninety}; busiest hour from {hour}: "
        f"{speed.busiest_hour_posts}; first hour: {speed.first_hour_per_minute:.2f} a minute",
    )


def circles(tree: Tree, spread: Spread) -> Iterator[str]:
    """From whose circle to whose, and the step that mattered most."""
    for circle in spread.circles[1:]:
        came_from = author_of(tree.nodes[circle.came_from or tree.root])
        name = author_of(tree.nodes[circle.id])
        when = "" if circle.after_seconds is None else say("，", ", ") + after(circle.after_seconds)
        yield say(
            f"{came_from} 的圈子 → {name} 的圈子：{circle.posts} 条（{percent(circle.share)}），"
            f"第 {circle.depth} 层{when}",
            f"circle of {came_from} → circle of {name}: {circle.posts} posts "
            f"({percent(circle.share)}), level {circle.depth}{when}",
        )
    if (bridge := spread.bridge) is not None:
        parent, child = (author_of(tree.nodes[one]) for one in (bridge.parent, bridge.child))
        yield say(
            f"最关键的一步：{parent} → {child}，经它传到 {bridge.beyond} 条"
            f"（{percent(bridge.share)}）",
            f"The step that mattered most: {parent} → {child}; {bridge.beyond} posts "
            f"({percent(bridge.share)}) came through it",
        )
