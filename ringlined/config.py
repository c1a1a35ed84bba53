"""One TOML file for all roles, read once: composed of the services' own settings.

Unknown keys are refused by their path. Any text may be a reference instead, `file:/run/secrets/x`
or `env:NAME`, and what is secret must be one outside development.
"""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from backplane.registry.settings import RegistrySettings
from backplane.storage.settings import StorageSettings
from messaging.settings import MessagingSettings
from ringlined.lan import lan_address
from sfu.settings import SfuSettings
from signaling.settings import GatewaySettings
from turn.settings import RelaySettings

Environment = Literal["development", "production"]
REFERENCE_BYTES_MAX: Final = 64 * 1024
TEST_NUMBERS: Final = {"+12025550111": "111111", "+12025550122": "222222", "+12025550133": "333333"}
"""Of the block that the North American plan keeps for fiction: nobody's telephones ring."""
TEST_PREFIX: Final = "+1555"
"""An area code that is not given out."""
DEVELOPMENT_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "messaging": {
        "allow_unsealed": True,
        "log_codes": True,
        "test_numbers": TEST_NUMBERS,
        "test_prefix": TEST_PREFIX,
    },
    "relay": {"allow_private_peers": True},
}
SECRETS: Final = (
    ("relay", "secret"),
    ("relay", "previous_secret"),
    ("gateway", "ticket_private_key"),
    ("gateway", "operator_token"),
)
"""Must be references outside development."""


class ConfigError(Exception):
    """The configuration is refused; the text names the key."""


class TelemetrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[telemetry]` table of the configuration: what a node says of itself."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: coloured text on a terminal, JSON lines elsewhere."""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    environment: Environment = "development"
    """`development` listens on loopback only (unless `--lan`), takes unsealed messages and knows test
    numbers with fixed codes; `production` does none of that by itself."""
    gateway: GatewaySettings = GatewaySettings()
    sfu: SfuSettings = SfuSettings()
    relay: RelaySettings = RelaySettings()
    messaging: MessagingSettings = MessagingSettings()
    storage: StorageSettings = StorageSettings()
    registry: RegistrySettings = RegistrySettings()
    telemetry: TelemetrySettings = TelemetrySettings()


def load_config(
    path: Path | None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    lan: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Config:
    """The file, or (None) the defaults; `changes` by table and key, from the command line, win.

    Raises ConfigError.
    """
    document = _read(path) if path is not None else {}
    _refuse_bare_secrets(document)
    document = _resolved(document, os.environ if variables is None else variables, "")
    if document.get("environment", "development") == "development":
        document = _over(DEVELOPMENT_DEFAULTS, document)
    if lan and document.get("environment", "development") == "development":
        document = _over(_lan_hosts(), document)
    config = _converted(_over(document, changes or {}))
    _check(config, lan)
    return config


def _lan_hosts() -> dict[str, dict[str, Any]]:
    """The gateway on every interface; media on one address, which ICE must be told."""
    hosts: dict[str, dict[str, Any]] = {"gateway": {"host": "0.0.0.0"}}  # noqa: S104 - asked for
    address = lan_address()
    if address is not None:
        hosts |= {"sfu": {"media_host": address}, "relay": {"host": address}}
    return hosts


def names_redis(path: Path | None) -> bool:
    """Whether the file says which Redis to use. Raises ConfigError."""
    return path is not None and "url" in _read(path).get("registry", {})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _converted(document: Mapping[str, Any]) -> Config:
    try:
        return msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`").lstrip(".")
        raise ConfigError(f"{place}: {text}" if place else text) from None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key; a table inside a table (test numbers) is replaced whole."""
    merged = {name: dict(v) if isinstance(v, Mapping) else v for name, v in below.items()}
    for name, value in above.items():
        known = merged.get(name)
        if isinstance(known, dict) and isinstance(value, Mapping):
            merged[name] = {**known, **value}
        else:
            merged[name] = value
    return merged


def _resolved(value: Any, variables: Mapping[str, str], place: str) -> Any:
    """With every reference replaced by what it points at."""
    if isinstance(value, dict):
        return {
            key: _resolved(part, variables, f"{place}.{key}".lstrip("."))
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_resolved(part, variables, place) for part in value]
    if isinstance(value, str) and value.startswith("env:"):
        if value[4:] not in variables:
            raise ConfigError(f"{place}: the environment has no {value[4:]}")
        return variables[value[4:]]
    if isinstance(value, str) and value.startswith("file:"):
        return _referred(Path(value[5:]), place)
    return value


def _referred(path: Path, place: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(REFERENCE_BYTES_MAX).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: {path}: {error}") from None


def _refuse_bare_secrets(document: Mapping[str, Any]) -> None:
    if document.get("environment") == "production":
        for table, key in SECRETS:
            value = _part(document, table).get(key)
            if isinstance(value, str) and value and not value.startswith(("env:", "file:")):
                raise ConfigError(f"{table}.{key}: a secret; refer to it (env:NAME or file:PATH)")
    registry = document.get("registry")
    url = registry.get("url") if isinstance(registry, Mapping) else None
    if document.get("environment") != "production" or not isinstance(url, str):
        return
    if not url.startswith(("env:", "file:")) and urlsplit(url).password:
        raise ConfigError("registry.url: holds a password; refer to it (env:NAME or file:PATH)")


def _part(document: Mapping[str, Any], table: str) -> Mapping[str, Any]:
    part = document.get(table)
    return part if isinstance(part, Mapping) else {}


def _check(config: Config, lan: bool) -> None:
    """What no table can see by itself."""
    gateway, messaging = config.gateway, config.messaging
    media = {"sfu.media_host": config.sfu.media_host, "relay.host": config.relay.host}
    for key, host in media.items():
        if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
            raise ConfigError(f"{key}: a specific address, since clients are told it")
    if config.environment == "development":
        if not lan and not is_loopback(gateway.host):
            raise ConfigError(
                "gateway.host: in development the gateway listens on loopback only; "
                'start it with --lan, or say environment = "production"'
            )
        _check_loopback(config, {} if lan else media)
        return
    if config.relay.allow_private_peers:
        raise ConfigError('relay.allow_private_peers: only while environment = "development"')
    for key in ("test_numbers", "test_prefix", "log_codes"):
        if getattr(messaging, key):
            raise ConfigError(f'messaging.{key}: only while environment = "development"')


def _check_loopback(config: Config, media: Mapping[str, str]) -> None:
    inside = {
        "gateway.admin_host": config.gateway.admin_host,
        "sfu.admin_host": config.sfu.admin_host,
        "sfu.signalling_host": config.sfu.signalling_host,
        "relay.admin_host": config.relay.admin_host,
    }
    for key, host in {**inside, **media}.items():
        if not is_loopback(host):
            raise ConfigError(f"{key}: in development on loopback only")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
