"""Which brands a post speaks of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from pydantic import Field

from processors.brand_sense import (
    SENSE_VERSION,
    BrandSense,
    Sense,
    Support,
    Verdict,
    cut_sense_of,
    longer_words,
    sense_of,
)
from processors.brand_tree import accounts, families, parents
from processors.explained import Clue, Explained, clues_at, field_word, percent
from processors.fold import FOLD_VERSION, fold
from processors.scanner import Hit, Owner, Scanner, longest
from processors.spans import span_at
from schemas.component import ComponentConfig
from schemas.enriched import BrandTag, EnrichedPost, Span, TextField
from schemas.language import say
from schemas.rules import Alias, RuleSet

__all__ = ["Brands"]

_OWN_FIELDS: tuple[TextField, ...] = ("text", "title")
_QUOTED_FIELDS: tuple[TextField, ...] = ("root_text",)
_FIELD_ORDER: dict[TextField, int] = {"text": 0, "title": 1, "root_text": 2}

#: Places of ambiguous names that are weighed in one post; one name repeated without end is bounded.
MAX_WEIGHED = 100
#: From here on a place is sure enough to speak for the others of its brand in the post.
_SURE = 2.0


@dataclass(slots=True)
class _Found:
    """What was found of one brand."""

    words: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)
    confidence: float = 0.0
    reason: str = ""


_Unsure = tuple[TextField, str, Hit]
"""Where an ambiguous name stands: the field, its folded text and the place."""


class _Place(NamedTuple):
    """An ambiguous name that is still to be weighed."""

    position: int
    word: str
    span: Span
    verdict: Verdict


class Brands:
    """Writes ``brands``: one tag per brand that the post or its quoted root names.

    The longest alias wins: one that lies inside a longer alias, of any brand, does not count there
    (星河 in 星河湾, when both are aliases). Aliases that overlap only in part both count, and an
    alias that two brands share tags both. Aliases are compared as names (``scanner.py``): a digit
    may touch a Latin one (``BMW3系``), and blanks and hyphens inside are free (``Model-Y``).

    An alias that is also another word (苹果, 大众) counts where the sentence means the brand
    (``brand_sense.py``); a tag says how sure that is and why. A post that names a product, model or
    person is tagged with the parent too, with the same places and the reason ``part``; a brand
    passes its tag on to the brand above it, not to a company. What an entry of kind ``account``
    writes is tagged with it (``author``).

    A brand that only the root names is ``inherited``: its tag has no aliases, and the spans in the
    root's text where the post quotes it. What the root of a reply without a quote names stands in
    the given post's ``brands`` already (``processors/threads.py``); one post is seen at a time and
    nothing is remembered.
    Limit: behind the first 100 places of ambiguous names nothing more of them is found.
    """

    class Config(ComponentConfig):
        """Options of the brands step."""

        max_spans: int = Field(
            20,
            ge=1,
            le=1000,
            description="Most spans that one brand keeps per post; its aliases are all kept.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.3-{SENSE_VERSION}/{rules.label}"
        self._max_spans = config.max_spans
        self._brands = rules.brands
        self._positions = {brand.id: place for place, brand in enumerate(rules.brands)}
        self._above = parents(rules.brands)
        self._are_below = any(above is not None for above in self._above)
        self._family = families(rules.brands)
        self._models = [frozenset(map(_word, brand.models)) for brand in rules.brands]
        self._accounts = accounts(rules.brands)
        self._senses: dict[tuple[int, str], Sense] = {}
        self._cut_senses: dict[tuple[int, str], Sense] = {}
        for position, brand in enumerate(rules.brands):
            for name in brand.names:
                if sense := sense_of(name):
                    self._senses[position, name.word] = sense
                elif sense := cut_sense_of(name):
                    self._cut_senses[position, name.word] = sense
        self._judge = BrandSense() if self._senses or self._cut_senses else None
        others = {word for sense in self._senses.values() for word in sense.inside}
        if self._cut_senses:
            others.update(longer_words())
        self._scanner = Scanner(
            [*(brand.words for brand in rules.brands), tuple(others)], names=True
        )

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with ``brands`` in the rule set's order; posts without stay as they are."""
        return [
            post.replaced(brands=tags) if tags or post.brands else post
            for post, tags in zip(posts, map(self._tags, posts), strict=True)
        ]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """Each tag and why the brand is meant; and names that mean something else here."""
        names = {brand.id: brand.name for brand in self._brands}
        told = [
            Explained(
                f"{field_word('brands')} {names.get(tag.brand, tag.brand)}",
                f"{tag.brand} {percent(tag.confidence)}",
                clues_at(tag.spans),
                f"{_role(tag)}{say('；', '; ')}{_why(tag.reason or 'name')}",
            )
            for tag in post.brands
        ]
        tagged = {tag.brand for tag in post.brands}
        for position, clues in self._namesakes(post).items():
            if self._brands[position].id not in tagged:
                title = f"{field_word('brands')} {self._brands[position].name}"
                other = say("不算：这里不是指它", "not counted: something else is meant")
                told.append(Explained(title, other, tuple(clues)))
        return told or [Explained(field_word("brands"), say("没有", "none"))]

    def _namesakes(self, post: EnrichedPost) -> dict[int, list[Clue]]:
        """Places of names that are also other words, by the brand's position."""
        found: dict[int, list[Clue]] = {}
        for name in (*_OWN_FIELDS, *_QUOTED_FIELDS):
            for start, end, owners in longest(self._scanner.scan(getattr(post, name) or "")):
                for key in owners:
                    if key in self._senses or key in self._cut_senses:
                        found.setdefault(key[0], []).append(Clue(name, start, end))
        return found

    def _tags(self, post: EnrichedPost) -> tuple[BrandTag, ...]:
        quoted = self._find(post, _QUOTED_FIELDS, {}) if post.root_text else {}
        for tag in post.brands:  # what its root names, when it does not quote it
            if (place := self._positions.get(tag.brand)) is not None and place not in quoted:
                quoted[place] = _Found(confidence=tag.confidence)
        named = self._find(post, _OWN_FIELDS, quoted)
        if self._accounts:
            for position in self._accounts.get(fold(post.author.name or ""), ()):
                named.setdefault(position, _Found(confidence=1.0, reason="author"))
        if self._are_below:
            self._pass_on(named)
            self._pass_on(quoted)
        return tuple(
            [
                self._tag(position, named[position])
                if position in named
                else self._tag(position, quoted[position], inherited=True)
                for position in sorted(named.keys() | quoted.keys() if quoted else named)
            ]
        )

    def _find(
        self, post: EnrichedPost, fields: tuple[TextField, ...], root: dict[int, _Found]
    ) -> dict[int, _Found]:
        """What is named in the fields, by the brand's position; ``root``: what the root names."""
        found: dict[int, _Found] = {}
        unsure: list[_Unsure] = []
        for name in fields:
            text: str | None = getattr(post, name)
            if not text:
                continue
            folded = fold(text)
            for hit in longest(self._scanner.scan_folded(folded)):
                start, end, owners = hit
                span: Span | None = None
                for owner in owners:
                    position, word = owner
                    if position == len(self._brands):
                        continue  # a longer word that holds a name
                    of_brand = found.get(position)
                    if owner in self._senses or (
                        owner in self._cut_senses
                        and self._is_cut(owner, of_brand, folded, start, end)
                    ):
                        if len(unsure) < MAX_WEIGHED and not (unsure and unsure[-1][2] is hit):
                            unsure.append((name, folded, hit))
                        continue
                    if of_brand is None:
                        of_brand = found[position] = _Found(confidence=1.0)
                    of_brand.words.add(word)
                    if not of_brand.reason or word not in self._models[position]:
                        of_brand.reason = self._reason(position, word)
                    spans = of_brand.spans
                    if len(spans) == self._max_spans or (spans and spans[-1] is span):
                        continue  # full, or two words of one brand that fold alike (BYD, byd)
                    if span is None:
                        span = span_at(name, start, end)
                    spans.append(span)
        if unsure:
            self._add_likely(found, self._weighed(post, unsure, found, root))
        return found

    def _is_cut(
        self, owner: Owner, of_brand: _Found | None, folded: str, start: int, end: int
    ) -> bool:
        """Whether a name is to be weighed here because a word cuts into it."""
        assert self._judge is not None  # there are senses
        full = of_brand is not None and len(of_brand.spans) == self._max_spans
        if full and of_brand and owner[1] in of_brand.words:
            return False  # one more place adds nothing
        return self._judge.cuts(folded, start, end)

    def _reason(self, position: int, word: str) -> str:
        return f"model: {word}" if word in self._models[position] else "name"

    def _weighed(
        self,
        post: EnrichedPost,
        unsure: Iterable[_Unsure],
        found: dict[int, _Found],
        root: dict[int, _Found],
    ) -> list[_Place]:
        """Each ambiguous name with its verdict."""
        assert self._judge is not None  # there are senses
        author = fold(post.author.name or "")
        families = {self._family[position] for position in found}
        rooted = {self._family[position] for position in root}
        supports: dict[Owner, Support] = {}
        places: list[_Place] = []
        for name, folded, (start, end, owners) in unsure:
            for owner in owners:
                sense = self._senses.get(owner) or self._cut_senses.get(owner)
                if sense is None:
                    continue
                position, word = owner
                support = supports.get(owner)
                if support is None:
                    family = self._family[position]
                    support = supports[owner] = Support(
                        company=bool(families - {family}),
                        family=family in families,
                        author=self._author_means(author, fold(word), sense),
                        root=family in rooted,
                    )
                verdict = self._judge.judge(folded, start, end, sense, support)
                places.append(_Place(position, word, span_at(name, start, end), verdict))
        return places

    def _author_means(self, author: str, word: str, sense: Sense) -> bool:
        """Whether the author's name holds the name in the brand's sense: 大众汽车, not 大众影评."""
        start = author.find(word)
        if start < 0 or self._judge is None:
            return False
        return self._judge.judge(author, start, start + len(word), sense, Support()).score > 0

    def _add_likely(self, found: dict[int, _Found], places: list[_Place]) -> None:
        """Add what means its brand; one sure place speaks for the others of its brand."""
        sure = {place.position for place in places if place.verdict.score >= _SURE}
        for place in places:
            verdict, position = place.verdict, place.position
            if verdict.hopeless or (verdict.score <= 0 and position not in sure):
                continue
            of_brand = found.get(position)
            if of_brand is None:
                of_brand = found[position] = _Found()
            confidence = verdict.confidence
            if confidence > of_brand.confidence:
                of_brand.confidence = confidence
                of_brand.reason = verdict.reason
            of_brand.words.add(place.word)
            if of_brand.spans:
                of_brand.spans = _first_spans([*of_brand.spans, place.span], self._max_spans)
            else:
                of_brand.spans.append(place.span)

    def _pass_on(self, found: dict[int, _Found]) -> None:
        """Add what stands above: a post about the model is about the brand."""
        for position in sorted(found):
            part = found[position]
            above = self._above[position]
            while above is not None:
                whole = found.get(above)
                if whole is None:
                    whole = found[above] = _Found(reason=f"part: {self._brands[position].id}")
                if not whole.words:
                    whole.confidence = max(whole.confidence, part.confidence)
                    whole.spans = _first_spans([*whole.spans, *part.spans], self._max_spans)
                above = self._above[above]

    def _tag(self, position: int, found: _Found, *, inherited: bool = False) -> BrandTag:
        brand = self._brands[position]
        return BrandTag.unchecked(
            brand=brand.id,
            role=brand.role,
            aliases=() if inherited else tuple(sorted(found.words)),
            spans=tuple(found.spans),
            inherited=inherited,
            confidence=found.confidence,
            reason="root" if inherited else found.reason,
        )


def _role(tag: BrandTag) -> str:
    return {
        "own": say("自己的品牌", "an own brand"),
        "competitor": say("竞品", "a competitor"),
        "industry": say("行业", "of the industry"),
    }[tag.role]


def _why(reason: str) -> str:
    """The reason of a tag for a person; of another kind as it stands."""
    kind, _, what = reason.partition(": ")
    return {
        "name": say("写了它的名字", "its name is written"),
        "model": say(f"写了它的产品 {what}", f"its product {what} is named"),
        "context": say(f"旁边说到“{what}”", f"beside it: {what}"),
        "usual": say("这个词一般就指它", "the word usually means it"),
        "part": say(f"说到它下面的 {what}", f"{what} below it is named"),
        "author": say("是它的账号发的", "its account wrote the post"),
        "root": say("原帖说到它", "the thread's root names it"),
    }.get(kind, reason)


def _word(name: str | Alias) -> str:
    return name.word if isinstance(name, Alias) else name


def _first_spans(spans: Iterable[Span], most: int) -> list[Span]:
    """Each once, by field, then by place."""
    distinct = {(_FIELD_ORDER[span.field], span.start, span.end): span for span in spans}
    return [distinct[place] for place in islice(sorted(distinct), most)]
