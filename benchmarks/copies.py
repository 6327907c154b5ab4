"""How well near copies are told: ``python -m benchmarks.copies [FILE.jsonl ...]``.

Each text is planted four times as people pass it on: behind a comment (``转：`` or
``comment//@name:``), cut short with an address behind it, with 8 % of its characters edited, and
as a template with other names. Pair recall is the share of the planted texts that are told as
copies of their text.

False pairs are counted among the hardest negatives there are: of every text, the most similar
other text of the same file, which is one brand or subject; texts that truly repeat each other
(a third of the shorter one's 4-grams stand in the longer one) are left out. Without a file the
texts are made up. Files: one JSON object with a ``text`` a line. Everything is seeded.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from processors.copies import Texts, carries
from processors.fold import fold
from processors.letters import letters, split
from processors.mentions import mentions
from processors.signature import Signature
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 1, 1, tzinfo=UTC)
RULES = RuleSet(id="benchmark", version=1, author="benchmark", reason="measure", changed_at=AT)
MOST = 1_500
LEAST_LETTERS = 20
REPEATED = 1 / 3

OPENINGS = (
    "周末 昨晚 今早 上个月 提车第三天 试驾回来 高速上 小区门口 出差路上 下雨天 刚才 中秋".split()
)
PLACES = "苏州 青岛 长沙 合肥 厦门 兰州 洛阳 宁波 昆明 大连 南宁 保定".split()
PEOPLE = "老婆 同事老周 我爸 邻居 孩子 闺蜜 师傅 销售小林 教练 表弟 房东 领导".split()
SUBJECTS = "刹车 空调 座椅 车机 导航 后备箱 充电口 雨刮 天窗 轮胎 大灯 车漆 音响 悬架".split()
MANNERS = "忽然 老是 居然 果然 好像 终于 一路 半夜 每次 多少 反正 真的 稍微 早就".split()
VERBS = (
    "没反应 滴滴响 挺好用 又坏了 让人放心 越看越丑 换掉了 很凉快 漏水 划花了 要加钱 省心 发抖 "
    "起雾 有异味 变安静了 卡住 松动 掉色 修不好 很亮 打滑"
).split()
FEELINGS = (
    "想不通 下回还来 再看看吧 就这样 打了三次电话 先观察 值这个价 心里堵 求主意 松了口气 不买了 "
    "气人 挺满意 没话说 白跑一趟"
).split()
PATTERNS = (
    "{o}在{p}，{w}说{s}{m}{v}，{f}",
    "{s}{m}{v}！{w}也遇到过，{f}",
    "{w}的{s}{v}，{o}我的{t}{m}{u}",
    "{f}，{o}{s}{v}，连{t}都{u}",
    "{p}的朋友问{s}，{m}{v}，至于{t}，{f}",
)
COMMENTS = "转： 转发： 【转】 太可怕了 说得对 大家都看看 真的假的，求证 求回应，别装看不见".split()
NAMES = "张伟 王芳 李娜医生 陈老师 赵师傅 孙经理 百合车行 江城旗舰店 阿强 小美 绍兴 佛山".split()


def made_up(chance: random.Random, count: int) -> list[str]:
    """Posts about one brand: two to four sentences put together from a few hundred parts."""
    return [
        "。".join(_sentence(chance) for _ in range(chance.choice((2, 3, 4)))) for _ in range(count)
    ]


def _sentence(chance: random.Random) -> str:
    subjects, verbs = chance.sample(SUBJECTS, 2), chance.sample(VERBS, 2)
    return chance.choice(PATTERNS).format(
        o=chance.choice(OPENINGS),
        p=chance.choice(PLACES),
        w=chance.choice(PEOPLE),
        m=chance.choice(MANNERS),
        f=chance.choice(FEELINGS),
        s=subjects[0],
        t=subjects[1],
        v=verbs[0],
        u=verbs[1],
    )


def prefixed(text: str, chance: random.Random) -> str:
    """Passed on behind a comment."""
    comment = chance.choice(COMMENTS)
    return chance.choice((f"{comment}//@路人甲:{text}", f"{comment} {text}", f"//@路人乙:{text}"))


def cut(text: str, chance: random.Random) -> str:
    """The first 40 to 80 %, an address behind it."""
    return text[: int(len(text) * chance.uniform(0.4, 0.8))] + "……全文 https://t.cn/A6xYz12"


def edited(text: str, chance: random.Random) -> str:
    """8 % of the characters replaced, left out or doubled by a foreign one."""
    signs = []
    for sign in text:
        foreign = chance.choice(text)
        edits = (foreign, "", sign + foreign)
        signs.append(chance.choice(edits) if chance.random() < 0.08 else sign)
    return "".join(signs)


def renamed(text: str, chance: random.Random) -> str:
    """A name put over every 25 characters or so."""
    signs = list(text)
    for _ in range(max(1, len(text) // 25)):
        place = chance.randrange(max(1, len(signs) - 3))
        signs[place : place + chance.choice((2, 2, 3))] = chance.choice(NAMES)
    return "".join(signs)


WAYS: dict[str, Callable[[str, random.Random], str]] = {
    "prefixed": prefixed,
    "cut + url": cut,
    "8 % edited": edited,
    "renamed": renamed,
}


def enriched(texts: Sequence[str]) -> list[EnrichedPost]:
    """Posts with signature and sketch."""
    posts = [
        EnrichedPost(
            id=f"weibo:{number}",
            platform="weibo",
            kind="post",
            text=text,
            author=Author(id=f"u{number}"),
            published_at=AT,
            observed_at=AT,
            source="benchmark",
            brands=(BrandTag(brand="xinghe", role="own"),),
        )
        for number, text in enumerate(texts)
    ]
    return [post for post in Signature(Signature.Config(), RULES).enrich(posts) if post]


def sketches(texts: Sequence[str]) -> list[str]:
    """A sketch each; an empty one for a text that is too short."""
    return [post.sketch or "" for post in enriched(texts)]


def shares_of(texts: Sequence[str]) -> list[tuple[float, int, int]]:
    """For every text the most similar other one: containment of exact 4-grams, and the places."""
    grams = [
        {words[start : start + 4] for start in range(len(words) - 3)}
        for words in split(letters([fold(text) for text in texts])[0])
    ]
    where: dict[str, list[int]] = {}
    for place, known in enumerate(grams):
        for gram in known:
            where.setdefault(gram, []).append(place)
    nearest = []
    for place, known in enumerate(grams):
        common: dict[int, int] = {}
        for gram in known:
            for other in where[gram]:
                if other != place:
                    common[other] = common.get(other, 0) + 1
        ranked = [
            (count / min(len(known), len(grams[other])), place, other)
            for other, count in common.items()
        ]
        strangers = [share for share in ranked if share[0] < REPEATED]
        nearest.append(max(strangers, default=(0.0, place, (place + 1) % len(texts))))
    return nearest


def measure(name: str, texts: Sequence[str], chance: random.Random) -> str:
    """One line of the table."""
    known = sketches(texts)
    cells = []
    for way in WAYS.values():
        planted = sketches([way(text, chance) for text in texts])
        found = sum(carries(copy, text) for copy, text in zip(planted, known, strict=True))
        cells.append(f"{found / len(texts):12.1%}")
    pairs = shares_of(texts)
    false = sum(carries(known[one], known[other]) for _, one, other in pairs)
    hardest = sorted(share for share, _, _ in pairs)[len(pairs) * 9 // 10]
    return f"{name:<18}{len(texts):6}{''.join(cells)}{false:8} of {len(pairs)} ({hardest:.0%})"


def search_cost(texts: Sequence[str]) -> str:
    """What a bucket asks a mention: known texts, and CPU microseconds."""
    told = [mention for post in enriched(texts) for mention in mentions(post)]
    bucket = Texts()
    began = time.process_time()
    for mention in told:
        bucket.take(mention)
    took = (time.process_time() - began) / len(told) * 1e6
    return f"a bucket with {len(bucket)} texts: {took:.0f} us a mention on the way there"


def read(path: Path) -> list[str]:
    """Different texts of a file that are long enough, at most ``MOST``, picked by chance."""
    lines = path.read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))
    words = split(letters([fold(text.partition("//@")[0]) for text in texts])[0])
    long = [text for text, own in zip(texts, words, strict=True) if len(own) >= LEAST_LETTERS]
    return random.Random(7).sample(long, min(MOST, len(long)))


def main() -> None:
    """Measure and print."""
    say = sys.stdout.write
    say(f"{'texts':<18}{'':6}{''.join(f'{way:>12}' for way in WAYS)}   false pairs (90 % share)\n")
    sets = {path.stem: read(path) for path in map(Path, sys.argv[1:])}
    sets["made up"] = made_up(random.Random(3), MOST)
    for name, texts in sets.items():
        say(measure(name, texts, random.Random(20260101)) + "\n")
    say(search_cost(made_up(random.Random(5), 900)) + "\n")


if __name__ == "__main__":
    main()
