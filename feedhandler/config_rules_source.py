"""What types cannot say about a source: hosts, endpoints, TLS, secrets, hours, profiles."""

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from feedhandler import limits, secret
from feedhandler.config_source import parse_endpoint
from feedhandler.config_text import show
from feedhandler.errors import ConfigError

if TYPE_CHECKING:
    from feedhandler.config_source import Hours, Source, Tls

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")


def check(file: object, key: str, source: "Source") -> None:
    """Raise the first ConfigError of a source that is well-formed; `key` is where it stands."""
    if not is_host(source.host):
        raise ConfigError(file, f"{key}.host", show(source.host), "a host name or an IP address")
    _endpoints(file, f"{key}.endpoints", source.endpoints)
    known = profiles()
    if source.profile not in known:
        raise ConfigError(
            file, f"{key}.profile", show(source.profile), f"one of {', '.join(map(show, known)) or 'no profiles'}"
        )
    if source.reconnect_max_s < source.reconnect_min_s:
        wanted = f"at least reconnect_min_s = {source.reconnect_min_s}"
        raise ConfigError(file, f"{key}.reconnect_max_s", show(source.reconnect_max_s), wanted)
    for name in ("password", "secret"):
        one_secret(file, key, source, name)
    if source.tls is not None:
        _tls(file, f"{key}.tls", source.tls)
    if source.schedule is not None:
        _hours(file, f"{key}.schedule", source.schedule)


def one_secret(file: object, key: str, owner: Any, name: str) -> None:
    """Raise ConfigError where more than one key says where a secret is."""
    chosen = secret.configured(owner, name)
    if len(chosen) > 1:
        raise ConfigError(file, f"{key}.{chosen[1]}", f"a second place beside {chosen[0]}", "one of the two")
    credential = getattr(owner, f"{name}_credential")
    if "/" in credential or credential in (".", ".."):
        raise ConfigError(file, f"{key}.{name}_credential", "a path", "the name of a systemd credential")


def _endpoints(file: object, key: str, endpoints: list[str]) -> None:
    if len(endpoints) > limits.ENDPOINTS_MAX:
        raise ConfigError(file, key, show(endpoints), f"at most {limits.ENDPOINTS_MAX}")
    for i, text in enumerate(endpoints):
        try:
            good = is_host(parse_endpoint(text).host)
        except ValueError:
            good = False
        if not good:
            raise ConfigError(file, f"{key}[{i}]", show(text), '"host:port", or "[address]:port" for IPv6')


def _tls(file: object, key: str, tls: "Tls") -> None:
    one_secret(file, key, tls, "key_password")
    if tls.server_name and not is_host(tls.server_name):
        raise ConfigError(file, f"{key}.server_name", show(tls.server_name), "a host name or an IP address")
    for name in ("key_file", *secret.configured(tls, "key_password")):
        if getattr(tls, name) and not tls.certificate_file:
            raise ConfigError(file, f"{key}.certificate_file", "nothing", f"a certificate for {name}")
    for name in ("ca_file", "certificate_file", "key_file"):
        path = getattr(tls, name)
        if path and not Path(path).is_file():
            raise ConfigError(file, f"{key}.{name}", show(path), "a PEM file")
    if tls.max_version < tls.min_version:
        raise ConfigError(file, f"{key}.max_version", show(tls.max_version), f"at least {tls.min_version}")


def _hours(file: object, key: str, hours: "Hours") -> None:
    if (hours.start_day is None) != (hours.end_day is None):
        missing = "end_day" if hours.end_day is None else "start_day"
        raise ConfigError(file, f"{key}.{missing}", "nothing", "a day, since the other one is given")
    try:
        ZoneInfo(hours.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(file, f"{key}.zone", show(hours.zone), "a time zone such as America/New_York") from None


def is_host(host: str) -> bool:
    """Return whether a text is an IP address or a host name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # A name whose last label is a number is a mistyped address.
        return len(host) <= 253 and all(map(_LABEL.match, labels)) and not labels[-1].isdigit()
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def profiles() -> list[str]:
    """Return the names of the dialect profiles there are."""
    here = Path(__file__).resolve().parent
    for folder in (here / "fixspec" / "profiles", here.parent / "fixspec" / "profiles"):
        if folder.is_dir():
            return sorted(path.stem for path in folder.glob("*.toml"))
    return []
