"""What the writer of a post wants: complains, asks, wants to buy, praises, leaves, needs help.

Several may hold. Listed words (``intents.toml``) in the writer's own words (``prepare.py``) add to
a sum per intent, beside what the sentence shows: question marks, negation, a car's part with a
fault (``defects.py``), the shares of ``sentiment``, the form of news or an advertisement. The
score is the logistic function of the sum; an intent holds from 0.5 on. Of complaints and praise a
linear model on n-grams (``intents_training.py``), which has learnt from rated reviews, adds its own
score as far as the mood agrees. ``intents.md`` tells how well that works.

Nobody speaks as a customer on a hot-search board, and neither do the press and companies
themselves: of them only rumours are told.

Limits: irony; wishes that only the context shows; texts beyond their first 2,000 characters.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from processors.asking import asking_of
from processors.defects import LIST as DEFECTS
from processors.defects import NO_DEFECTS, Defects, defects_of, negated
from processors.explained import Clue, Explained, explained_label, explained_words
from processors.features import text_features
from processors.linear import LinearModel
from processors.prepare import PREPARE_VERSION, prepare
from processors.second_look import SecondLook, Seen
from processors.sentiment import judged_text
from processors.word_batches import Batch, Numbers, Places, Scanner, WordList, batches_of
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Label, TextField
from schemas.rules import RuleSet

__all__ = ["BUILT_IN", "HEAD", "INTENTS", "LEARNT", "REASONS", "TRAIN", "Intents", "deciding_words"]

BUILT_IN: Final = Path(__file__).with_name("intents.npz")
TRAIN: Final = "tingchao train intents"
HEAD: Final = "customer"
LEARNT: Final = ("complaint", "praise")
"""What the learnt model tells, in the order of its columns."""

INTENTS: Final = (
    "complaint",
    "enquiry",
    "purchase",
    "repurchase",
    "praise",
    "churn",
    "help",
    "maintenance",
    "rumour",
    "job",
)
"""In the order of records."""

REASONS: Final = ("promise", "quality", "practicality", "enjoyment", "respect")
"""Why one complains; in the order of records."""

_REVISION = 3  # of the weights in this file
_READ = 2_000
_COMPLAINT, _ENQUIRY, _PURCHASE = map(INTENTS.index, ("complaint", "enquiry", "purchase"))
_PRAISE, _RUMOUR = map(INTENTS.index, ("praise", "rumour"))
#: What a post must outweigh, in hundredths and in the order of ``INTENTS``.
_BIAS = (-170, -230, -190, -190, -170, -190, -200, -190, -180, -180)
#: Each further word of a group adds half of the first one's weight, up to so many words.
_MOST_WORDS = 3
#: What the form of news and the like takes from all intents but rumours; with 我 in it, half.
_FORMS = {"news": 240, "headline": 240, "advertisement": 260, "official": 320}
#: Who says much has more listed words by chance: by the logarithm of the length over so many
#: characters, in hundredths.
_SHORT = 35
_LENGTH = {"complaint": 100, "praise": 100, "purchase": 50}
#: Of the learnt scores: factor, what is added before it, least and most that they give. They speak
#: for an intent more than against it, since they have seen reviews, no titles and few questions.
_LEARNT = {"complaint": (0.5, 2.0, -0.6, 3.0), "praise": (0.9, 1.0, -1.0, 3.0)}
#: Of complaints and praise, words alone say at most so much.
_MOST_BY_WORDS = {"complaint": 1.5, "praise": 1.0}
#: Their posts are news or service, whatever the words.
_NOT_CUSTOMERS = frozenset({"media", "official"})
_ENJOYMENT = frozenset({"噪音", "异味"})
_PRACTICALITY = frozenset({"油耗高", "断连", "衰减"})

_WORDS = WordList("intents")
_ASKS, _BUYS = SecondLook("asking"), SecondLook("buying")
#: Who is a little short of wanting to buy is looked at again, too; in half hundredths.
_MAY_BUY = -200
_GROUPS = len(_WORDS.groups)
_ASK_WORD, _ASK_STRONG, _GOODS = map(_WORDS.groups.index, ("ask_word", "ask_strong", "goods"))
_SEEN = list(
    map(_WORDS.groups.index, ("ask_strong", "form_headline", "purchase_strong", "maintenance"))
)

#: Sums are whole numbers kept as floats (for BLAS), so that a post's do not depend on the order of
#: additions, and thus on its batch: hundredths, doubled because a further word counts half.
Sums = npt.NDArray[np.float64]


def _weights(key: str) -> Sums:
    """A row per group, a column per intent, in hundredths."""
    weights = np.zeros((_GROUPS, len(INTENTS)))
    for row, table in enumerate(_WORDS.tables.values()):
        for intent, weight in table.get(key, {}).items():
            weights[row, INTENTS.index(intent)] = round(weight * 100)
    return weights


_SCORES, _ASKED, _TOLD, _OF_GOODS = map(_weights, ("scores", "asked", "told", "goods"))
_GROUP_TABLES: Sequence[Mapping[str, Any]] = tuple(_WORDS.tables.values())
_FORM = np.array([_FORMS.get(table.get("form", ""), 0) for table in _GROUP_TABLES], np.float64)
#: The last one is no group, see ``WordList.groups_of``.
_NEGATABLE = np.array([*(table.get("negatable", False) for table in _GROUP_TABLES), False])
_BY_LENGTH = np.array([_LENGTH.get(intent, 0) for intent in INTENTS], np.float64)
#: Forms take nothing from rumours, and from enquiries it is taken before.
_TAKEN = np.array([intent not in ("rumour", "enquiry") for intent in INTENTS], np.float64)
_REASON_ROWS = [row for row, table in enumerate(_GROUP_TABLES) if "reason" in table]
_REASONS = [_GROUP_TABLES[row]["reason"] for row in _REASON_ROWS]


class Intents:
    """Writes ``intents``, ``reasons`` and ``defects``; see the module for how and its limits."""

    behind = ("brands", "sentiment", "sentiment_snownlp", "author")

    class Config(ComponentConfig):
        """Options of the intents step."""

        model: Path | None = Field(
            None, description="Weights from `tingchao train intents`; none: the built-in ones."
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self._model = LinearModel.load(config.model or BUILT_IN, TRAIN, [HEAD])
        self._scanner = Scanner(_WORDS, DEFECTS)
        words = f"{_WORDS.version}.{_ASKS.version}.{_BUYS.version}.{DEFECTS.version}"
        self.version = f"{_REVISION}.{PREPARE_VERSION}.{words}-{self._model.version}"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records; posts that show nothing stay as they are."""
        results: list[EnrichedPost | None] = []
        learnt = self._learnt(posts)
        for texts in batches_of([_own_text(post) for post in posts]):
            these = slice(len(results), len(results) + len(texts))
            results += _judged(posts[these], self._scanner.scan(texts), learnt[these])
        return results

    def _learnt(self, posts: Sequence[EnrichedPost]) -> Sums:
        """What the model adds: a row per post, a column per label of ``LEARNT``."""
        texts = [judged_text(post) for post in posts]
        scores = self._model.scores(text_features([text for text in texts if text]))
        learnt = np.zeros((len(posts), len(LEARNT)))
        learnt[np.array(list(map(bool, texts)), np.bool_)] = scores[:, self._model.columns(HEAD)]
        return learnt

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """Each intent with the words that spoke for it; reasons and defects."""
        words = deciding_words(post)
        told = [
            explained_label("intents", one.label, one.score, _places(post, words[one.label]))
            for one in post.intents
        ]
        told = told or [explained_words("intents", ())]
        told += [explained_words("reasons", post.reasons)] if post.reasons else []
        return told + ([explained_words("defects", post.defects)] if post.defects else [])


def _places(post: EnrichedPost, words: Sequence[str]) -> tuple[Clue, ...]:
    """Where the words stand first; a defect, named from two words, stands nowhere as such."""
    fields: list[tuple[TextField, str]] = [("text", prepare(post.text).own)]
    if post.title:
        fields.append(("title", prepare(post.title).own))
    return tuple(
        Clue(field, start, start + len(word))
        for word in words
        for field, own in fields
        if (start := own.find(word)) >= 0
    )


def deciding_words(post: EnrichedPost) -> dict[str, tuple[str, ...]]:
    """For each intent that the post was given, the words that spoke for it, in order."""
    words: dict[str, dict[str, None]] = {intent.label: {} for intent in post.intents}
    [texts] = batches_of([_own_text(post)])
    batch = Scanner(_WORDS).scan(texts)
    _, word, group = _counted(batch, batch.found[0])
    for number, row in zip(word.tolist(), group.tolist(), strict=True):
        for place in np.flatnonzero((_SCORES + _ASKED + _TOLD + _OF_GOODS)[row] > 0).tolist():
            if INTENTS[place] in words:
                words[INTENTS[place]][_WORDS.words[number]] = None
    if "complaint" in words:
        words["complaint"] |= dict.fromkeys(post.defects)
    return {label: tuple(listed) for label, listed in words.items()}


def _own_text(post: EnrichedPost) -> str:
    text = f"{post.title}\n{post.text}" if post.title else post.text
    return prepare(text[:_READ] if len(text) > _READ else text).own


def _judged(posts: Sequence[EnrichedPost], batch: Batch, learnt: Sums) -> list[EnrichedPost]:
    words, faults = batch.found
    counts = _counts(batch, words)
    defects = defects_of(batch, faults)
    goods = np.array([bool(post.brands) for post in posts]) | (counts[:, _GOODS] > 0)
    goods[list(defects)] = True
    sums = _sums(posts, batch, counts, defects, goods) / 200
    moods = [post.sentiment for post in posts]
    known = np.array([mood is not None for mood in moods])
    negative = np.array([mood.negative if mood else 0.0 for mood in moods])
    positive = np.array([mood.positive if mood else 0.0 for mood in moods])
    sums[:, _COMPLAINT] += np.where(known & goods, _tipped(negative), 0.0)
    sums[:, _PRAISE] += np.where(known & goods, _tipped(positive), 0.0)
    for column, name in enumerate(LEARNT):
        factor, added, least, most = _LEARNT[name]
        sums_of = np.minimum(sums[:, INTENTS.index(name)], _MOST_BY_WORDS[name])
        by_model = np.clip(factor * (learnt[:, column] + added), least, most)
        # How far the mood agrees; without one the model is not heard.
        agreeing = np.minimum(1.0, 2 * (negative if name == "complaint" else positive))
        sums[:, INTENTS.index(name)] = sums_of + np.where(by_model > 0, agreeing, 1.0) * by_model
    found: dict[int, list[Label]] = {}
    places, intents = np.nonzero(sums >= 0)
    for place, intent, total in zip(
        places.tolist(), intents.tolist(), sums[places, intents].tolist(), strict=True
    ):
        if intent == _RUMOUR or not _is_no_customer(posts[place]):
            label = _label(intent, round(1 / (1 + math.exp(-total)), 3))
            found.setdefault(place, []).append(label)
    by_words = (counts[:, _REASON_ROWS] > 0).tolist()
    results = list(posts)
    for place in found.keys() | defects.keys():
        labels, faulty = found.get(place, []), defects.get(place, NO_DEFECTS)
        if labels or faulty.named:
            complains = bool(labels) and labels[0].label == "complaint"
            results[place] = posts[place].replaced(
                intents=tuple(labels),
                reasons=_reasons(tuple(by_words[place]), faulty.kinds) if complains else (),
                defects=faulty.named,
            )
    return results


def _tipped(share: Sums) -> Sums:
    """A mood speaks for an intent more than its lack speaks against it: titles are sober."""
    return np.maximum(-0.4, 2.2 * (share - 0.4))


@lru_cache(10_000)
def _label(intent: int, score: float) -> Label:
    """One record for all posts: records are frozen, and there are few different ones."""
    return Label.unchecked(label=INTENTS[intent], score=score)


def _is_no_customer(post: EnrichedPost) -> bool:
    # Not getattr: what a record lacks, pydantic looks for in a costly way.
    return post.kind == "hot" or post.__dict__.get("author_kind") in _NOT_CUSTOMERS


def _counted(batch: Batch, places: Places) -> tuple[Numbers, Numbers, Numbers]:
    """Text, word and group of all that counts: not what is negated where that matters."""
    groups = _WORDS.groups_of[places.word]
    kept = groups < _GROUPS
    kept &= ~(_NEGATABLE[groups] & negated(batch, places.start)[:, None])
    rows, columns = np.nonzero(kept)
    return places.text[rows], places.word[rows], groups[rows, columns]


def _counts(batch: Batch, places: Places) -> Numbers:
    """How many different words of each group (column) each text (row) has."""
    text, word, group = _counted(batch, places)
    different = np.unique((text * _GROUPS + group) * len(_WORDS.words) + word)
    cells = different // len(_WORDS.words)
    counts = np.bincount(cells, minlength=len(batch.texts) * _GROUPS)
    return counts.reshape(len(batch.texts), _GROUPS)


def _sums(
    posts: Sequence[EnrichedPost],
    batch: Batch,
    counts: Numbers,
    defects: Mapping[int, Defects],
    goods: npt.NDArray[np.bool_],
) -> Sums:
    """A sum per text and intent, in half hundredths; it holds from 0 on.

    ``goods``: which texts are about goods or services.
    """
    factors = np.where(counts > 0, 1 + np.minimum(counts, _MOST_WORDS), 0).astype(np.float64)
    factors[:, _ASK_WORD] = np.minimum(
        factors[:, _ASK_WORD], 2
    )  # 什么, 怎么: no more of a question
    sums: Sums = factors @ _SCORES + 2 * np.array(_BIAS, np.float64)
    asks_by_word = (counts[:, _ASK_WORD] > 0).tolist()
    asking = [
        asking_of(text, by_word) for text, by_word in zip(batch.texts, asks_by_word, strict=True)
    ]
    sums[:, _ENQUIRY] += 2 * np.array(asking, np.float64)
    sums[goods & (np.array(asking) > 0), _ENQUIRY] += 80
    form = _forms(batch, factors)
    sums[:, _ENQUIRY] -= form
    for place in np.flatnonzero(sums[:, _ENQUIRY] >= 0).tolist():
        seen = _seen(sums[place, _ENQUIRY], False, factors[place], goods[place], posts[place])
        sums[place, _ENQUIRY] = round(200 * _ASKS.odds(batch.texts[place], seen))
    asks = sums[:, _ENQUIRY] >= 0
    sums += np.where(asks[:, None], factors @ _ASKED, factors @ _TOLD)
    sums += np.where(goods[:, None], factors @ _OF_GOODS, 0)
    sums[~goods, _COMPLAINT] -= 160
    sums[~goods, _PRAISE] -= 60
    sums[asks & (counts[:, _ASK_STRONG] > 0), _COMPLAINT] -= 180
    for place, faulty in defects.items():
        sums[place, _COMPLAINT] += 2 * _faulty(faulty)
    lengths = np.log(np.maximum([len(text) / _SHORT for text in batch.texts], 1))
    sums -= 2 * np.rint(lengths[:, None] * _BY_LENGTH)
    sums -= form[:, None] * _TAKEN
    for place in np.flatnonzero(sums[:, _PURCHASE] >= _MAY_BUY).tolist():
        seen = _seen(
            sums[place, _PURCHASE], asks[place], factors[place], goods[place], posts[place]
        )
        sums[place, _PURCHASE] = round(200 * _BUYS.odds(batch.texts[place], seen))
    return sums


def _forms(batch: Batch, factors: Sums) -> Sums:
    """What the form of news and the like takes from each text, in half hundredths."""
    form: Sums = (factors * _FORM).max(axis=1, initial=0.0)
    for place, text in enumerate(batch.texts):
        if text.startswith("【"):
            form[place] = max(form[place], 2 * _FORMS["news"])
    for place in np.flatnonzero(form).tolist():
        if "我" in batch.texts[place]:
            form[place] /= 2
    return form


def _seen(total: float, asks: bool, factors: Sums, of_goods: bool, post: EnrichedPost) -> Seen:
    request, headline, buys, maintains = (factors[_SEEN] / 2).tolist()
    return Seen(
        total=total / 200,
        asks=bool(asks),
        request=request > 0,
        goods=bool(of_goods),
        headline=headline > 0,
        buys=buys,
        maintains=maintains,
        mood=post.sentiment,
    )


def _faulty(defects: Defects) -> int:
    """What defects add to a complaint."""
    if defects.named:
        return 240 + 40 * (min(len(defects.kinds), 3) - 1)
    if defects.kinds:
        return 140 + 50 * (min(len(defects.kinds), 3) - 1)
    return 60


@lru_cache(1_024)
def _reasons(by_words: tuple[bool, ...], kinds: frozenset[str]) -> tuple[str, ...]:
    """Of the groups that have a word, as ``_REASONS`` names theirs, and of the faults."""
    reasons = {reason for reason, there in zip(_REASONS, by_words, strict=True) if there}
    if kinds & _ENJOYMENT:
        reasons.add("enjoyment")
    if kinds & _PRACTICALITY:
        reasons.add("practicality")
    if kinds - _ENJOYMENT - _PRACTICALITY:
        reasons.add("quality")
    return tuple(reason for reason in REASONS if reason in reasons)
