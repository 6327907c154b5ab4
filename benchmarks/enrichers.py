"""What each enricher costs: ``python -m benchmarks.enrichers``.

One process, one core, batches of 200 posts of 100 characters, 50,000 keywords in 5,000 rules; every
tenth post is a repost of 100 more. Prints CPU microseconds a post. Posts and words are made up from
a seeded generator. ``all`` includes making the records.
"""

import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from processors.chain import build_chain
from processors.mentions import mentions
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from schemas.rules import Brand, KeywordRule, RuleSet

BATCH = 200
BATCHES = 10
ROUNDS = 15
LENGTH = 100
NAMES = ("keywords", "brands", "tokens", "signature", "relevance")

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
        Brand(id="xinghe", name="星河", role="own", aliases=("星河", "星河汽车", "XINGHE", "M7")),
        Brand(id="haitang", name="海棠", role="competitor", aliases=("海棠手机", "海棠")),
        Brand(id="chenfeng", name="晨风", role="competitor", aliases=("晨风",)),
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


def best(work: Callable[[Sequence[Post]], object], batches: Sequence[Sequence[Post]]) -> float:
    """CPU microseconds a post, each batch in its fastest round: the machine may be shared."""
    times = [float("inf")] * len(batches)
    for _ in range(ROUNDS):
        for place, batch in enumerate(batches):
            began = time.process_time()
            work(batch)
            times[place] = min(times[place], time.process_time() - began)
    return sum(times) / sum(map(len, batches)) * 1e6


def main() -> None:
    """Measure and print."""
    say = sys.stdout.write
    chance = random.Random(20260101)
    rule_set, stream = rules(chance), posts(chance)
    batches = [stream[start : start + BATCH] for start in range(0, len(stream), BATCH)]
    began = time.process_time()
    chain = build_chain(NAMES, {}, rule_set)
    took = time.process_time() - began
    say(f"{machine()}\n")
    say(f"{len(stream)} posts of {LENGTH} characters, 50,000 keywords in 5,000 rules\n")
    say(f"building the chain: {took:.2f} s\n\n")

    nothing = best(build_chain((), {}, rule_set).run, batches)
    say(f"{'records':<12}{nothing:8.1f} us/post\n")
    for name in NAMES:
        before = ("keywords",) if name == "relevance" else ()
        alone = best(build_chain((*before, name), {}, rule_set).run, batches)
        base = best(build_chain(before, {}, rule_set).run, batches)
        say(f"{name:<12}{alone - base:8.1f} us/post\n")
    say(f"{'all':<12}{best(chain.run, batches):8.1f} us/post\n")

    enriched = [post for post in chain.run(stream) if isinstance(post, EnrichedPost)]
    tagged = sum(bool(post.brands) for post in enriched)
    matched = sum(bool(post.matches) for post in enriched)
    began = time.process_time()
    made = sum(len(mentions(post)) for post in enriched)
    took = (time.process_time() - began) / len(enriched) * 1e6
    say(f"{'mentions':<12}{took:8.1f} us/post\n\n")
    hits = sum(len(match.spans) for post in enriched for match in post.matches)
    say(f"{matched} posts matched ({hits} places), {tagged} with a brand, {made} mentions\n")


if __name__ == "__main__":
    main()
