"""Event-time buckets: what was said about one brand in a quarter of an hour.

Who counts as what, within one bucket and in the order of arrival:

* **repeat**: the post's id was counted before (redelivery, a second revision): nothing changes;
* **echo**: a repost without own words (kind ``repost``, neither mood nor signature). It carries
  the root further, so it is a mention; nobody said anything, so it is no voice;
* **copy**: the author was already heard, or the text was, exactly (its signature) or nearly (its
  sketch, ``processors/copies.py``): a mention, no voice;
* **voice**: everything else, the first own words of an author. Mood, words and quotes come from
  voices alone.

Limits: ids, authors and signatures are kept as 64-bit hashes, exactly, up to a cap per bucket.
Beyond it a mention is *unchecked*: counted as a mention, neither as a voice nor as a copy, and a
repeat of it can't be told.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from processors.baseline import Measured, Normal
from processors.canonical import Counts, Ids, by_key, hash64
from processors.copies import Texts, TextsState
from processors.facts import Facts, Heard
from processors.traces import Sample, quote
from processors.trail import Trail
from schemas.enriched import BrandRole
from schemas.incident import Numbers, Quote
from schemas.post import PostId
from schemas.signals import Mention

__all__ = ["MAX_POSTS", "MAX_WORDS", "Bucket", "Counted", "Tally"]

MAX_POSTS = 50
"""Named posts in an evidence."""
MAX_WORDS = 200
"""Different words counted in a tally; later ones are left out."""
MAX_OPENERS = 12
"""Words of which the first negative voice is kept."""
_HASHES_A_MENTION = 3

Counted = Literal["repeat", "echo", "copy", "voice", "unchecked"]


@dataclass(slots=True)
class Tally:
    """Counts that can be added up over buckets; an author counts once in each bucket."""

    mentions: int = 0
    voices: int = 0
    negative: int = 0
    positive: int = 0
    echoes: int = 0
    unchecked: int = 0
    copied_texts: int = 0
    platforms: Counts = field(default_factory=dict)
    words: Counts = field(default_factory=dict)
    """Voices by matched word."""
    negative_words: Counts = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)

    @property
    def copies(self) -> int:
        """Mentions that add no voice, echoes included."""
        return self.mentions - self.voices - self.unchecked

    @property
    def repeat_share(self) -> float:
        """Share of repeated texts and authors among the mentions that bring a text at all."""
        texts = self.mentions - self.echoes - self.unchecked
        return (texts - self.voices) / texts if texts else 0.0

    def count(self, measured: Measured) -> int:
        """One of the counts that are compared with what is usual."""
        if measured == "negative":
            return self.negative
        if measured == "topics":
            return 0
        return self.voices if measured == "voices" else self.mentions

    def add(self, other: "Tally") -> None:
        """Count the other tally in."""
        self.mentions += other.mentions
        self.voices += other.voices
        self.negative += other.negative
        self.positive += other.positive
        self.echoes += other.echoes
        self.unchecked += other.unchecked
        self.copied_texts += other.copied_texts
        _add_counts(self.platforms, other.platforms)
        _add_counts(self.words, other.words, MAX_WORDS)
        _add_counts(self.negative_words, other.negative_words, MAX_WORDS)
        self.heard.add(other.heard)

    def facts(self, role: BrandRole, usual_negative: float) -> Facts:
        """What tells the kind of wave; ``usual_negative`` is the brand's usual share."""
        heard = self.heard
        worst = min(heard.faults.items(), key=lambda fault: (-fault[1], fault[0]), default=None)
        return Facts(
            role=role,
            mentions=self.mentions,
            voices=self.voices,
            negative=self.negative,
            positive=self.positive,
            echoes=self.echoes,
            platforms=len(self.platforms),
            usual_negative=usual_negative,
            fearful=heard.fearful,
            complaining=heard.complaining,
            rumours=heard.rumours,
            troubled=heard.troubled,
            grave=heard.grave,
            authorities=heard.authorities,
            media=heard.media,
            officials=heard.officials,
            staff=heard.staff,
            calling=heard.calling,
            reposted=heard.reposted,
            fault=worst[0] if worst is not None else None,
            fault_voices=worst[1] if worst is not None else 0,
        )

    def numbers(self) -> Numbers:
        """As it stands in an incident."""
        return Numbers(
            mentions=self.mentions,
            voices=self.voices,
            negative=self.negative,
            positive=self.positive,
            copies=self.copies,
            copied_texts=self.copied_texts,
            platforms=dict(sorted(self.platforms.items())),
        )


def _add_counts(counts: dict[str, int], more: dict[str, int], most: int | None = None) -> None:
    # Sorted: which words still find room must not depend on the order of a dict.
    for name, count in sorted(more.items()):
        if name in counts or most is None or len(counts) < most:
            counts[name] = counts.get(name, 0) + count


def _count(counts: dict[str, int], names: Iterable[str]) -> None:
    for name in names:
        if name in counts:
            counts[name] += 1
        elif len(counts) < MAX_WORDS:
            counts[name] = 1


@dataclass(slots=True)
class Bucket:
    """One open bucket of one brand."""

    newest: datetime
    """Latest event time seen in it."""
    normal: Normal | None = None
    """What is usual here, fixed when the bucket was opened; ``None`` in the grace period."""
    tally: Tally = field(default_factory=Tally)
    ids: Ids = field(default_factory=set)
    texts: TextsState = field(default_factory=Texts)
    posts: list[PostId] = field(default_factory=list)
    """The first mentions by name, in order of arrival; so the next two."""
    voice_posts: list[PostId] = field(default_factory=list)
    negative_posts: list[PostId] = field(default_factory=list)
    said: Sample = field(default_factory=Sample)
    """Posts that stand for the voices."""
    complained: Sample = field(default_factory=Sample)
    """Posts that stand for the negative voices."""
    openers: Annotated[dict[str, Quote], by_key] = field(default_factory=dict)
    """Word to the earliest negative voice that used it."""
    trails: Annotated[dict[str, Trail], by_key] = field(default_factory=dict)
    """The same words to who used them first, and who after that."""

    def named(self, measured: Measured) -> list[PostId]:
        """The first posts behind one of the counts."""
        if measured == "negative":
            return self.negative_posts
        return self.voice_posts if measured == "voices" else self.posts

    def facts(self, role: BrandRole) -> Facts:
        """What tells the kind of wave that the bucket shows."""
        usual = self.normal.negative_share if self.normal is not None else 0.0
        return self.tally.facts(role, usual)

    def add(self, mention: Mention, max_ids: int) -> Counted:
        """Count one mention and tell as what."""
        post = hash64("post", mention.post_id)
        if post in self.ids:
            return "repeat"
        tally = self.tally
        tally.mentions += 1
        tally.heard.carry(mention)
        tally.platforms[mention.platform] = tally.platforms.get(mention.platform, 0) + 1
        if mention.event_at > self.newest:
            self.newest = mention.event_at
        if len(self.posts) < MAX_POSTS:
            self.posts.append(mention.post_id)
        if len(self.ids) + _HASHES_A_MENTION > max_ids:
            tally.unchecked += 1
            return "unchecked"
        self.ids.add(post)
        if mention.kind == "repost" and mention.signature is None and mention.mood is None:
            tally.echoes += 1
            return "echo"
        posts = self.texts.take(mention)
        tally.copied_texts += posts == 2
        if not self._is_new(mention) or posts > 1:
            return "copy"
        self._hear(mention, post)
        return "voice"

    def _is_new(self, mention: Mention) -> bool:
        """Neither author nor text was there before; both are known from now on."""
        known = len(self.ids)
        self.ids.add(hash64("author", mention.platform, mention.author_id))
        wanted = known + 1
        if mention.signature is not None:
            self.ids.add(hash64("text", mention.signature))
            wanted += 1
        return len(self.ids) == wanted

    def _hear(self, mention: Mention, post: int) -> None:
        tally = self.tally
        words = dict.fromkeys(mention.matches)
        tally.voices += 1
        tally.heard.hear(mention)
        _count(tally.words, words)
        self.said.offer(mention, post)
        if len(self.voice_posts) < MAX_POSTS:
            self.voice_posts.append(mention.post_id)
        if mention.mood == "positive":
            tally.positive += 1
        elif mention.mood == "negative":
            tally.negative += 1
            _count(tally.negative_words, words)
            self.complained.offer(mention, post)
            if len(self.negative_posts) < MAX_POSTS:
                self.negative_posts.append(mention.post_id)
            for word in words:
                self._open_word(word, mention)

    def _open_word(self, word: str, mention: Mention) -> None:
        first = self.openers.get(word)
        if first is None and len(self.openers) >= MAX_OPENERS:
            return
        if first is None or mention.event_at < first.at:
            self.openers[word] = quote(mention)
        trail = self.trails.setdefault(word, Trail())
        trail.speak(mention)
        trail.take_up(mention)
