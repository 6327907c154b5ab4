"""Keywords and query rules against ``in`` loops: ``python -m benchmarks.rules [FILE.jsonl ...]``.

Each cell is a process of its own, on one core: so many keywords, so many rules, posts of about 100
characters, every tenth with a quoted root of as many. Prints CPU microseconds a post and the memory
that the compiled rules take, beside plain Python that asks ``word in text`` for every word of every
list and rule (folding done already, no places, no boundaries, no distances: less than what it is
compared with does).

Texts are made of 50,000 made-up words, the n-th most common one n times rarer than the first, as
words of any language are; rules ask for words of rank 300 to 30,000, as people do who want to hear
of something and not of everything. Nine of ten keywords are never said.

With files (an object with a ``text`` a line) the whole default chain judges their texts instead,
without queries and with 5,000, which ask for the texts' own words of those ranks: some three of
them fire for each post, far more than a team would bear.

Elasticsearch's percolator would be a peer, but the server that Tingchao starts has no such module.
"""

import multiprocessing
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from benchmarks.enrichers import NAMES, best, machine, texts
from pipeline.worker import calm_garbage_collector
from processors.chain import Chain, build_chain
from processors.fold import fold
from processors.query_parser import parse_query
from processors.query_tree import AllOf, AnyOf, AtLeast, Near, Node, NotNode, Term
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from schemas.rules import KeywordRule, Rule, RuleSet

KEYWORDS = (100, 5_000, 50_000)
RULES = (0, 500, 5_000)
ROUNDS = 7
AT = datetime(2026, 1, 1, tzinfo=UTC)

COMMON = [chr(point) for point in range(0x4E00, 0x5E00)]
WORDS = 50_000
POSTS = 2_000
BATCH = 200


def vocabulary() -> list[str]:
    """Made-up words, the most common first."""
    chance = random.Random("vocabulary")
    return ["".join(chance.choices(COMMON, k=chance.randint(2, 3))) for _ in range(WORDS)]


def posts(words: Sequence[str]) -> list[Post]:
    """Posts that use the words as often as their rank says."""
    chance = random.Random("posts")
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))

    def text() -> str:
        said = chance.choices(words, cum_weights=weights, k=40)
        return "".join(word + ("，" if chance.random() < 0.15 else "") for word in said)

    made = []
    for number in range(POSTS):
        at = AT + timedelta(seconds=number)
        made.append(
            Post(
                id=f"weibo:{number}",
                platform="weibo",
                kind="post",
                text=text(),
                author=Author(id=f"u{number}", name="路人甲", followers=number),
                published_at=at,
                observed_at=at,
                root_text=None if number % 10 else text(),
                source="benchmark",
            )
        )
    return made


def rule_set(vocabulary: Sequence[str], keywords: int, rules: int) -> RuleSet:
    """Lists of ten words, and queries of every kind."""
    chance = random.Random(f"{keywords} {rules}")
    words = [
        chance.choice(vocabulary[300:])
        if chance.random() < 0.1
        else "".join(chance.choices(COMMON, k=4))
        for _ in range(keywords)
    ]
    return RuleSet(
        id="benchmark",
        version=1,
        author="benchmark",
        reason="measure",
        changed_at=AT,
        keywords=tuple(
            KeywordRule(id=f"list-{n}", name="词表", words=tuple(words[n : n + 10]))
            for n in range(0, keywords, 10)
        ),
        rules=tuple(
            Rule(id=f"rule-{n}", name="规则", query=query(vocabulary, chance, n))
            for n in range(rules)
        ),
    )


def query(vocabulary: Sequence[str], chance: random.Random, number: int) -> str:
    """A query of one of six kinds."""
    one, two, three, four = (
        vocabulary[int(300 * 100 ** chance.random())]
        for _ in range(4)  # ranks 300 to 30,000
    )
    return (
        f"{one} AND ({two} OR {three} OR {four})",
        f"({one} OR {two}) -{three}",
        f"({one} OR {two}) NEAR/10 ({three} OR {four})",
        f"至少/2({one}, {two}, {three}, {four})",
        f"标题:({one} OR {two}) OR {three} ONEAR/5 {four}",
        f"{one}*{two} OR {three} 平台:微博 粉丝>=100",
    )[number % 6]


def naive(rules: RuleSet) -> Callable[[Sequence[Post]], int]:
    """Plain loops over words and trees."""
    lists = [[fold(word) for word in one.words] for one in rules.keywords]
    trees = [parse_query(rule.query) for rule in rules.rules]

    def holds(node: Node, text: str) -> bool:
        match node:
            case Term(pieces=pieces):
                return all(piece in text for piece in pieces if isinstance(piece, str))
            case AllOf(children):
                return all(holds(child, text) for child in children)
            case AnyOf(children):
                return any(holds(child, text) for child in children)
            case NotNode(child):
                return not holds(child, text)
            case AtLeast(count, children):
                return sum(holds(child, text) for child in children) >= count
            case Near(operands):
                return all(any(holds(one, text) for one in operand) for operand in operands)
            case _:
                return True

    def work(batch: Sequence[Post]) -> int:
        found = 0
        for post in batch:
            text = fold(f"{post.text}\n{post.title or ''}\n{post.root_text or ''}")
            found += sum(any(word in text for word in words) for words in lists)
            found += sum(holds(tree, text) for tree in trees)
        return found

    return work


def cell(keywords: int, rules: int) -> tuple[float, float, float, float, int]:
    """Microseconds a post of ours and of the loops, build seconds, MiB, and how often one fired."""
    words = vocabulary()
    given = rule_set(words, keywords, rules)
    stream = posts(words)
    build_chain(("keywords", "rules"), {}, rule_set(words, 10, 6)).run(stream)  # once: the tables
    before = peak()
    began = time.process_time()
    chain = build_chain(("keywords", "rules"), {}, given)
    built = time.process_time() - began
    memory = peak() - before
    ours = fastest(lambda: run(chain, stream), ROUNDS) / len(stream)
    nothing = build_chain((), {}, given)
    alone = fastest(lambda: run(nothing, stream), ROUNDS) / len(stream)
    loops = naive(given)
    some = stream[:: POSTS // 20]
    theirs = fastest(lambda: loops(some), 1) / len(some)
    return (ours - alone) * 1e6, theirs * 1e6, built, memory, matched(chain, stream)


def run(chain: Chain, stream: Sequence[Post]) -> None:
    """Batch by batch, as a worker gets them."""
    for start in range(0, len(stream), BATCH):
        chain.run(stream[start : start + BATCH])


def fastest(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the fastest round: the machine may be shared."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def matched(chain: Chain, stream: Sequence[Post]) -> int:
    """How often a list or rule fired."""
    return sum(isinstance(post, EnrichedPost) and len(post.matches) for post in chain.run(stream))


def peak() -> float:
    """Most memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def words_of(stream: Sequence[Post]) -> list[str]:
    """The words of texts, the most common first, and behind them made-up ones."""
    counts: Counter[str] = Counter()
    for post in build_chain(("tokens",), {}, rule_set((), 0, 0)).run(stream):
        if isinstance(post, EnrichedPost):
            counts.update(word for word in post.words if word.isalpha() and not word.isascii())
    return ([word for word, _ in counts.most_common()] + vocabulary())[:WORDS]


def of_files(paths: Sequence[Path]) -> None:
    """Measure the whole chain on texts of files and print."""
    stream = texts(paths)
    words = words_of(stream)
    sets = [rule_set(words, max(KEYWORDS), rules) for rules in (0, max(RULES))]
    chains = [build_chain(NAMES, {}, given) for given in sets]
    calm_garbage_collector()  # as in a worker
    without, asking = best(chains, stream)
    fired = matched(chains[1], stream) - matched(chains[0], stream)
    sys.stdout.write(
        f"{machine()}\n{len(stream):,} texts, the default chain, {max(KEYWORDS):,} keywords\n"
        f"without queries {without:8.1f} us/post, {1e6 / without:,.0f} posts/s\n"
        f"{max(RULES):,} queries   {asking:8.1f} us/post, {1e6 / asking:,.0f} posts/s, "
        f"{fired / len(stream):.1f} fired a post\n"
    )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:]:
        of_files([Path(path) for path in sys.argv[1:]])
        return
    say = sys.stdout.write
    say(f"{machine()}\n{POSTS:,} posts of about 100 characters\n\n")
    say(f"{'keywords':>9}{'rules':>7}{'us/post':>10}{'in loops':>12}{'times':>8}")
    say(f"{'build':>9}{'memory':>10}{'fired':>9}\n")
    processes = multiprocessing.get_context("spawn")
    for keywords in KEYWORDS:
        for rules in RULES:
            with processes.Pool(1) as pool:
                ours, theirs, built, memory, found = pool.apply(cell, (keywords, rules))
            say(f"{keywords:>9,}{rules:>7,}{ours:>10.1f}{theirs:>12,.0f}{theirs / ours:>8,.0f}")
            say(f"{built:>7.2f} s{memory:>6.0f} MiB{found:>9,}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
