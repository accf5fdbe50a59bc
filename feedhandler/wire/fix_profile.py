"""Dialect profiles: strict loading of fixspec/profiles/*.toml, and compiling one for the native decoder."""

import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from feedhandler import _native
from feedhandler.tick import Action
from feedhandler.wire import fix_logon
from feedhandler.wire.fix_message import Field

Tag = Annotated[int, msgspec.Meta(ge=1, le=32767)]
"""A tag the decoder can be told about."""

ENTRY_TYPES = {
    "bid": _native.EntryType.BID,
    "ask": _native.EntryType.ASK,
    "trade": _native.EntryType.TRADE,
    "clear": _native.EntryType.CLEAR,
    "index": _native.EntryType.INDEX,
    "open_interest": _native.EntryType.OPEN_INTEREST,
    "ignored": _native.EntryType.IGNORED,
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
    "position": "position",
    "first_update": "first_update",
    "event_end": "event_end",
    "book_check": "book_check",
}
"""Name of a fact in `[tags]` -> the decoder's name of the role."""

KEYINGS = {"price": _native.Keying.PRICE, "id": _native.Keying.ID, "position": _native.Keying.POSITION}
GAP_CHECKS = {
    "none": _native.GapCheck.NONE,
    "entry": _native.GapCheck.ENTRY,
    "range": _native.GapCheck.RANGE,
    "message": _native.GapCheck.MESSAGE,
}

NEEDS = {
    "keying = position": "position",
    "gap_check = entry": "venue_sequence",
    "gap_check = range": "first_update",
    "gap_check = message": "venue_sequence",
    "check = crc32_top10": "book_check",
}
"""What a `[book]` asks for -> the fact that it needs a tag for."""

REQUIRED = ("symbol", "entry_type", "update_action", "price", "size", "group_count")


Expect = Callable[[bool, str, object, str], None]
"""Raises ProfileError where its first argument is false: key, value, what was expected."""


class ProfileError(ValueError):
    """A profile that cannot be used; the message names file, key and what was expected."""


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the venue keys its book."""

    keying: Literal["price", "id", "position"] = "price"
    id_scope: Literal["session", "instrument"] = "session"
    first_tag_snapshot: Tag = 269
    first_tag_incremental: Tag = 279
    size_unknown: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    gap_check: Literal["none", "entry", "range", "message"] = "none"
    check: Literal["", "crc32_top10"] = ""


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this venue's sessions ask for beyond plain FIX. Tags are decimal text, as TOML's keys are."""

    reset_on_logon: bool = False
    resend: bool = True
    header: dict[str, str] = msgspec.field(default_factory=dict)
    logon: dict[str, str] = msgspec.field(default_factory=dict)
    logon_hook: str = ""


class Subscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a MarketDataRequest of this dialect says beyond the standard fields."""

    entry_types: tuple[str, ...] = ("0", "1", "2")
    trades_apart: bool = False
    update_type: Literal["full", "incremental", "unsaid"] = "incremental"
    full_depth: Annotated[int, msgspec.Meta(ge=0)] = 0
    symbols_first: bool = False
    per_message_max: Annotated[int, msgspec.Meta(ge=1)] | None = None
    short_end: bool = False
    symbol_tags: dict[str, str] = msgspec.field(default_factory=dict)
    root: dict[str, str] = msgspec.field(default_factory=dict)
    resnapshot: Literal["snapshot", "resubscribe"] = "snapshot"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dialect of FIX market data."""

    name: str
    sources: tuple[str, ...]
    unverified: tuple[str, ...]
    begin_string: str
    tags: dict[str, Tag | list[Tag]]
    entry_types: dict[str, str]
    update_actions: dict[str, str]
    appl_ver_id: str = ""
    time_precision: Literal["ms", "us", "ns"] = "ms"
    session: Session = Session()
    book: Book = Book()
    subscription: Subscription = Subscription()

    def record_keying(self, keying: Literal["price", "id"] | None = None) -> Literal["price", "id"]:
        """Return how the levels in the ring are told apart; `keying` overrides the profile's."""
        return "id" if (keying or self.book.keying) == "id" else "price"

    def compile(self, keying: str | None = None, depth: int = 0) -> _native.FixTable:
        """Return the decoder's table; `keying` overrides the profile's. Raises ProfileError.

        `depth`: levels a side of a book by position, where the venue does not say which of them falls off; 0 = all.
        """
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
        table.keying = KEYINGS[keying or self.book.keying]
        table.position_depth = depth
        table.gap_check = GAP_CHECKS[self.book.gap_check]
        table.checks_book = bool(self.book.check)
        table.ids_per_instrument = self.book.id_scope == "instrument"
        table.size_unknown = self.book.size_unknown
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
    raw = _read(path)
    base = raw.pop("based_on", None)
    if base is not None:
        raw = _over(_base(path, base), raw)
    try:
        profile = msgspec.convert(raw, Profile)
    except msgspec.ValidationError as error:
        raise ProfileError(f"{path}: {error}") from None
    _check(profile, path)
    profile.compile()
    return profile


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: {error}") from None


def _base(path: Path, name: object) -> dict[str, Any]:
    """Return what another profile says, but for what each says of itself. A base has no base."""
    if not isinstance(name, str):
        raise ProfileError(f"{path}: based_on: got {name!r}, expected the name of a profile")
    raw = _read(profile_path(name))
    if "based_on" in raw:
        raise ProfileError(f"{path}: based_on: {name!r} is itself based on another profile")
    return {key: value for key, value in raw.items() if key not in ("name", "sources", "unverified")}


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Lay `own` over `base`: tables key by key, everything else whole."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _check(profile: Profile, path: Path) -> None:
    def expect(good: bool, key: str, value: object, expected: str) -> None:
        if not good:
            raise ProfileError(f"{path}: {key}: got {value!r}, expected {expected}")

    _check_tags(profile, expect)
    _check_fixed_fields(profile, expect)
    expect(bool(profile.sources), "sources", profile.sources, "where the facts are from")
    hook = profile.session.logon_hook
    expect(not hook or hook in fix_logon.HOOKS, "session.logon_hook", hook, f"one of {', '.join(fix_logon.HOOKS)}")


def _check_tags(profile: Profile, expect: Expect) -> None:
    begin = profile.begin_string
    expect(begin.startswith("FIX") and begin.isascii(), "begin_string", begin, "FIX.x.y or FIXT.1.1")
    for fact in profile.tags:
        expect(fact in ROLES, f"tags.{fact}", fact, f"one of {', '.join(ROLES)}")
    for fact in REQUIRED:
        expect(bool(_as_list(profile.tags.get(fact, []))), f"tags.{fact}", None, "a tag")
    named = {tag for tags in profile.tags.values() for tag in _as_list(tags)}
    for key in ("first_tag_snapshot", "first_tag_incremental"):
        tag = getattr(profile.book, key)
        expect(tag in named, f"book.{key}", tag, "a tag that [tags] names")
    for key, allowed in (("entry_types", ENTRY_TYPES), ("update_actions", UPDATE_ACTIONS)):
        for value, meaning in getattr(profile, key).items():
            expect(len(value.encode()) == 1, f"{key}.{value}", value, "one character")
            expect(meaning in allowed, f"{key}.{value}", meaning, f"one of {', '.join(allowed)}")
    for key, fact in NEEDS.items():
        expect(not _asks(profile.book, key) or bool(profile.tags.get(fact)), f"tags.{fact}", None, f"a tag, for {key}")


def _check_fixed_fields(profile: Profile, expect: Expect) -> None:
    fields = {
        "subscription.symbol_tags": profile.subscription.symbol_tags,
        "subscription.root": profile.subscription.root,
        "session.header": profile.session.header,
        "session.logon": profile.session.logon,
    }
    for key, table in fields.items():
        for name, text in table.items():
            expect(name.isascii() and name.isdecimal(), f"{key}.{name}", name, "a tag number")
            expect("\x01" not in text, f"{key}.{name}", text, "text without SOH")


def _asks(book: Book, setting: str) -> bool:
    key, value = setting.split(" = ")
    return bool(getattr(book, key) == value)


def fields_of(table: dict[str, str]) -> list[Field]:
    """Return fixed fields of a profile, in its order, as a message's."""
    return [(int(tag), value.encode()) for tag, value in table.items()]


def _as_list(tags: Tag | list[Tag]) -> list[Tag]:
    return tags if isinstance(tags, list) else [tags]
