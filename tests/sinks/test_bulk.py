from typing import Any

import orjson
import pytest

from schemas.outcome import Done, Outcome, Rejected, Retry
from sinks.bulk import BatchSize, Document, body_of, chunks, outcome_of, reason_of, whole_failure


def document(number: int, size: int = 10) -> Document:
    return Document("posts-2024.03", f"weibo:{number}", number, b"x" * size)


def failed(status: int, kind: str, reason: str = "because", **more: Any) -> dict[str, Any]:
    return {"index": {"status": status, "error": {"type": kind, "reason": reason, **more}}}


def test_a_body_is_an_action_line_and_the_bytes_as_they_came() -> None:
    line = '{"text":"鼓包"}'.encode()

    body = body_of([Document("posts-2024.03", 'weibo:"7"', 9, line)])

    action, source, end = body.split(b"\n")
    assert orjson.loads(action) == {
        "index": {
            "_index": "posts-2024.03",
            "_id": 'weibo:"7"',
            "version": 9,
            "version_type": "external_gte",
        }
    }
    assert source == line
    assert end == b""


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_is_done(status: int) -> None:
    assert outcome_of({"index": {"status": status}}) == Done()


def test_a_version_conflict_means_that_a_newer_state_is_there() -> None:
    item = failed(409, "version_conflict_engine_exception", "current version [7] is higher")
    assert outcome_of(item) == Done(stale=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "es_rejected_execution_exception"),
        (429, "cluster_block_exception"),
        (403, "cluster_block_exception"),
        (403, "security_exception"),
        (404, "index_not_found_exception"),
        (409, "something_else"),
        (400, "validation_exception"),  # "cluster has 1000/1000 shards open": not the document
        (400, "invalid_index_name_exception"),
        (400, "never_heard_of"),
        (500, "null_pointer_exception"),
        (503, "unavailable_shards_exception"),
        (418, "teapot"),
    ],
)
def test_what_is_not_the_documents_fault_is_handed_in_again(status: int, kind: str) -> None:
    outcome = outcome_of(failed(status, kind, "the reason"))
    assert isinstance(outcome, Retry)
    assert str(status) in outcome.reason
    assert "the reason" in outcome.reason


@pytest.mark.parametrize(
    "kind",
    [
        "document_parsing_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
        "illegal_argument_exception",
    ],
)
def test_what_the_mapping_refuses_is_rejected_with_its_words(kind: str) -> None:
    cause = {"type": "number_format_exception", "reason": 'For input string: "many"'}

    outcome = outcome_of(failed(400, kind, "failed to parse field [likes]", caused_by=cause))

    assert outcome == Rejected("mapping", 'failed to parse field [likes]: For input string: "many"')


@pytest.mark.parametrize(
    "item",
    [{}, {"index": None}, {"index": {}}, {"index": {"status": "201"}}, {"index": {"status": None}}],
)
def test_an_item_that_says_nothing_counts_for_nothing(item: dict[str, Any]) -> None:
    assert isinstance(outcome_of(item), Retry)


def test_a_success_with_an_error_is_no_success() -> None:
    assert isinstance(outcome_of(failed(200, "odd")), Retry)


def test_reasons_are_short_and_never_empty() -> None:
    assert len(reason_of({"type": "x", "reason": "长" * 5_000})) == 300
    assert reason_of({"type": "only_a_type"}) == "only_a_type"
    assert reason_of("plain text of a proxy") == "plain text of a proxy"
    assert reason_of(None) == "no reason given"


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_says_what_to_check(status: int) -> None:
    outcome = whole_failure(status, {"error": {"type": "security_exception"}}, None, "es.example")
    assert "api_key" in outcome.reason
    assert "es.example" in outcome.reason


def test_a_block_is_not_refused_access() -> None:
    body = {"error": {"type": "cluster_block_exception", "reason": "index read-only"}}
    outcome = whole_failure(403, body, 7, "es.example")
    assert outcome == Retry("Elasticsearch 403: index read-only", 7)


def test_chunks_keep_order_and_both_limits() -> None:
    size = BatchSize(most=3, most_bytes=900)
    small = [document(n) for n in range(7)]

    assert [len(chunk) for chunk in chunks(small, size)] == [3, 3, 1]
    assert [one for chunk in chunks(small, size) for one in chunk] == small
    large = [document(n, 400) for n in range(3)] + [document(9, 5_000), document(10)]
    assert [len(chunk) for chunk in chunks(large, size)] == [1, 1, 1, 1, 1]
    assert list(chunks([], size)) == []


def test_chunks_follow_the_size_while_they_go() -> None:
    size = BatchSize(most=4, most_bytes=10_000)
    lengths = []
    for chunk in chunks([document(n) for n in range(10)], size):
        lengths.append(len(chunk))
        size.overloaded(len(chunk))
    assert lengths == [4, 2, 1, 1, 1, 1]


class TestBatchSize:
    def test_overload_halves_and_full_successes_bring_a_tenth_back(self) -> None:
        size = BatchSize(most=1000, most_bytes=10**6)

        size.overloaded(1000)
        assert size.limit == 500
        size.passed(500, 1)
        assert size.limit == 550
        for _ in range(20):
            size.passed(size.limit, 1)
        assert size.limit == 1000

    def test_late_answers_of_one_overload_halve_once(self) -> None:
        size = BatchSize(most=1000, most_bytes=10**6)
        for _ in range(3):  # three requests of 1000 were in flight
            size.overloaded(1000)
        assert size.limit == 500

    def test_a_small_request_proves_little(self) -> None:
        size = BatchSize(most=1000, most_bytes=10**6)
        size.overloaded(1)
        assert size.limit == 500
        size.passed(3, 1)
        assert size.limit == 500

    def test_it_never_reaches_zero(self) -> None:
        size = BatchSize(most=5, most_bytes=10**6)
        for _ in range(10):
            size.overloaded(1)
        assert size.limit == 1
        size.passed(1, 1)
        assert size.limit == 2

    def test_one_document_that_no_request_may_hold_makes_requests_small_for_a_while_only(
        self,
    ) -> None:
        size = BatchSize(most=1000, most_bytes=5 * 10**6)
        for sent_bytes in (5 * 10**6, 10**5, 10**4, 2_000):
            size.too_large(sent_bytes)
        assert size.limit_bytes == 1_000

        requests = 0
        while size.limit_bytes < size.most_bytes:
            size.passed(1, size.limit_bytes)
            requests += 1
        assert 100 < requests < 1_000
        assert size.limit == 1000

    def test_short_bodies_say_nothing_about_long_ones(self) -> None:
        size = BatchSize(most=1000, most_bytes=10**6)
        size.too_large(10**6)
        size.passed(3, 200)
        assert size.limit_bytes == 500_000


def test_every_outcome_is_one_of_three() -> None:
    outcomes: list[Outcome] = [
        outcome_of(failed(status, kind))
        for status in range(400, 600)
        for kind in ("document_parsing_exception", "odd", "")
    ]
    assert not any(isinstance(outcome, Done) for outcome in outcomes)
    rejected = {o.kind for o in outcomes if isinstance(o, Rejected)}
    assert rejected == {"mapping", "too_large"}
