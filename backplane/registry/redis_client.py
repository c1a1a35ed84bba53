"""One process's calls to Redis: scripts and commands, each within a deadline.

Nothing is tried twice: a try at a code, or a spending, whose answer was lost may have been counted.
A connection that broke is replaced by the next call, so a Redis that comes back is used at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backplane.errors import Unavailable
from backplane.registry.settings import RegistrySettings
from backplane.telemetry.metrics import Metrics

Argument = str | bytes | int
PIPELINE_CALLS_MAX: Final = 512
"""Calls of one pipeline; more go as several, each with its own deadline."""

_WORLD_ERRORS: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    AskError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_WORLD_REPLIES: Final = ("BUSY", "MISCONF", "NOREPLICAS")
T = TypeVar("T")


def connection_pool(settings: RegistrySettings, connections_max: int) -> ConnectionPool:
    """Without time-outs of its own, which would race with the caller's deadline, and without
    retries. Asking for one connection too many is an error: the caller must count."""
    return ConnectionPool.from_url(
        settings.url,
        max_connections=connections_max,
        socket_timeout=None,
        socket_connect_timeout=None,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


class Script:
    """A file of lua/, known to Redis by its SHA-1."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = files("backplane.registry").joinpath("lua", f"{name}.lua").read_bytes()
        self.sha = sha1(self.text, usedforsecurity=False).hexdigest()


class RedisClient:
    """Every method raises Unavailable when Redis does not answer, or not in time."""

    def __init__(
        self, settings: RegistrySettings, metrics: Metrics, connections_max: int | None = None
    ) -> None:
        connections_max = connections_max or settings.connections_max
        self._pool = connection_pool(settings, connections_max)
        self._free_connections = asyncio.Semaphore(connections_max)
        self._redis = Redis(connection_pool=self._pool)
        self._deadline_s = settings.deadline_ms / 1000
        self._prefix = settings.key_prefix
        self._errors = metrics.registry_errors
        self._scripts: dict[str, Script] = {}

    def key(self, *parts: object) -> str:
        """A key. The part in braces, if any, decides its slot in a Redis cluster."""
        return ":".join((self._prefix, *map(str, parts)))

    async def command(self, *arguments: Argument) -> Any:
        return await self._within(str(arguments[0]).lower(), partial(self._execute, *arguments))

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """To these channels, in one pipeline."""
        pipeline = self._redis.pipeline(transaction=False)
        for channel, payload in messages:
            pipeline.execute_command("PUBLISH", channel, payload)
        await self._within("publish", pipeline.execute)

    async def run(
        self, script_name: str, keys: Sequence[str], arguments: Sequence[Argument] = ()
    ) -> Any:
        return (await self.run_each(script_name, [(keys, arguments)]))[0]

    async def run_each(
        self,
        script_name: str,
        calls: Sequence[tuple[Sequence[str], Sequence[Argument]]],
    ) -> list[Any]:
        """One script for many keys, in pipelines. Each call is atomic, the whole is not."""
        results: list[Any] = []
        for start in range(0, len(calls), PIPELINE_CALLS_MAX):
            part = calls[start : start + PIPELINE_CALLS_MAX]
            results += await self._within(script_name, partial(self._run_part, script_name, part))
        return results

    async def _run_part(
        self,
        script_name: str,
        calls: Sequence[tuple[Sequence[str], Sequence[Argument]]],
    ) -> list[Any]:
        script = self._script(script_name)
        results = await self._evaluate(script, calls)
        unknown = [i for i, result in enumerate(results) if isinstance(result, NoScriptError)]
        if unknown:  # Redis restarted or was flushed; what it did not know it did not run
            await self._redis.script_load(script.text)
            again = await self._evaluate(script, [calls[i] for i in unknown])
            for i, result in zip(unknown, again, strict=True):
                results[i] = result
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    async def _evaluate(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Argument]]]
    ) -> list[Any]:
        if len(calls) == 1:  # the usual case, without the pipeline's overhead
            keys, arguments = calls[0]
            try:
                return [await self._execute("EVALSHA", script.sha, len(keys), *keys, *arguments)]
            except NoScriptError as error:
                return [error]
        pipeline = self._redis.pipeline(transaction=False)
        for keys, arguments in calls:
            pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        return await pipeline.execute(raise_on_error=False)

    async def _execute(self, *arguments: Argument) -> Any:
        return await self._redis.execute_command(*arguments)  # type: ignore[no-untyped-call]

    def _script(self, name: str) -> Script:
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = Script(name)
        return script

    async def _within(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._deadline_s), self._free_connections:
                return await call()
        except (RedisError, OSError) as error:
            if not is_world_error(error):
                raise AssertionError(f"Redis refused {name}: {error}") from error
            self._errors.labels(call=name).inc()
            raise Unavailable(f"Redis: {name}: {type(error).__name__}") from error

    async def shut(self) -> None:
        await self._redis.aclose()
        await self._pool.disconnect()


def is_world_error(error: Exception) -> bool:
    """Redis is away, full or changing hands; everything else it refuses is our mistake."""
    if isinstance(error, _WORLD_ERRORS):
        return True
    if isinstance(error, ResponseError):
        return str(error).startswith(_WORLD_REPLIES)
    return isinstance(error, RedisError)
