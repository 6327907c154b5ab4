"""Which content words a post uses."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import rjieba
from pydantic import Field

from processors.explained import Explained, field_word
from processors.fold import FOLD_VERSION, INVISIBLE, fold
from processors.noise import without_noise
from processors.query_tree import Term, terms_of
from processors.rule_check import parsed
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.rules import RuleSet

__all__ = ["Tokens"]

_MOST_SHOWN = 20
_LETTER = re.compile(r"[^\W\d_]")


class Tokens:
    """Writes ``words``: distinct content words of title and text, in order of appearance.

    Cut by rjieba (jieba-rs), folded, so that BYD and ｂｙｄ are one word to count. Content words
    have at least two characters, one of them a letter; numbers (also 三十), addresses, @names,
    emoticon codes and stop words (``stop_words.txt``) are none. Brand aliases, keywords and the
    words of queries join jieba's dictionary; aliases and keywords are never stop words. Limit: a
    user word with a space or punctuation inside is cut there, because jieba cuts there first.
    """

    class Config(ComponentConfig):
        """Options of the tokens step."""

        max_words: int = Field(
            64, ge=1, le=1000, description="Most words kept per post: the first ones."
        )
        find_new_words: bool = Field(
            True,
            description=(
                "Join characters to words that no dictionary holds, by jieba's hidden Markov "
                "model; without it such words are lost, because single characters are no words."
            ),
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.1/rjieba-{version('rjieba')}/{rules.label}"
        self._max_words = config.max_words
        self._find_new_words = config.find_new_words
        self._jieba = rjieba.Jieba()  # its own dictionary: user words stay in this instance
        user_words = _user_words(rules)
        for word in (*user_words, *_query_words(rules)):
            self._jieba.add_word(word, None, None)
        self._stop_words = _stop_words().difference(user_words)

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with ``words``."""
        return [post.replaced(words=self._words(post)) for post in posts]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """The words, shortened: each stands in the text for everybody to see."""
        shown = say("、", ", ").join(post.words[:_MOST_SHOWN]) or say("没有", "none")
        more = "…" if len(post.words) > _MOST_SHOWN else ""
        return [Explained(field_word("words"), shown + more)]

    def _words(self, post: EnrichedPost) -> tuple[str, ...]:
        text = f"{post.title}\n{post.text}" if post.title else post.text
        plain = without_noise(fold(text).replace(INVISIBLE, ""))
        stop_words = self._stop_words
        words = [
            word
            for word in dict.fromkeys(self._jieba.cut(plain, self._find_new_words))
            if len(word) > 1
            and word not in stop_words
            and (word.isalpha() or _LETTER.search(word))
            and not word.isnumeric()
        ]
        return tuple(words[: self._max_words])


def _user_words(rules: RuleSet) -> list[str]:
    """Aliases and keywords of the rules, folded, in the rules' order, each once."""
    named = [alias for brand in rules.brands for alias in brand.words]
    named += [word for rule in rules.keywords for word in rule.words]
    return _folded(named)


def _query_words(rules: RuleSet) -> list[str]:
    """The words of queries without wildcards, likewise; those of NOT too."""
    return _folded(
        located.written
        for rule in rules.rules
        for located in terms_of(parsed(rule.query))
        if isinstance(located, Term) and len(located.pieces) == 1
    )


def _folded(words: Iterable[str]) -> list[str]:
    folded = dict.fromkeys(fold(word).replace(INVISIBLE, "").strip() for word in words)
    return [word for word in folded if len(word) > 1]


@cache
def _stop_words() -> frozenset[str]:
    path = Path(__file__).with_name("stop_words.txt")
    return frozenset(path.read_text(encoding="utf-8").split())
