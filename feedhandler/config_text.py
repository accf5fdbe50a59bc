"""What a configuration error says: file, key, value and what was expected, in one line."""

import difflib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from feedhandler.errors import ConfigError

SECRETS = {
    "password": "password_env",
    "token": "tokens_env",
    "tokens": "tokens_env",
    "secret": "secret_env",
    "key_password": "key_password_env",
}
_VALUE_CHARS_MAX = 60
_INTEGER_BITS_MAX = 256
_Part = str | int


def show(value: Any) -> str:
    """Return a value as a user wrote it, short enough for one line."""
    match value:
        case dict():
            return "a table"
        case list():
            return f"a list of {len(value)}"
        case str() | bool():
            text = json.dumps(value, ensure_ascii=False)
        case int() if value.bit_length() > _INTEGER_BITS_MAX:
            # Python refuses to print integers of thousands of digits.
            text = f"an integer of {value.bit_length()} bits"
        case _:
            text = str(value)
    return text if len(text) <= _VALUE_CHARS_MAX else f"{text[:_VALUE_CHARS_MAX]}..."


def syntax_error(file: object, message: str) -> ConfigError:
    """Return the error of text that is not TOML; `message` is tomllib's."""
    text = message.splitlines()[0] if message else "not TOML"
    place = re.search(r"\(at line (\d+), column (\d+)\)\s*$", text)
    if place is None:
        return ConfigError(file, "last line" if "end of document" in text else "", text, "TOML")
    what = text[: place.start()].strip()
    return ConfigError(file, f"line {place[1]}, column {place[2]}", what, "TOML")


def check_floats(file: object, raw: dict[str, Any]) -> None:
    """Raise ConfigError where any number is NaN or infinite: no key means anything by it."""
    for parts, value in _leaves(raw, ()):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(file, _key(parts), show(value), "a finite number")


def translate(file: object, raw: Any, root: type, error: msgspec.ValidationError) -> ConfigError:
    """Return msgspec's complaint about `raw` as a ConfigError."""
    message, _, where = str(error).rpartition(" - at `$")
    if not message:
        message, where = where.removeprefix("$"), ""
    parts = _parts(where.removesuffix("`"))
    value = _walk_value(raw, parts)
    kind = _walk_type(inspect.type_info(root), parts)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return _unknown(file, parts, unknown[1], value, kind)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        wanted = _describe(_walk_type(kind, (missing[1],)))
        return ConfigError(file, _key((*parts, missing[1])), "nothing", wanted)
    wanted = _describe(kind)
    if wanted.startswith("an integer ") and isinstance(value, int) and not isinstance(value, bool):
        wanted = wanted.removeprefix("an integer ")
    hidden = isinstance(value, str) and str(parts[-1:]).find("_env") >= 0
    got = "text that is no variable's name" if hidden else show(value)
    return ConfigError(file, _key(parts), got, wanted)


def _unknown(file: object, parts: tuple[_Part, ...], name: str, table: Any, kind: Any) -> ConfigError:
    key = _key((*parts, name))
    known = [field.encode_name for field in kind.fields]
    instead = SECRETS.get(name.lower(), "")
    if instead in known:
        return ConfigError(file, key, "a secret in the file", f"{instead} with the name of an environment variable")
    near = difflib.get_close_matches(name, known, 1)
    wanted = f'a known key (did you mean "{near[0]}"?)' if near else f"one of the keys {', '.join(known)}"
    return ConfigError(file, key, f"{show(table[name])} for an unknown key", wanted)


def _describe(kind: Any) -> str:  # noqa: PLR0911 - one return a type
    """Return what a type accepts, in the words of whoever writes a configuration."""
    match kind:
        case inspect.Metadata():
            text = (kind.extra_json_schema or {}).get("description")
            return str(text) if text else _describe(kind.type)
        case inspect.UnionType():
            return " or ".join(_describe(t) for t in kind.types if not isinstance(t, inspect.NoneType))
        case inspect.IntType() | inspect.FloatType():
            return _describe_number(kind)
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            return "one of " + ", ".join(json.dumps(value) for value in kind.values)
        case inspect.ListType():
            return f"a list with at least {kind.min_length}" if kind.min_length else "a list"
        case inspect.StructType():
            return f"a table with {', '.join(field.encode_name for field in kind.fields if field.required)}"
        case inspect.StrType(max_length=int()):
            return f"text of at most {kind.max_length} characters"
        case _:
            return "text"


def _describe_number(kind: inspect.IntType | inspect.FloatType) -> str:
    noun = "an integer" if isinstance(kind, inspect.IntType) else "a number"
    if kind.ge is not None and kind.le is not None:
        return f"{noun} {kind.ge}..{kind.le}"
    low = f"above {kind.gt}" if kind.gt is not None else ""
    high = f"at most {kind.le}" if kind.le is not None else ""
    return " ".join([noun, " and ".join(filter(None, (low, high)))]).strip()


def _leaves(value: Any, parts: tuple[_Part, ...]) -> Iterator[tuple[tuple[_Part, ...], Any]]:
    # Iterative on purpose: depth is the file's to choose.
    stack: list[tuple[tuple[_Part, ...], Any]] = [(parts, value)]
    while stack:
        here, item = stack.pop()
        if isinstance(item, dict):
            stack.extend(((*here, k), v) for k, v in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend(((*here, i), v) for i, v in reversed(list(enumerate(item))))
        else:
            yield here, item


def _parts(path: str) -> tuple[_Part, ...]:
    found = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path)
    return tuple(name or int(index) for name, index in found)


def _key(parts: tuple[_Part, ...]) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{_bare(p)}" for p in parts)
    return text.removeprefix(".")


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else show(name)


def _walk_value(value: Any, parts: tuple[_Part, ...]) -> Any:
    for part in parts:
        value = value[part]
    return value


def _walk_type(kind: Any, parts: tuple[_Part, ...]) -> Any:
    for part in parts:
        kind = _inner(kind)
        if isinstance(part, int):
            kind = kind.item_type
        else:
            kind = next(field.type for field in kind.fields if field.encode_name == part)
    return kind if isinstance(kind, inspect.Metadata) else _inner(kind)


def _inner(kind: Any) -> Any:
    """Return the type without None and annotations."""
    if isinstance(kind, inspect.Metadata):
        return _inner(kind.type)
    if isinstance(kind, inspect.UnionType):
        return _inner(next(t for t in kind.types if not isinstance(t, inspect.NoneType)))
    return kind
