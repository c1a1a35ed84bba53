"""What is examined: a stack that left its note in a data directory, or what a configuration names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from backplane.registry.settings import RegistrySettings
from ringlined.addresses import admin_urls, url
from ringlined.config import Config, ConfigError, load_config, names_redis
from ringlined.status import Status, read_status
from ringlined.trial.program import StepFailed

DEFAULT_DATA: Final = Path("var")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says; None: to be found."""

    data: Path | None = None
    config_file: Path | None = None
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    config: Config
    data: Path
    server: str
    """URL for clients."""
    admin: dict[str, str]
    """URLs by role."""
    redis: RegistrySettings | None
    """None: everything runs in one process, without."""
    is_local: bool
    """`ringlined up` runs on this machine: every role can be asked here."""


def find_installation(wish: Wish) -> Installation:
    """Raises StepFailed: the configuration is refused, or nothing runs."""
    data = wish.data or _directory(wish.config_file)
    status = read_status(data)
    noted = Path(status.config_file) if status is not None and status.config_file else None
    file = wish.config_file or noted
    changes = {"storage": {"directory": str(data)}}
    try:
        config = load_config(file, changes, lan=status is not None and status.lan)
        has_redis = names_redis(file)
    except ConfigError as error:
        raise StepFailed(
            str(error), "Correct the key that is named; `ringlined config` explains each."
        ) from None
    if status is None and not has_redis:
        raise StepFailed(
            f"no stack runs on {data}",
            "Start one (`ringlined up`), or say where it is (--data DIR, --config FILE).",
        )
    if status is not None and not status.ready:
        raise StepFailed(f"the stack on {data} is still starting", "Wait until it says it is up.")
    return Installation(
        config=config,
        data=data,
        server=wish.server or (status.url if status is not None else url(config)),
        admin=status.admin_urls if status is not None else admin_urls(config),
        redis=_redis(config, status),
        is_local=status is not None,
    )


def _directory(config_file: Path | None) -> Path:
    if config_file is None:
        return DEFAULT_DATA
    try:
        return Path(load_config(config_file, lan=True).storage.directory)
    except ConfigError:
        return DEFAULT_DATA  # its refusal is told in a moment


def _redis(config: Config, status: Status | None) -> RegistrySettings | None:
    if status is None or (status.roles and not status.redis):
        return config.registry
    if not status.redis:
        return None
    return msgspec.structs.replace(config.registry, url=status.redis)
