"""What an incident shows: its window, its numbers, its words, its posts, where it began.

Everything here is recounted from the brand's buckets at the moment of a revision.
"""

from datetime import UTC, datetime, timedelta

from processors.baseline import Measured, score
from processors.brand_state import BrandState, Case, Finding
from processors.buckets import Bucket, Tally
from processors.traces import Sample
from schemas.incident import BLAMING, Evidence, IncidentKind, Quote, WordCount

__all__ = ["evidence_of", "first_post", "recount", "sample_of", "start_of", "total_voices"]

TOP_WORDS = 8
THREAD_PART = 3
"""A thread with one of so many of the measured posts is where the wave began."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: dict[Measured, int] = {"mentions": 0, "voices": 1, "negative": 2, "topics": 0}


def start_of(bucket: int, bucket_minutes: int) -> datetime:
    """When a bucket begins."""
    return _EPOCH + timedelta(minutes=bucket * bucket_minutes)


def evidence_of(finding: Finding, number: int, bucket: Bucket, bucket_minutes: int) -> Evidence:
    """The bucket as evidence; it must have been judged, so it has a baseline."""
    if bucket.normal is None:
        raise ValueError("a bucket of the grace period is no evidence")
    baseline = bucket.normal.of(finding.measured)
    return Evidence(
        rule=finding.rule,
        rule_version=finding.rule_version,
        window_start=start_of(number, bucket_minutes),
        window_end=start_of(number + 1, bucket_minutes),
        numbers=bucket.tally.numbers(),
        measured=finding.measured,
        baseline=baseline,
        score=score(bucket.tally.count(finding.measured), baseline),
        threshold=finding.threshold,
        posts=tuple(bucket.named(finding.measured)),
        copied=bucket.texts.largest(),
    )


def first_post(state: BrandState, finding: Finding, number: int) -> tuple[Quote, str | None]:
    """The earliest post of the thread or wave that makes the bucket stand out, and the thread.

    The thread with most of the measured posts, if a third or more are in it: its root, or else its
    first known post, up to two days back. If there is no such thread: the earliest negative voice
    of the bucket with its top word (crisis), or the earliest voice.
    """
    bucket = state.buckets[number]
    place = _PLACE[finding.measured]
    parts = {
        root: thread.windows[number][place]
        for root, thread in state.threads.items()
        if number in thread.windows
    }
    largest = min(parts, key=lambda root: (-parts[root], root))
    if parts[largest] > 1 and parts[largest] * THREAD_PART >= bucket.tally.count(finding.measured):
        return state.threads[largest].first, largest
    if finding.kind in BLAMING:
        top = _top_words(bucket.tally.negative_words)
        if top and top[0].word in bucket.openers:
            return bucket.openers[top[0].word], None
    first = sample_of(bucket, finding.kind).first
    return (
        first or min((state.threads[root].first for root in parts), key=lambda post: post.at),
        None,
    )


def sample_of(bucket: Bucket, kind: IncidentKind) -> Sample:
    """The posts that stand for what an incident of this kind is about."""
    return bucket.complained if kind in BLAMING else bucket.said


def total_voices(state: BrandState, case: Case) -> int:
    """Voices since the opening bucket."""
    open_voices = sum(bucket.tally.voices for _, bucket in state.open_for(case))
    return case.tally.voices + open_voices


def recount(state: BrandState, case: Case) -> dict[str, object]:
    """Fields of the incident that follow from the buckets, as of now."""
    kind = case.finding.kind
    tally, sample = Tally(), Sample()
    tally.add(case.tally)
    sample.merge(case.sample)
    boards = case.finding.measured == "topics"
    windows = []
    for number, bucket in state.open_for(case):
        tally.add(bucket.tally)
        sample.merge(sample_of(bucket, kind))
        if bucket.normal is not None and not boards:
            windows.append(evidence_of(case.finding, number, bucket, state.bucket_minutes))
    if boards:
        return {"totals": tally.numbers()}
    # Last, because an open window beats an older sight of itself.
    windows.append(case.strongest or case.incident.evidence)
    return {
        "totals": tally.numbers(),
        "evidence": max(windows, key=lambda window: window.score),
        "words": _top_words(tally.negative_words if kind in BLAMING else tally.words),
        "quotes": sample.quotes(),
        "first_post": _earlier(case.incident.first_post, case.thread, state),
    }


def _earlier(known: Quote, root: str | None, state: BrandState) -> Quote:
    """The thread's beginning, if an earlier post of it arrived since.

    After an outage the lanes are read one after the other. A thread that was forgotten and came
    up again begins later; then what is known stays.
    """
    thread = state.threads.get(root) if root is not None else None
    if thread is None or known.post_id == root:
        return known
    if thread.first.post_id == root or thread.first.at < known.at:
        return thread.first
    return known


def _top_words(counts: dict[str, int]) -> tuple[WordCount, ...]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(WordCount(word=word, voices=count) for word, count in ranked[:TOP_WORDS])
