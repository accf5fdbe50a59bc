"""When a session lives: every day or every week from a time to a time, in a time zone.

A session begins at `start`; its sequence numbers begin at 1 with it. Equal times of day (and days) mean a session
that begins anew at that moment and never pauses. Daylight saving moves the moments with the zone's clock.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from feedhandler.wire.fix_time import NS_PER_SECOND

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """`start` and `end` are times of day in `zone`. Days are 0 = Monday to 6 = Sunday, both or neither."""

    start: time
    end: time
    start_day: int | None = None
    end_day: int | None = None
    zone: str = "UTC"

    def session_of(self, now_ns: int) -> tuple[int, int] | None:
        """Begin and end of the session around `now_ns`, ns; None when there is none at that time."""
        now_s = now_ns // NS_PER_SECOND
        today = datetime.fromtimestamp(now_s, self._zone()).date()
        for start in self._starts(today):
            begin_s, end_s = self._begin_s(start), self._end_s(start)
            if begin_s <= now_s < end_s:
                return begin_s * NS_PER_SECOND, end_s * NS_PER_SECOND
        return None

    def next_start_ns(self, now_ns: int) -> int:
        """When the next session begins, after `now_ns`."""
        now_s = now_ns // NS_PER_SECOND
        today = datetime.fromtimestamp(now_s, self._zone()).date()
        days = 7 if self.start_day is not None else 1
        starts = (self._begin_s(start + timedelta(step * days)) for step in (0, 1, 2) for start in self._starts(today))
        return min(start for start in starts if start > now_s) * NS_PER_SECOND

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _starts(self, today: date) -> tuple[date, date]:
        """Return the last two days on which a session begins, up to `today`."""
        if self.start_day is None:
            return today, today - timedelta(1)
        last = today - timedelta((today.weekday() - self.start_day) % 7)
        return last, last - timedelta(7)

    def _begin_s(self, start: date) -> int:
        return self._seconds(start, self.start)

    def _end_s(self, start: date) -> int:
        if self.start_day is None or self.end_day is None:
            days = 1 if self.end <= self.start else 0
        else:
            days = (self.end_day - self.start_day) % 7
            days += 7 if days == 0 and self.end <= self.start else 0
        return self._seconds(start + timedelta(days), self.end)

    def _seconds(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self._zone()).astimezone(UTC).timestamp())
