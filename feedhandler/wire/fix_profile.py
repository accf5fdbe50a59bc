"""Dialect profiles: strict loading of fixspec/profiles/*.toml, and compiling one for the native decoder."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from feedhandler import _native
from feedhandler.tick import Action

Tag = Annotated[int, msgspec.Meta(ge=1, le=32767)]
"""A tag the decoder can be told about."""

ENTRY_TYPES = {
    "bid": _native.EntryType.BID,
    "ask": _native.EntryType.ASK,
    "trade": _native.EntryType.TRADE,
    "clear": _native.EntryType.CLEAR,
    "index": _native.EntryType.INDEX,
    "open_interest": _native.EntryType.OPEN_INTEREST,
}
UPDATE_ACTIONS = {
    "new": Action.NEW,
    "change": Action.CHANGE,
    "delete": Action.DELETE,
    "delete_through": Action.DELETE_THROUGH,
    "delete_from": Action.DELETE_FROM,
    "overlay": Action.OVERLAY,
}
ROLES = {
    "symbol": "symbol",
    "entry_type": "type",
    "update_action": "action",
    "entry_id": "id",
    "entry_ref_id": "ref_id",
    "price": "price",
    "size": "size",
    "date": "date",
    "time": "time",
    "group_count": "group_count",
    "transact_time": "transact_time",
    "venue_sequence": "venue_seq",
    "trade_id": "trade_id",
    "trade_side": "trade_side",
}
"""Name of a fact in `[tags]` -> the decoder's name of the role."""

REQUIRED = ("symbol", "entry_type", "update_action", "price", "size", "group_count")


class ProfileError(ValueError):
    """A profile that cannot be used; the message names file, key and what was expected."""


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the venue keys its book."""

    keying: Literal["price", "id"] = "price"
    id_scope: Literal["session", "instrument"] = "session"
    first_tag_snapshot: Tag = 269
    first_tag_incremental: Tag = 279


class Subscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a MarketDataRequest of this dialect says beyond the standard fields."""

    entry_types: tuple[str, ...] = ("0", "1", "2")
    update_type: Literal["full", "incremental"] = "incremental"
    symbol_tags: dict[str, str] = msgspec.field(default_factory=dict)
    root: dict[str, str] = msgspec.field(default_factory=dict)
    resnapshot: Literal["snapshot", "resubscribe"] = "snapshot"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dialect of FIX market data."""

    name: str
    begin_string: str
    tags: dict[str, Tag | list[Tag]]
    entry_types: dict[str, str]
    update_actions: dict[str, str]
    appl_ver_id: str = ""
    time_precision: Literal["ms", "us", "ns"] = "ms"
    book: Book = Book()
    subscription: Subscription = Subscription()

    def compile(self, keying: str | None = None) -> _native.FixTable:
        """Return the decoder's table; `keying` overrides the profile's. Raises ProfileError."""
        table = _native.FixTable()
        for fact, tags in self.tags.items():
            for tag in _as_list(tags):
                try:
                    table.set_role(tag, ROLES[fact])
                except ValueError as error:
                    raise ProfileError(f"profile {self.name}: tags.{fact}: {error}") from None
        for value, kind in self.entry_types.items():
            table.set_type(value, ENTRY_TYPES[kind])
        for value, action in self.update_actions.items():
            table.set_action(value, int(UPDATE_ACTIONS[action]))
        table.first_tag_snapshot = self.book.first_tag_snapshot
        table.first_tag_incremental = self.book.first_tag_incremental
        table.id_keyed = (keying or self.book.keying) == "id"
        table.ids_per_instrument = self.book.id_scope == "instrument"
        return table


def profile_path(name: str) -> Path:
    """Return where the profile of this name is: in the package, or beside it in a source tree."""
    package = Path(str(resources.files("feedhandler")))
    for folder in (package / "fixspec", Path(__file__).parents[2] / "fixspec"):
        path = folder / "profiles" / f"{name}.toml"
        if path.is_file():
            return path
    raise ProfileError(f"profile {name!r}: there is no fixspec/profiles/{name}.toml")


def load(name_or_path: str | Path) -> Profile:
    """Load a profile by name, or from a Path. Raises ProfileError."""
    path = name_or_path if isinstance(name_or_path, Path) else profile_path(name_or_path)
    try:
        profile = msgspec.toml.decode(path.read_bytes(), type=Profile)
    except (msgspec.DecodeError, OSError, UnicodeDecodeError) as error:  # ValidationError is a DecodeError
        raise ProfileError(f"{path}: {error}") from None
    _check(profile, path)
    profile.compile()
    return profile


def _check(profile: Profile, path: Path) -> None:
    def expect(good: bool, key: str, value: object, expected: str) -> None:
        if not good:
            raise ProfileError(f"{path}: {key}: got {value!r}, expected {expected}")

    begin = profile.begin_string
    expect(begin.startswith("FIX") and begin.isascii(), "begin_string", begin, "FIX.x.y or FIXT.1.1")
    for fact in profile.tags:
        expect(fact in ROLES, f"tags.{fact}", fact, f"one of {', '.join(ROLES)}")
    for fact in REQUIRED:
        expect(fact in profile.tags, f"tags.{fact}", None, "a tag")
    named = {tag for tags in profile.tags.values() for tag in _as_list(tags)}
    for key in ("first_tag_snapshot", "first_tag_incremental"):
        tag = getattr(profile.book, key)
        expect(tag in named, f"book.{key}", tag, "a tag that [tags] names")
    for table, allowed in (("entry_types", ENTRY_TYPES), ("update_actions", UPDATE_ACTIONS)):
        for value, meaning in getattr(profile, table).items():
            expect(len(value.encode()) == 1, f"{table}.{value}", value, "one character")
            expect(meaning in allowed, f"{table}.{value}", meaning, f"one of {', '.join(allowed)}")
    for key in ("symbol_tags", "root"):
        for name, text in getattr(profile.subscription, key).items():
            good = name.isascii() and name.isdecimal()
            expect(good, f"subscription.{key}.{name}", name, "a tag number")
            expect("\x01" not in text, f"subscription.{key}.{name}", text, "text without SOH")


def _as_list(tags: Tag | list[Tag]) -> list[Tag]:
    return tags if isinstance(tags, list) else [tags]
