"""How fast the past is replayed: ``python -m benchmarks.backtest [MENTIONS [DAYS]]``.

Makes a file of signals from a seed, a million mentions over 30 days unless told otherwise: twenty
brands of very different size, a day's rhythm, a fifth of the voices negative, copies and bare
reposts, threads, a tick every second, and a crisis, a launch or a flood for every brand. Then
``tingchao backtest`` reads it in a process of its own; measured are its mentions a second of CPU
time (start-up included), the clock, and its peak memory.
"""

import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.signals import Mention, Tick

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 30
BRANDS = 20
SEED = 5
MENTIONS = 1_000_000
WORDS = ("刹车", "电池", "座椅", "导航", "客服", "车机")
EXCERPT = "周末开着它去了趟郊外，来回四百公里，充电一次，孩子在后座睡得很香，就是风噪大了些"


def mentions_of_minute(
    chance: random.Random, minute: int, rates: list[float]
) -> Iterator[tuple[float, Mention]]:
    """What the brands hear in one minute, with the second."""
    hour = minute / 60 % 24
    rhythm = 1 + 0.8 * math.sin(2 * math.pi * (hour - 9) / 24)
    for brand, rate in enumerate(rates):
        event = _event(brand, minute)
        mean = rate * rhythm * (12 if event else 1)
        for number in range(_poisson(chance, mean)):
            yield chance.uniform(0, 60), _mention(chance, brand, minute, number, event)


def _event(brand: int, minute: int) -> str | None:
    """Every brand has one of three waves, two hours long, from the tenth day on."""
    start = (10 + brand) * 1440 + 600
    return ("crisis", "launch", "flood")[brand % 3] if start <= minute < start + 120 else None


def _poisson(chance: random.Random, mean: float) -> int:
    product, count, limit = chance.random(), 0, math.exp(-mean)
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def _mention(
    chance: random.Random, brand: int, minute: int, number: int, event: str | None
) -> Mention:
    name = f"{brand}-{minute}-{number}"
    negative = {"crisis": 0.7, "launch": 0.05}.get(event or "", 0.2)
    mood = chance.choices(("negative", "neutral", "positive"), (negative, 0.5, 0.3))[0]
    repost = chance.random() < 0.15
    copied = chance.random() < (0.9 if event == "flood" else 0.1)
    thread = f"weibo:{brand}-t{minute // 30}" if chance.random() < 0.4 else f"weibo:{name}"
    return Mention.unchecked(
        type="mention",
        brand=f"brand-{brand:02}",
        role="own",
        post_id=f"weibo:{name}",
        root_id=thread,
        platform=chance.choice(("weibo", "wechat", "forum")),
        kind="repost" if repost else "post",
        author_id=str(chance.randrange(200_000)),
        author_name="网友",
        followers=int(chance.paretovariate(0.8) * 50),
        event_at=START + timedelta(minutes=minute),
        mood=None if repost else mood,
        negative=None if repost else 0.5,
        signature=None if repost else (f"copy-{brand}-{minute // 60}" if copied else f"s-{name}"),
        matches=(chance.choice(WORDS),),
        excerpt=EXCERPT,
        url=f"https://weibo.example/{name}",
    )


def write_signals(path: Path, count: int, days: int = DAYS) -> int:
    """Write the lines in order of time; returns how many mentions there are."""
    chance = random.Random(SEED)
    sizes = [1 / (brand + 1) for brand in range(BRANDS)]
    rates = [count / (days * 1440) * size / sum(sizes) for size in sizes]
    written = 0
    with path.open("wb") as file:
        for minute in range(days * 1440):
            said = sorted(mentions_of_minute(chance, minute, rates), key=lambda one: one[0])
            place = 0
            for second in range(60):
                at = START + timedelta(minutes=minute, seconds=second)
                file.write(Tick.unchecked(type="tick", at=at, lane=0, lanes=1).to_line() + b"\n")
                while place < len(said) and said[place][0] < second + 1:
                    offset, mention = said[place]
                    event_at = START + timedelta(minutes=minute, seconds=offset)
                    file.write(mention.replaced(event_at=event_at).to_line() + b"\n")
                    place += 1
            written += len(said)
    return written


def main() -> None:
    """Make, replay, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MENTIONS
    days = int(sys.argv[2]) if len(sys.argv) > 2 else DAYS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signals.jsonl"
        written = write_signals(path, count, days)
        print(f"{written:,} mentions, {path.stat().st_size / 1e6:,.0f} MB")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TINGCHAO_")}
        command = [sys.executable, "-m", "pipeline", "backtest", "--file", str(path), "--json"]
        began = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            check=True,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
            cwd=folder,
        )
        clock = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    alarms = len(json.loads(done.stdout)["versions"][0]["alarms"])
    print(f"{clock:.0f} s by the clock, {cpu:.0f} s of CPU, {written / cpu:,.0f} mentions/s")
    print(f"{used.ru_maxrss / 1024:.0f} MiB at most; {alarms} alarms")


if __name__ == "__main__":
    main()
