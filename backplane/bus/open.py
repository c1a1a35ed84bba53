"""Which bus a node gets."""

from backplane.bus.memory import MemoryBus, MemoryHub
from backplane.bus.ports import Bus
from backplane.bus.redis import RedisBus
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics


def open_bus(settings: RegistrySettings, metrics: Metrics | None = None) -> Bus:
    """On Redis. Connects with the first use, so it may be opened while Redis is away."""
    return RedisBus(settings, metrics or Metrics())


def memory_bus(hub: MemoryHub | None = None, metrics: Metrics | None = None) -> Bus:
    """For nodes of one process; those that share a hub hear each other."""
    return MemoryBus(hub or MemoryHub(), metrics or Metrics())
