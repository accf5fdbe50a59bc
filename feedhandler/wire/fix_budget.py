"""How much a peer may make us work: a bucket of tokens that fills with time."""

from feedhandler.wire.fix_time import NS_PER_SECOND


class Budget:
    """`burst` at once, `per_s` for ever. Times are handed in, ns."""

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = burst
        self._at_ns = 0

    def take(self, amount: float, now_ns: int) -> bool:
        """Take `amount`; False when there is not enough, and nothing is taken."""
        passed_ns = max(0, now_ns - self._at_ns)
        self._left = min(self._burst, self._left + passed_ns * self._per_s / NS_PER_SECOND)
        self._at_ns = max(self._at_ns, now_ns)
        if self._left < amount:
            return False
        self._left -= amount
        return True
