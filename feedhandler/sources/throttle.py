"""How many requests a venue may be sent in a second, as venues limit them. No clock."""


class Throttle:
    """A bucket of `per_s` tokens, filled at that rate; 0: without a limit."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s)
        self._tokens = self._burst
        self._at_ns = 0

    def take(self, now_ns: int) -> bool:
        """Tell whether one more may be sent now; it counts then."""
        if self._per_s == 0:
            return True
        passed_ns = max(0, now_ns - self._at_ns) if self._at_ns else 0
        self._tokens = min(self._burst, self._tokens + passed_ns / 1e9 * self._per_s)
        self._at_ns = now_ns
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def time_ns(self, requests: int) -> int:
        """Return how long so many requests take at this pace, ns."""
        return int(requests / self._per_s * 1e9) if self._per_s else 0
