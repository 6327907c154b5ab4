"""How far what an author says reaches: one number from 0 to 100.

``100 * (1 - (1 - reach) * (1 - spread) * (1 - past) * (1 - mark))``: every part is 0 to 1 and adds
to what the others leave open, so a fresh post without reposts takes nothing from a large account,
and a post that spread lifts a small one.

- *reach*: ``log10(1 + followers) / 8``; 100 followers are .25, 10,000 are .50, 100 million 1. Where
  the platform tells no followers, what such an account usually has, of a medium or an office.
- *spread*: ``.4 ln(1+reposts) + .4 ln(1+comments) + .2 ln(1+likes)`` over ``ln(1+1,000,000)``: the
  weights by which the Weibo influence index BCI (清博 微博传播指数) counts spread. Of counters that
  the platform does not tell, the others take the weight; a hundred reads count as one like.
  Followers alone mislead (Cha et al. 2010, *Measuring User Influence in Twitter: The Million
  Follower Fallacy*): hence both.
- *past*: how the author's earlier posts spread, where a caller knows; enrichers see one post.
- *mark*: .1 for a verified account.

A suspected bot counts half: followers are for sale. Logarithms, because both counts are spread over
eight powers of ten.
"""

from math import log1p, log10

from schemas.enriched import AuthorKind

__all__ = ["influence", "spread"]

_MOST_FOLLOWERS_LOG10 = 8
_MOST_ACTIONS_LN = log1p(1_000_000)
_READS_A_LIKE = 100
_VERIFIED = 0.1
_BOT = 0.5

#: Of accounts whose followers nobody tells: as if 10,000 followed an office or a medium.
_USUAL_REACH: dict[AuthorKind | None, float] = {
    "media": 0.5,
    "official": 0.5,
    "brand": 0.4,
    "industry": 0.4,
}


def spread(
    reposts: int | None, comments: int | None, likes: int | None, reads: int | None
) -> float | None:
    """How far a post went, 0 to 1; ``None`` where the platform tells no counter."""
    if likes is None and reads is not None:
        likes = reads // _READS_A_LIKE
    told = total = 0.0
    if reposts is not None:
        told, total = 0.4, 0.4 * log1p(reposts)
    if comments is not None:
        told, total = told + 0.4, total + 0.4 * log1p(comments)
    if likes is not None:
        told, total = told + 0.2, total + 0.2 * log1p(likes)
    if not told:
        return None
    went = total / told / _MOST_ACTIONS_LN
    return went if went < 1 else 1.0


def influence(
    followers: int | None,
    verified: bool | None,
    kind: AuthorKind | None,
    spread: float | None,
    past: float | None = None,
) -> float | None:
    """0 to 100, one decimal; ``None`` when nothing is known.

    ``spread``: of this post; ``past``: the mean spread of earlier ones, for callers that know it.
    """
    if followers is not None:
        reach = log10(1 + followers) / _MOST_FOLLOWERS_LOG10
        reach = reach if reach < 1 else 1.0
    elif (usual := _USUAL_REACH.get(kind)) is not None:
        reach = usual
    elif spread is None and past is None and not verified:
        return None
    else:
        reach = 0.0
    left = 1 - reach
    if spread:
        left *= 1 - spread
    if past:
        left *= 1 - past
    if verified:
        left *= 1 - _VERIFIED
    reached = 100 * (1 - left)
    if kind == "bot":
        reached *= _BOT
    return int(10 * reached + 0.5) / 10  # a third of what round() costs
