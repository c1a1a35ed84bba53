"""Which registry a node gets."""

from collections.abc import Callable

from backplane.registry.memory import MemoryRegistry
from backplane.registry.ports import Registry
from backplane.registry.redis import RedisRegistry
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics


def open_registry(settings: RegistrySettings, metrics: Metrics | None = None) -> Registry:
    """In Redis. Connects with the first call, so it may be opened while Redis is away."""
    return RedisRegistry(settings, metrics or Metrics())


def memory_registry(clock: Callable[[], int], settings: RegistrySettings | None = None) -> Registry:
    """For one process that runs every role. `clock` gives UTC milliseconds."""
    settings = settings or RegistrySettings()
    return MemoryRegistry(clock, settings.presence_lease_s)
