"""What each enricher costs: ``python -m benchmarks.enrichers [FILE.jsonl ...]``.

One process, one core, batches of 200 posts of 100 characters, 50,000 keywords in 5,000 rules; every
tenth post is a repost of 100 more. Prints the CPU microseconds that each step of the default chain
adds to those before it, so what steps share is the first one's. Posts and words are made up from a
seeded generator: nearly every post names two brands by common words, praises or blames some four
aspects and wants something. With files (an object with a ``text`` a line) their texts are measured
too, as posts that nobody chose. ``all`` includes making the records.
"""

import json
import platform
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.settings import EnrichSettings
from pipeline.worker import calm_garbage_collector
from processors.chain import Chain, build_chain
from processors.mentions import mentions
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from schemas.rules import Brand, KeywordRule, RuleSet

BATCH = 200
BATCHES = 10
ROUNDS = 10
LENGTH = 100
NAMES = EnrichSettings().chain
MOST_TEXTS = 4_000

BEGINNINGS = "昨天 刚刚 这几天 上个月 周末 说实话 朋友说 今天早上 提车三个月 试驾之后".split()
SUBJECTS = "星河汽车 星河 晨风 M7 海棠手机 车机 刹车 空调 售后 导航 屏幕 电池 座椅 客服".split()
FINDINGS = (
    "又出现异响 真的很好用 让人失望 续航比宣传少了一百公里 升级以后更流畅了 到现在没有人联系我 "
    "声音很大 做工不错 第三次返修 价格降了两万 需要排队四个小时 比上一代安静 一直提示故障"
).split()
ENDS = (
    "！ 。 ，大家怎么看？ #车主日常# [允悲] ，太难了。 ，推荐。 @星河服务 https://t.cn/A6xYz12 😂"
).split()

RULES_AT = datetime(2026, 1, 1, tzinfo=UTC)


def machine() -> str:
    """One line that says where the figures come from."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = f"{len(models)} x {models[0]}" if models else platform.processor()
    return f"{processor}, {platform.system()}, Python {platform.python_version()}"


def text(chance: random.Random) -> str:
    """Sentences up to ``LENGTH`` characters."""
    written = ""
    while len(written) < LENGTH:
        parts = (BEGINNINGS, SUBJECTS, FINDINGS, ENDS)
        written += "".join(chance.choice(part) for part in parts)
    return written[:LENGTH]


def posts(chance: random.Random) -> list[Post]:
    """``BATCH * BATCHES`` different posts; every tenth is a repost with its root's text."""
    made = []
    for number in range(BATCH * BATCHES):
        at = RULES_AT + timedelta(seconds=number)
        repost = number % 10 == 0
        made.append(
            Post(
                id=f"weibo:{number}",
                platform="weibo",
                kind="repost" if repost else "post",
                text=text(chance),
                author=Author(id=f"u{number}", name="路人甲", followers=number),
                published_at=at,
                observed_at=at,
                root_id="weibo:root" if repost else None,
                root_text=text(chance) if repost else None,
                source="weibo-search",
            )
        )
    return made


def rules(chance: random.Random) -> RuleSet:
    """5,000 rules of 10 words: common characters at random, and four that are found."""
    common = [chr(point) for point in range(0x4E00, 0x5E00)]
    words = ["".join(chance.choices(common, k=chance.randint(2, 4))) for _ in range(49_996)]
    words += "异响 失望 返修 故障".split()
    keywords = [
        KeywordRule(id=f"rule-{number}", name="规则", words=tuple(words[number::5000]))
        for number in range(5000)
    ]
    brands = [
        Brand(
            id="xinghe",
            name="星河",
            role="own",
            aliases=("星河", "星河汽车", "XINGHE", "M7"),
            trade="car",
        ),
        Brand(
            id="haitang",
            name="海棠",
            role="competitor",
            aliases=("海棠手机", "海棠"),
            trade="phone",
        ),
        Brand(id="chenfeng", name="晨风", role="competitor", aliases=("晨风",), trade="car"),
    ]
    return RuleSet(
        id="benchmark",
        version=1,
        author="benchmark",
        reason="measure",
        changed_at=RULES_AT,
        brands=tuple(brands),
        keywords=tuple(keywords),
    )


def texts(paths: Sequence[Path]) -> list[Post]:
    """Posts with the texts of files, in a seeded order."""
    read = [
        json.loads(line)["text"]
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    random.Random(1).shuffle(read)
    return [
        Post(
            id=f"weibo:{number}",
            platform="weibo",
            kind="post",
            text=text,
            author=Author(id=f"u{number}", name=f"路人{number}", followers=number),
            published_at=RULES_AT,
            observed_at=RULES_AT,
            source="weibo-search",
        )
        for number, text in enumerate(read[:MOST_TEXTS])
    ]


def best(chains: Sequence[Chain], stream: Sequence[Post]) -> list[float]:
    """CPU microseconds a post of each chain, each batch in its fastest round.

    The machine may be shared, so the chains take turns.
    """
    batches = [stream[start : start + BATCH] for start in range(0, len(stream), BATCH)]
    times = [[float("inf")] * len(batches) for _ in chains]
    for _ in range(ROUNDS):
        for chain, fastest in zip(chains, times, strict=True):
            for place, batch in enumerate(batches):
                began = time.process_time()
                chain.run(batch)
                fastest[place] = min(fastest[place], time.process_time() - began)
    return [sum(of_chain) / len(stream) * 1e6 for of_chain in times]


def show(chains: Sequence[Chain], stream: Sequence[Post], title: str) -> None:
    """Measure and print a line a step."""
    say = sys.stdout.write
    length = sum(len(post.text) for post in stream) / len(stream)
    say(f"{title}: {len(stream):,} posts of {length:.0f} characters\n")
    costs = best(chains, stream)
    say(f"{'records':<12}{costs[0]:8.1f} us/post\n")
    for name, before, cost in zip(NAMES, costs, costs[1:], strict=False):
        say(f"{name:<12}{cost - before:8.1f} us/post\n")
    say(f"{'all':<12}{costs[-1]:8.1f} us/post, {1e6 / costs[-1]:,.0f} posts/s\n")
    enriched = [post for post in chains[-1].run(stream) if isinstance(post, EnrichedPost)]
    began = time.process_time()
    made = sum(len(mentions(post)) for post in enriched)
    took = (time.process_time() - began) / len(enriched) * 1e6
    say(f"{'mentions':<12}{took:8.1f} us/post\n")
    matched = sum(bool(post.matches) for post in enriched)
    tagged = sum(bool(post.brands) for post in enriched)
    wanted = sum(bool(post.intents) for post in enriched)
    aspects = sum(len(post.aspects) for post in enriched)
    say(f"{matched} posts matched, {tagged} with a brand ({made} mentions), ")
    say(f"{wanted} with an intent, {aspects} aspects\n\n")


def main() -> None:
    """Measure and print."""
    chance = random.Random(20260101)
    rule_set, stream = rules(chance), posts(chance)
    began = time.process_time()
    build_chain(NAMES, {}, rule_set)
    took = time.process_time() - began
    chains = [build_chain(NAMES[:count], {}, rule_set) for count in range(len(NAMES) + 1)]
    calm_garbage_collector()  # as in a worker
    sys.stdout.write(f"{machine()}\n50,000 keywords in 5,000 rules\n")
    sys.stdout.write(f"building the chain: {took:.2f} s\n\n")
    show(chains, stream, "made up")
    if sys.argv[1:]:
        show(chains, texts([Path(path) for path in sys.argv[1:]]), "texts of files")


if __name__ == "__main__":
    main()
