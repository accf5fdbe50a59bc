"""Requests a second."""

from feedhandler.sources.throttle import Throttle

S = 1_000_000_000


def test_never_more_than_the_limit_in_any_second_after_the_first_burst():
    throttle = Throttle(10)
    times = [i * S // 100 for i in range(1, 1001) if throttle.take(i * S // 100)]
    assert len([t for t in times if t <= S // 100]) == 1  # one call, one token
    assert 100 <= len(times) <= 110
    for i, begin in enumerate(times):
        assert len([t for t in times[i:] if t < begin + S]) <= 20  # what was saved, and what came
    later = [t for t in times if t > 2 * S]
    assert all(len([t for t in later if a <= t < a + S]) <= 11 for a in later)


def test_slow_limits_are_slow():
    throttle = Throttle(0.5)
    assert [throttle.take(t * S) for t in (1, 2, 3, 4, 5)] == [True, False, True, False, True]
    assert throttle.time_ns(3) == 6 * S


def test_a_clock_that_goes_back_gives_nothing_away():
    throttle = Throttle(1)
    assert throttle.take(10 * S)
    assert not throttle.take(5 * S)
    assert throttle.take(6 * S)


def test_without_a_limit():
    throttle = Throttle(0)
    assert all(throttle.take(0) for _ in range(100_000))
    assert throttle.time_ns(5) == 0
