import pytest

from backplane.errors import Unavailable
from backplane.registry.memory import MemoryRegistry
from backplane.registry.open import memory_registry, open_registry
from backplane.registry.redis import RedisRegistry
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics


async def test_the_memory_twin_is_always_there() -> None:
    registry = memory_registry(lambda: 0)
    assert isinstance(registry, MemoryRegistry)
    await registry.probe()
    await registry.shut()


async def test_redis_may_be_away_when_the_registry_is_opened() -> None:
    metrics = Metrics()
    registry = open_registry(RegistrySettings(url="unix:///nowhere/redis.sock"), metrics)
    assert isinstance(registry, RedisRegistry)
    with pytest.raises(Unavailable):
        await registry.probe()
    count = metrics.registry.get_sample_value("ringline_registry_errors_total", {"call": "ping"})
    assert count == 1
    await registry.shut()


async def test_a_probe_is_a_round_trip(redis_url: str) -> None:
    registry = open_registry(RegistrySettings(url=redis_url))
    await registry.probe()
    await registry.shut()
