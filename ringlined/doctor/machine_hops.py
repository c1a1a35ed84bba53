"""What the stack stands on: its disk, and its Redis."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from backplane.errors import WorldError
from backplane.registry.open import open_registry
from backplane.registry.settings import RegistrySettings
from ringlined.trial.program import StepFailed
from ringlined.trial.step import WARNING, Figures

FREE_MIB_MIN: Final = 64
"""Below this a store may be full before anybody looks again."""
FREE_MIB_WARN: Final = 1024
PROBE_BYTES: Final = 64 * 1024
MIB: Final = 1024 * 1024
WRITE_DEADLINE_S: Final = 10.0


async def check_disk(data: Path) -> Figures:
    """Room, and whether a file can be written and synced. Raises StepFailed."""
    if not data.is_dir():
        raise StepFailed(f"{data} is not there", "Mount it, or say where it is: --data DIR.")
    free_mib = shutil.disk_usage(data).free // MIB
    try:
        async with asyncio.timeout(WRITE_DEADLINE_S):
            await asyncio.to_thread(_write_probe, data)
    except OSError as error:
        raise StepFailed(
            f"{data} takes no writes: {error.strerror}", "Free some room, or mount it for writing."
        ) from None
    except TimeoutError:
        raise StepFailed(f"{data}: a write took over {WRITE_DEADLINE_S:.0f} s") from None
    if free_mib < FREE_MIB_MIN:
        raise StepFailed(
            f"{data} has {free_mib} MiB left; messages are refused when it is full",
            "Free some room on that disk.",
        )
    figures: Figures = {"free_mib": free_mib}
    if free_mib < FREE_MIB_WARN:
        figures[WARNING] = f"only {free_mib} MiB are free"
    return figures


def _write_probe(data: Path) -> None:
    """As the stores do; gone when it is closed."""
    with tempfile.TemporaryFile(dir=data, prefix=".doctor-") as file:
        file.write(bytes(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


async def check_redis(settings: RegistrySettings | None) -> Figures:
    """Raises StepFailed."""
    if settings is None:
        return {"shape": "one process, without Redis"}
    registry = open_registry(settings)
    start = asyncio.get_running_loop().time()
    try:
        await registry.probe()
    except WorldError as error:
        raise StepFailed(
            f"Redis does not answer: {error}",
            "Start it again (it needs no backup: it comes back empty, and that is enough).",
        ) from None
    finally:
        await registry.shut()
    elapsed_s = asyncio.get_running_loop().time() - start
    return {"answer_ms": round(elapsed_s * 1000, 1)}
