"""aiortc in parts: the process stays without codecs, and a whole aiortc is not damaged by it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PARTS_ONLY = """
import sys
from sfu import aiortc_modules
assert aiortc_modules.rtcdtlstransport.RTCDtlsTransport
assert aiortc_modules.sdp.SessionDescription.parse
assert aiortc_modules.rtp.HeaderExtensionsMap
for name in sys.modules:
    assert name.split(".")[0] not in ("av", "numpy", "aiortc"), name
"""
PARTS_FIRST = """
from sfu import aiortc_modules
import aiortc, av
assert aiortc.RTCPeerConnection and av.AudioFrame is not object
assert aiortc.rtcdtlstransport is not aiortc_modules.rtcdtlstransport
"""
WHOLE_FIRST = """
import aiortc, av
from sfu import aiortc_modules
assert aiortc_modules.rtcdtlstransport is aiortc.rtcdtlstransport
assert aiortc.rtp.AudioFrame is av.AudioFrame
"""


@pytest.mark.parametrize("program", [PARTS_ONLY, PARTS_FIRST, WHOLE_FIRST])
def test_in_a_fresh_interpreter(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
