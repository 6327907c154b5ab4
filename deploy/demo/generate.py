"""Writes the demo recording: two weeks of talk about six car makers that do not exist.

The story, in China time, from Monday 2026-10-05 on (a replay moves it by whole days):

    every day      people buy, drive, compare, praise and curse cars; some talk names no brand
    day 6, 18:00   凌岳 (ours) launches the 云脊: 30 loud and happy hours, about 2,500 posts
    day 9, 15:00   a rented crowd copies one advert 1,500 times in three hours, and one smear of
                   星禾 (ours) 200 times: many posts, hardly a voice
    day 11, 09:41  an owner of a 启澜 QL6 (ours) writes on the forum 轮迹社区 that since the
                   V3.2 update the brakes are longer; a handful of cautious replies
           12:04   a second owner, in another town, answers; the thread fills
           13:19   a car blogger of middling reach takes both to Weibo; now strangers tell the
                   same in their own words, others are afraid or angry
           16:03   a magazine writes of it
    day 12, 10:00  the maker's statement; it calms slowly, the tail lasts to the end of day 13

All of it is written for this demo out of phrases.toml and incidents.toml. The same arguments give
the same lines on every machine; ``--posts`` scales the everyday talk only.

    python deploy/demo/generate.py                                  # recording and truth.json
    python deploy/demo/generate.py --posts 50000 --out /tmp/big.jsonl.gz
"""

import argparse
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))  # a plain script: schemas need not be installed

from accounts import People
from entries import DAYS, START, Entry, publish, save
from everyday import Everyday
from incidents import Crisis, flood, launch
from wording import Draws
from writer import Writer, read_brands, read_model

from schemas.post import PostDraft

HERE = Path(__file__).parent
POSTS = 25_000
FEWEST_POSTS = 8_000
SEED = 11


@dataclass(frozen=True, slots=True)
class Recording:
    """The lines, and what only their author knows of them."""

    entries: list[Entry]
    """In the order of ``drafts``."""
    drafts: list[PostDraft]
    truth: dict[str, Any]


def record(posts: int = POSTS, seed: int = SEED) -> Recording:
    """Tell the whole story once."""
    material = {**_read("phrases.toml"), **_read("incidents.toml")}
    brands = read_brands(material)
    models = {model.name: brand.share for brand in brands.values() for model in brand.models}
    draws = Draws(f"tingchao demo {seed}")
    people = People(material, models, posts, draws)
    writer = Writer(material, brands, people, draws)
    part = material["launch"]
    new_model = read_model(part["brand"], part["model"])
    writer.add_model(new_model)

    everyday = Everyday(material, writer, new_model)
    crisis = Crisis(material, writer, everyday.official("qilan"))
    incidents = [
        *launch(material, writer, everyday.official("lingyue")),
        *flood(material, writer),
        *crisis.posts(),
    ]
    entries = [*everyday.posts(posts - len(incidents)), *incidents]
    ordered, drafts = publish(entries, draws)
    return Recording(ordered, drafts, _truth(ordered, drafts, crisis))


def _read(name: str) -> dict[str, Any]:
    with (HERE / name).open("rb") as file:
        return tomllib.load(file)


def _truth(ordered: list[Entry], drafts: list[PostDraft], crisis: Crisis) -> dict[str, Any]:
    """What the demo's last check compares with."""
    draft_of = {id(entry): draft for entry, draft in zip(ordered, drafts, strict=True)}

    def incident(kind: str) -> dict[str, Any]:
        posts = [entry for entry in ordered if entry.chapter == kind]
        return {
            "kind": kind,
            "brand": posts[0].brand,
            "first_post": draft_of[id(posts[0])].id,
            "started_at": _iso(draft_of[id(posts[0])]),
            "ended_at": _iso(draft_of[id(posts[-1])]),
            "posts": len(posts),
            "own_words": len({entry.own_words for entry in posts if entry.own_words}),
            "authors": len({entry.account.author.id for entry in posts}),
        }

    milestones = {
        name: {"post": draft_of[id(entry)].id, "at": _iso(draft_of[id(entry)])}
        for name, entry in crisis.milestones.items()
    }
    return {
        "posts": len(drafts),
        "days": DAYS,
        "starts_at": START.isoformat(),
        "incidents": [
            incident("launch"),
            incident("flood"),
            {**incident("crisis"), "milestones": milestones},
        ],
    }


def _iso(draft: PostDraft) -> str:
    return draft.published_at.astimezone(START.tzinfo).isoformat()


def main() -> None:
    """Write the recording; beside the committed one also its truth."""
    parser = argparse.ArgumentParser(description="Write the demo recording.")
    parser.add_argument("--out", type=Path, help="default: the committed recording")
    parser.add_argument("--truth", type=Path, help="default: the committed one, none with --out")
    parser.add_argument("--posts", type=int, default=POSTS, help=f"at least {FEWEST_POSTS}")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    if chosen.posts < FEWEST_POSTS:
        parser.error(f"--posts {chosen.posts}: the three incidents need at least {FEWEST_POSTS}")
    recording = record(chosen.posts, chosen.seed)
    save(recording.drafts, chosen.out or HERE / "recording.jsonl.gz")
    truth = chosen.truth or (None if chosen.out else HERE / "truth.json")
    if truth:
        truth.write_text(json.dumps(recording.truth, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
