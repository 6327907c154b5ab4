"""What the configured chain answers on labelled texts, beside what people said."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.labelled import Labelled, LabelledFile
from pipeline.settings import Settings
from processors import ENRICHERS
from processors.chain import Chain, build_chain
from processors.fold import fold
from processors.labels import QUESTIONS, SINGLE, Question, answer_of, tags_of
from processors.quality import Case, Report, TagCase, judge_single, judge_tags
from processors.rule_trial import RULE_STEPS
from schemas.enriched import EnrichedPost
from schemas.post import Author
from schemas.record import UtcTime
from schemas.rules import RuleSet

__all__ = ["judge_file", "needed_chain"]

_TOGETHER = 1_000
#: Steps whose findings no label is about.
_UNASKED = frozenset({*RULE_STEPS, "relevance", "tokens", "signature", "author", "departments"})


def needed_chain(settings: Settings, rules: RuleSet) -> Chain:
    """The settings' chain without the steps that no label asks about, and that no other reads.

    Raises:
        FatalError: the chain is wrong.
    """
    enrich = settings.enrich
    steps = [name for name in enrich.chain if name not in _UNASKED or name not in ENRICHERS]
    read = {one for name in steps if name in ENRICHERS for one in _reads(name)}
    steps = [name for name in enrich.chain if name in steps or name in read]
    return build_chain(steps, enrich.options, rules)


def _reads(name: str) -> tuple[str, ...]:
    reads: tuple[str, ...] = getattr(ENRICHERS[name], "reads", ())
    return reads


def judge_file(
    file: LabelledFile, chain: Chain, rules: RuleSet, at: UtcTime
) -> dict[Question, Report | None]:
    """A report for each question that the file has labels of; ``None``: nothing was answered.

    ``at``: when the texts count as written. What the chain leaves out counts as not judged.
    """
    brand_ids = _brand_ids(rules)
    single: dict[Question, list[Case]] = {}
    tags: dict[Question, list[TagCase]] = {}
    for row, post in _judged(file.rows, chain, at):
        for question, truth in row.truth.items():
            if question in SINGLE:
                [right] = truth
                answer, shares = answer_of(question, post)
                case = Case(row.line, row.text, right, answer, shares)
                single.setdefault(question, []).append(case)
            else:
                given = tags_of(question, post)
                if question == "brands":
                    truth = frozenset(brand_ids.get(fold(one), one) for one in truth)
                    given = _without_wholes(post, truth)
                tags.setdefault(question, []).append(TagCase(row.line, row.text, truth, given))
    reports: dict[Question, Report | None] = {}
    for question in QUESTIONS:
        if question in single:
            answered = any(case.shares for case in single[question])
            reports[question] = judge_single(single[question]) if answered else None
        elif question in tags:
            answered = any(case.answers for case in tags[question])
            reports[question] = judge_tags(tags[question]) if answered else None
    return reports


def _judged(
    rows: Sequence[Labelled], chain: Chain, at: UtcTime
) -> Iterator[tuple[Labelled, EnrichedPost]]:
    blank = EnrichedPost(
        id="text:0",
        platform="text",
        kind="post",
        text="",
        author=Author(id="0"),
        published_at=at,
        observed_at=at,
        source="quality",
    )
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        posts = [
            blank.replaced(id=f"text:{row.line}", text=row.text, title=row.title) for row in some
        ]
        for row, post, found in zip(some, posts, chain.run(posts), strict=True):
            yield row, found if isinstance(found, EnrichedPost) else post


def _brand_ids(rules: RuleSet) -> Mapping[str, str]:
    """By every name of a brand that no other has, folded; an id stands for itself."""
    ids: dict[str, str] = {}
    for brand in rules.brands:
        for name in (brand.name, *brand.words):
            ids.setdefault(fold(name), brand.id)
    return ids | {brand.id: brand.id for brand in rules.brands}


def _without_wholes(post: EnrichedPost, truth: frozenset[str]) -> Mapping[str, float]:
    """The brands of a post without those that stand above a named one, unless people named them.

    A post about a model is about its brand too; who labels texts writes one of the two.
    """
    return {
        tag.brand: tag.confidence
        for tag in post.brands
        if tag.brand in truth or not (tag.reason or "").startswith("part:")
    }
