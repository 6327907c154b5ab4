import pytest

from connectors.proofs import AT_LEAST, HOLD_SECONDS, WINDOW_SECONDS, Proofs


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def proofs(time: Time) -> Proofs:
    return Proofs(time)


def told(proofs: Proofs) -> str | None:
    trouble = proofs.trouble()
    return None if trouble is None else str(trouble)


def refuse(proofs: Proofs, times: int = AT_LEAST, reason: str = "token") -> None:
    for _ in range(times):
        proofs.failed(reason, f"check {reason}")


def test_some_failures_of_one_reason_are_trouble(proofs: Proofs) -> None:
    refuse(proofs, AT_LEAST - 1)
    assert told(proofs) is None

    refuse(proofs, 1)

    trouble = proofs.trouble()
    assert trouble is not None
    assert (trouble.trouble, str(trouble)) == ("login", "check token")


def test_failures_of_several_reasons_are_not_added_up(proofs: Proofs) -> None:
    for reason in ("token", "clock", "key"):
        refuse(proofs, AT_LEAST - 1, reason)

    assert told(proofs) is None


def test_failures_far_apart_are_no_trouble(proofs: Proofs, time: Time) -> None:
    for _ in range(10):
        refuse(proofs, 1)
        time.now += WINDOW_SECONDS / 2 + 1

    assert told(proofs) is None


def test_a_success_ends_it(proofs: Proofs, time: Time) -> None:
    refuse(proofs)
    assert told(proofs)

    proofs.succeeded()

    assert told(proofs) is None
    time.now += 2 * HOLD_SECONDS
    assert told(proofs) is None


def test_who_succeeded_just_now_is_not_in_trouble(proofs: Proofs, time: Time) -> None:
    proofs.succeeded()
    refuse(proofs, 50)
    assert told(proofs) is None

    time.now += WINDOW_SECONDS

    assert told(proofs) == "check token"


def test_it_is_told_for_an_hour_after_the_last_failure(proofs: Proofs, time: Time) -> None:
    refuse(proofs)
    time.now += HOLD_SECONDS - 1
    assert told(proofs)
    refuse(proofs, 1)
    time.now += HOLD_SECONDS - 1
    assert told(proofs)

    time.now += 1

    assert told(proofs) is None
    refuse(proofs, 1)
    assert told(proofs) == "check token"
    time.now += HOLD_SECONDS + 1
    refuse(proofs, 1)
    assert told(proofs) is None  # begun anew


def test_the_reason_that_failed_last_is_told(proofs: Proofs, time: Time) -> None:
    refuse(proofs, reason="clock")
    time.now += 1
    refuse(proofs)
    assert told(proofs) == "check token"
    time.now += 1
    refuse(proofs, 1, "clock")
    assert told(proofs) == "check clock"


def test_a_forger_raises_no_alarm_again_and_again(proofs: Proofs, time: Time) -> None:
    """A real request every twenty minutes, and a forged one every second."""
    alarms, before = 0, None
    for second in range(24 * 3_600):
        time.now += 1
        if second % 1_200 == 0:
            proofs.succeeded()
        refuse(proofs, 1)
        now = told(proofs)
        alarms += before is None and now is not None
        before = now

    assert alarms == 1
