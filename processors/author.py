"""Who writes: the author's kind with the reason, the influence, and how close readers are.

One post at a time, nothing remembered: what an account wrote before, and how that spread, is not
known here (``influence.py`` has a place for it). A kind is a guess by words and standing; ``bot``
is a suspicion. The method and its figures stand in ``author.md``.
"""

from collections.abc import Sequence
from functools import lru_cache

from processors.author_name import Named, Standing, kind_of_name, plain_name, standing_of
from processors.author_text import LOOKED_AT, Places, kind_of_text, phrases_in
from processors.author_words import COMPANY
from processors.automaton import Automaton
from processors.brand_tree import accounts
from processors.fold import FOLD_VERSION, INVISIBLE, fold
from processors.influence import influence, spread
from processors.tie import tie_of
from schemas.component import ComponentConfig
from schemas.enriched import AuthorKind, EnrichedPost
from schemas.rules import Brand, RuleSet

__all__ = ["AuthorOf"]

#: Raised when any author may get another kind or influence.
_VERSION = 1
_REMEMBERED = 16_384
_OPEN: frozenset[AuthorKind | None] = frozenset({None, "person"})
#: No name has it.
_BORDER = "\x00"
_OF_PEOPLE = frozenset({"message", "review"})


class AuthorOf:
    """Writes ``author_kind``, ``author_reason``, ``influence`` and ``tie``.

    An entry of kind ``account`` and a verified account that is called like a brand are ``brand``.
    Else the name decides (``author_name.py``), and of people what they say of themselves
    (``author_text.py``): 欢迎到店 a dealer, 我在启澜上班 staff. Who shows nothing is a ``person``;
    an author without a name, whom no word of the text tells, has no kind, but messages and reviews
    are people's. A sighting of a hot topic has none of all this.
    """

    class Config(ComponentConfig):
        """The author step has no options."""

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.{_VERSION}/{rules.label}"
        self._brands = rules.brands
        self._accounts = accounts(rules.brands)
        self._names = Automaton({word for brand in rules.brands for word in _words_of(brand)})
        self._companies = {
            word: brand.id
            for brand in reversed(rules.brands)
            if brand.kind in ("brand", "company")
            for word in _words_of(brand)
        }
        self._longest = max(map(len, self._companies), default=0)
        # Pure, so remembering changes nothing; per step, since the brands are this rule set's.
        self._named = lru_cache(_REMEMBERED)(self._judged_name)

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with the four fields."""
        texts = [fold(post.text[:LOOKED_AT]).replace(INVISIBLE, "") for post in posts]
        places = phrases_in(texts)
        # Folded together: few names are remembered, and a call for each would cost 2 us.
        names = fold(_BORDER.join([post.author.name or "" for post in posts])).split(_BORDER)
        return [
            post
            if post.kind == "hot"
            else self._judged(post, names[number], texts[number], places.get(number))
            for number, post in enumerate(posts)
        ]

    def _judged(
        self, post: EnrichedPost, name: str, text: str, places: Places | None
    ) -> EnrichedPost:
        author, engagement = post.author, post.engagement
        standing = standing_of(author.verified, author.followers)
        named = self._named(name, standing)
        kind, reason = named.kind, named.reason
        told = None
        # A name that says something is the platform's word; only people's texts are asked.
        if places is not None and kind in _OPEN and standing != "verified":
            told = kind_of_text(text, places, self._names_brand, default_name=named.default)
        if told is not None:
            kind, words = told
            reason = f"{'name+text' if kind == 'bot' and named.default else 'text'}: {words}"
        elif kind is None and (author.name or post.kind in _OF_PEOPLE):
            kind = "person"
        went = None
        if engagement is not None:
            went = spread(
                engagement.reposts, engagement.comments, engagement.likes, engagement.reads
            )
        return post.replaced(
            author_kind=kind,
            author_reason=kind and reason,
            influence=influence(author.followers, author.verified, kind, went),
            tie=tie_of(post.platform, post.kind),
        )

    def _judged_name(self, name: str, standing: Standing) -> Named:
        plain = plain_name(name)
        if not plain:
            return Named(None)
        if (owner := self._accounts.get(name.strip())) is not None:
            return Named("brand", f"account: {self._brands[owner[0]].id}")
        named = kind_of_name(plain, standing, self._names_brand)
        if standing == "verified" and named.kind in (None, "industry", "brand"):
            if (brand := self._own_account(plain)) is not None:
                return Named("brand", f"verified+name: {brand}")
        return named

    def _own_account(self, plain: str) -> str | None:
        """The brand that a verified account is called after: 启澜, 启澜汽车北川服务."""
        for end in range(min(len(plain), self._longest), 0, -1):
            brand = self._companies.get(plain[:end])
            rest = plain[end:]
            if brand is not None and (not rest or any(word in rest for word in COMPANY)):
                return brand
        return None

    def _names_brand(self, text: str) -> bool:
        return next(iter(self._names.find(fold(text))), None) is not None


def _words_of(brand: Brand) -> list[str]:
    return [word for one in brand.words if (word := plain_name(fold(one)))]
