import pytest

from pipeline.latency import quantile
from pipeline.record import Record

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("share", "seconds"),
    [(0.5, 0.1), (0.25, 0.05), (0.75, 0.55), (1.0, 1.0)],
)
def test_a_quantile_lies_linearly_within_its_bucket(share: float, seconds: float) -> None:
    histogram = [(0.1, 50.0), (1.0, 100.0), (INFINITE, 100.0)]

    assert quantile(histogram, share) == pytest.approx(seconds)


def test_beyond_the_last_bound_the_bound_itself_is_given() -> None:
    assert quantile([(0.1, 1.0), (1.0, 2.0), (INFINITE, 10.0)], 0.99) == 1.0


@pytest.mark.parametrize(
    ("value", "milliseconds"), [(b"1700000000000", 1_700_000_000_000), (b"soon", None), (b"", None)]
)
def test_a_strange_header_of_a_stranger_is_no_latency(
    value: bytes, milliseconds: int | None
) -> None:
    record = Record("posts.enriched", 0, 0, 0, None, b"{}", (("received-ms", value),))

    assert record.received_ms() == milliseconds
