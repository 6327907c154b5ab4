"""One post that a person asks about: out of the index, or a text; and the rules to judge it by."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from pipeline.clock import now
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.rules import live_rules, read_rule_file, refuse_broken
from pipeline.settings import Settings
from processors.chain import Chain
from processors.threads import Threads, awaits_root
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.post import MAX_TEXT, Author, Post, PostDraft
from schemas.record import explain as explain_error
from schemas.rules import RuleSet
from schemas.small_file import read_small, unread
from schemas.thread import Root

__all__ = [
    "asked_rules",
    "indexed_post",
    "parse_post",
    "post_of_text",
    "read_text",
    "root_in_index",
]

#: The fewest fields first: what a connector writes, what ingest adds, what the chain adds.
_KINDS: tuple[type[PostDraft], ...] = (PostDraft, Post, EnrichedPost)


async def asked_rules(settings: Settings, file: Path | None, rule_set: str | None) -> list[RuleSet]:
    """The rule file's set, or the live ones: the named one, or all that the workers follow.

    Raises:
        FatalError: the file is invalid, Kafka is not there, or nothing is live.
    """
    if file is not None:
        written = read_rule_file(file)
        refuse_broken(written)
        return [written]
    kafka = kafka_of(settings)
    names = [rule_set] if rule_set else settings.rules.followed
    found = [rules for name in names if (rules := await live_rules(kafka, name))]
    if not found:
        raise FatalError(
            say(
                "还没有在线的规则；用 tingchao rules push 发布，或用 --rules 给出规则文件。",
                "No rules are live yet; publish some with `tingchao rules push`, or give a rule "
                "file with --rules.",
            )
        )
    return found


def read_text(file: Path) -> str:
    """The text of a small file.

    Raises:
        FatalError: it can't be read, or is no UTF-8.
    """
    try:
        return read_small(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        why = say("不是 UTF-8 文本", "it is no UTF-8 text")
    except OSError as error:
        why = unread(error)
    except ValueError as error:
        why = str(error)
    raise FatalError(say(f"读不了 {file}：{why}。", f"{file} cannot be read: {why}."))


def post_of_text(text: str, title: str | None = None) -> Post:
    """A text as a post that somebody writes now.

    Raises:
        FatalError: no post can hold it.
    """
    at = now()
    try:
        return Post(
            id="text:0",
            platform="text",
            kind="post",
            text=text,
            title=title,
            author=Author(id="0"),
            published_at=at,
            observed_at=at,
            source="explain",
        )
    except ValidationError as error:
        why = explain_error(error)[1]
        raise FatalError(
            say(
                f"这段文字不能当作帖子（最多 {MAX_TEXT} 个字）：{why}。",
                f"This text can't be a post (at most {MAX_TEXT} characters): {why}.",
            )
        ) from None


def parse_post(line: str, name: str) -> Post:
    """A post as JSON: as a connector wrote it, with what ingest or the chain added, or a bare text.

    Raises:
        FatalError: it is none; ``name`` says where it stood.
    """
    try:
        tree = json.loads(line)
        keys = set(tree) if isinstance(tree, dict) else set()
        if keys and keys <= {"text", "title"} and isinstance(tree.get("text"), str):
            return post_of_text(tree["text"], tree.get("title"))
        kind = next((one for one in _KINDS if keys <= set(one.model_fields)), PostDraft)
        draft = kind.from_line(line.encode("utf-8", "surrogatepass"))
    except (RejectedError, ValueError, RecursionError) as error:
        raise FatalError(
            say(f"{name} 里不是一条帖子：{error}。", f"{name} holds no post: {error}.")
        ) from error
    if isinstance(draft, Post):
        return draft
    # Judged as when it was written: a post is no newer for being asked about.
    return Post(**dict(draft), observed_at=draft.published_at)


async def indexed_post(settings: Settings, post_id: str) -> EnrichedPost:
    """A post as it stands in the index.

    Raises:
        FatalError: the index has none of that id, or is not there.
    """
    found = await _look_up(settings, post_id)
    if found is None:
        raise FatalError(
            say(
                f"索引里没有帖子 {post_id}；用 tingchao search 查找。",
                f"The index has no post {post_id}; find it with `tingchao search`.",
            )
        )
    return found


async def root_in_index(settings: Settings, chain: Chain, post: Post) -> Mapping[str, Root]:
    """What a reply without a quote inherits from its root, where the index has that."""
    if not awaits_root(post):
        return {}
    root = await _look_up(settings, post.thread)
    if root is None:
        return {}
    [found] = chain.run([root])
    threads = Threads()
    threads.hear_root(root, found.brands if isinstance(found, EnrichedPost) else ())
    return {post.thread: threads.root(post.thread)}


async def _look_up(settings: Settings, post_id: str) -> EnrichedPost | None:
    from sinks.search import Search

    index = elasticsearch_client(settings)
    try:
        return await Search(index).post(post_id)
    finally:
        await index.close()
