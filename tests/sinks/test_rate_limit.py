from sinks.rate_limit import RateLimit, RateLimiter


class Seconds:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_every_window_holds_at_once() -> None:
    # Given two a second and three in ten
    time = Seconds()
    limiter = RateLimiter([RateLimit(2, 1), RateLimit(3, 10)], time)

    assert [limiter.take() for _ in range(3)] == [0, 0, 1]
    time.now += 1
    assert [limiter.take() for _ in range(2)] == [0, 9]
    time.now += 9
    assert limiter.take() == 0


def test_a_refused_call_does_not_count() -> None:
    time = Seconds()
    limiter = RateLimiter([RateLimit(1, 1)], time)
    limiter.take()
    for _ in range(5):
        assert limiter.take() == 1
    time.now += 1
    assert limiter.take() == 0


def test_without_limits_nothing_waits() -> None:
    limiter = RateLimiter([], Seconds())
    assert [limiter.take() for _ in range(100)] == [0] * 100
