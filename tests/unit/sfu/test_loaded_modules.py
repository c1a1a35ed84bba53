"""What a node for group calls has in memory."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
PROGRAM: Final = """
import asyncio, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from backplane.bus.memory import MemoryBus, MemoryHub
from backplane.registry.memory import MemoryRegistry
from backplane.telemetry.health_asyncio import Health
from backplane.telemetry.metrics import Metrics
from backplane.tickets import TicketVerifier
from sfu.app import build_sfu
from sfu.settings import SfuSettings

async def main():
    key = Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    metrics = Metrics()
    sfu = build_sfu(
        SfuSettings(media_port=0, signalling_port=0, admin_port=0),
        verifier=TicketVerifier([pem]), registry=MemoryRegistry(lambda: 0),
        bus=MemoryBus(MemoryHub(), metrics), metrics=metrics, health=Health(),
    )
    await sfu.start()
    await sfu.stop()

asyncio.run(main())
print("\\n".join(["LOADED:", *sys.modules]))
"""
FORBIDDEN: Final = ("av", "numpy", "ringline.e2ee", "aiortc.codecs", "messaging", "signaling")


def test_nothing_that_could_decode_or_unseal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    loaded = done.stdout.partition("LOADED:")[2].split()
    assert "sfu.app" in loaded
    found = [
        name
        for name in loaded
        if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN)
    ]
    assert found == []
