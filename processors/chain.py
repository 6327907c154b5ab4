"""The chain: every selected enricher, in order, over a batch of posts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from processors import ENRICHERS
from processors.base import Enricher, Explains
from processors.explained import Explained, Step, changed
from processors.fold import fold_ahead
from schemas.component import ComponentConfig
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import Author, Post
from schemas.rules import RuleSet
from schemas.thread import Root

__all__ = ["Chain", "build_chain", "build_enricher"]

# So many posts pass all enrichers before the next ones: what one of them folded is still
# remembered when the next one asks (``processors/fold.py``).
_TOGETHER = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Copied for every post: its fields were validated when it was parsed.
_BLANK = EnrichedPost(
    id="blank:0",
    platform="blank",
    kind="post",
    text="",
    author=Author(id="0"),
    published_at=_EPOCH,
    observed_at=_EPOCH,
    source="blank",
)
_NO_FINDINGS = {
    name: value for name, value in _BLANK.__dict__.items() if name not in Post.model_fields
}


_NO_ROOTS: Mapping[str, Root] = {}


class Chain:
    """Runs enrichers one after another; each sees what those before it found.

    Pure like its enrichers: the same posts give the same records, whatever the batch. Nothing
    disappears: each post comes back as an ``EnrichedPost`` or as the ``Drop`` that names the
    enricher which left it out.
    """

    def __init__(self, enrichers: Mapping[str, Enricher]) -> None:
        self._enrichers = dict(enrichers)
        self.models = {name: enricher.version for name, enricher in self._enrichers.items()}

    def run(
        self, posts: Sequence[Post], roots: Mapping[str, Root] = _NO_ROOTS
    ) -> list[EnrichedPost | Drop]:
        """One result per post, in the order of ``posts``.

        ``roots``: by root id, what replies to it inherit (``processors/threads.py``).

        Raises:
            FatalError: an enricher broke its contract: more or fewer results than posts.
        """
        results: list[EnrichedPost | Drop] = []
        for start in range(0, len(posts), _TOGETHER):
            results += self._run(posts[start : start + _TOGETHER], roots)
        return results

    def _run(self, posts: Sequence[Post], roots: Mapping[str, Root]) -> list[EnrichedPost | Drop]:
        kept = self._blank(posts, roots)
        if self._enrichers:
            fold_ahead(text for post in posts for text in (post.text, post.root_text) if text)
        results: list[EnrichedPost | Drop] = list(kept)
        places: list[int] = list(range(len(kept)))
        for name, enricher in self._enrichers.items():
            found = enricher.enrich(kept)
            if len(found) != len(kept):
                raise FatalError(_wrong_count(name, len(kept), len(found)))
            if any(post is None for post in found):
                for place, before, after in zip(places, kept, found, strict=True):
                    if after is None:
                        results[place] = _drop(name, enricher, before)
                places = [
                    place for place, post in zip(places, found, strict=True) if post is not None
                ]
            kept = [post for post in found if post is not None]
        for place, post in zip(places, kept, strict=True):
            results[place] = post
        return results

    def _blank(self, posts: Sequence[Post], roots: Mapping[str, Root]) -> list[EnrichedPost]:
        """The posts with nothing found yet but what replies inherit."""
        blank = {**_NO_FINDINGS, "models": self.models}
        # In the order of declaration, since those of a post are the first fields.
        fresh = [_BLANK.holding(post.__dict__ | blank) for post in posts]
        if not roots:
            return fresh
        return [
            post.replaced(brands=root.brands, root_news=root.news)
            if post.root_id is not None and (root := roots.get(post.root_id)) and root.news
            else post
            for post in fresh
        ]

    def explain(self, post: Post, roots: Mapping[str, Root] = _NO_ROOTS) -> list[Step]:
        """Judge one post and ask each enricher why, in their order; ends where it is left out.

        An enricher without ``explain`` (``base.Explains``) shows what it wrote.

        Raises:
            FatalError: an enricher broke its contract.
        """
        [before] = self._blank([post], roots)
        steps: list[Step] = []
        for name, enricher in self._enrichers.items():
            found = enricher.enrich([before])
            if len(found) != 1:
                raise FatalError(_wrong_count(name, 1, len(found)))
            [after] = found
            if after is None:
                reason = _drop(name, enricher, before).reason
                left_out = Explained(say("筛除", "left out"), reason)
                return [*steps, Step(name, enricher.version, (left_out,), None)]
            if isinstance(enricher, Explains):
                told = tuple(enricher.explain(after))
            else:
                told = tuple(changed(before, after))
            steps.append(Step(name, enricher.version, told, after))
            before = after
        return steps


def build_chain(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]], rules: RuleSet
) -> Chain:
    """The chain of the named enrichers, in this order, each with its options.

    Options of an enricher that is not selected are checked by name only.

    Raises:
        FatalError: an unknown, repeated or misplaced name, or an unknown or wrong option; the
            message names it and the nearest that exists.
    """
    for name in (*names, *options):
        if name not in ENRICHERS:
            raise FatalError(_unknown(say("处理步骤", "enricher"), name, ENRICHERS))
    for place, name in enumerate(names):
        _check_place(name, names[:place], names[place + 1 :])
    return Chain({name: build_enricher(name, options.get(name, {}), rules) for name in names})


def build_enricher(name: str, options: Mapping[str, Any], rules: RuleSet) -> Enricher:
    """One enricher of a known name.

    Raises:
        FatalError: an unknown or wrong option.
    """
    kind = ENRICHERS[name]
    enricher: Enricher = kind(_configure(name, kind.Config, options), rules)
    return enricher


def _configure(
    name: str, config: type[ComponentConfig], options: Mapping[str, Any]
) -> ComponentConfig:
    for option in options:
        if option not in config.model_fields:
            what = say(f"处理步骤 {name} 的选项", f"option of enricher {name}")
            raise FatalError(_unknown(what, option, config.model_fields))
    try:
        return config.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=True)[0]
        option = ".".join(str(part) for part in first["loc"])
        wrong = f"{option} = {first['input']!r}" if option else str(dict(options))
        raise FatalError(
            say(
                f"处理步骤 {name} 的选项 {wrong} 无效：{first['msg']}。请在设置中改正。",
                f"Enricher {name} can't take the option {wrong}: {first['msg']}. "
                "Correct it in the settings.",
            )
        ) from error


def _check_place(name: str, before: Sequence[str], after: Sequence[str]) -> None:
    """An enricher that reads the findings of others stands behind them.

    ``reads``: it needs one of them; ``behind``: it goes without those that are not selected.
    """
    if name in before:
        raise FatalError(
            say(
                f"处理步骤 {name} 在设置中出现了两次，请删去一处。",
                f"Enricher {name} stands twice in the settings; remove one.",
            )
        )
    reads: tuple[str, ...] = getattr(ENRICHERS[name], "reads", ())
    behind: tuple[str, ...] = getattr(ENRICHERS[name], "behind", ())
    late = {*reads, *behind} & set(after)
    if late or (reads and not set(reads) & set(before)):
        listed = ", ".join(reads or [other for other in after if other in late])
        raise FatalError(
            say(
                f"处理步骤 {name} 要用到 {listed} 的结果，请在设置中把它排在它们之后。",
                f"Enricher {name} reads what {listed} found; put it behind them in the settings.",
            )
        )


def _unknown(what: str, name: str, valid: Iterable[str]) -> str:
    known = list(valid)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    listed = ", ".join(known)
    if near:
        return say(
            f"没有名为 {name!r} 的{what}，您是否要写 {near[0]!r}？可用的有：{listed}。",
            f"There is no {what} {name!r}; did you mean {near[0]!r}? Available: {listed}.",
        )
    return say(
        f"没有名为 {name!r} 的{what}。可用的有：{listed or '（无）'}。",
        f"There is no {what} {name!r}. Available: {listed or '(none)'}.",
    )


def _wrong_count(name: str, given: int, returned: int) -> str:
    return say(
        f"处理步骤 {name} 收到 {given} 条帖子却返回 {returned} 条结果，这是它的程序错误；"
        "请先在设置中停用它并报告。",
        f"Enricher {name} got {given} posts and returned {returned} results, which is a bug in it; "
        "disable it in the settings and report it.",
    )


def _drop(name: str, enricher: Enricher, post: EnrichedPost) -> Drop:
    # A record, not a message: one text for every language setting, so that replays are identical.
    reason: str = getattr(enricher, "drop_reason", "被处理步骤筛除 (left out by the enricher)")
    return Drop(
        post_id=post.id,
        source=post.source,
        event_at=post.event_at,
        enricher=name,
        reason=reason,
    )
