"""The parts of aiortc that the SFU uses, without those that decode.

`import aiortc` loads PyAV, FFmpeg's codecs with it, and numpy's users; the SFU decodes nothing and must not
be able to. So the submodules are loaded under a bare parent package, and the one name of PyAV that
`aiortc.rtp` mentions (a type in a signature) is a placeholder for the time of the import. In a process
that has loaded aiortc as a whole (the tests'), its own modules are used and nothing is replaced.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Final

_ORDER: Final = ("rtcdatachannel", "rtcdtlstransport", "sdp", "rtp")
"""The first comes first: it and rtcsctptransport import each other."""


def _load() -> dict[str, Any]:
    if "aiortc" in sys.modules:
        return {name: importlib.import_module(f"aiortc.{name}") for name in _ORDER}
    spec = importlib.util.find_spec("aiortc")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("aiortc is not installed")
    before = set(sys.modules)
    parent = ModuleType("aiortc")
    parent.__path__ = list(spec.submodule_search_locations)
    sys.modules["aiortc"] = parent
    placeholder = ModuleType("av")
    placeholder.AudioFrame = placeholder.VideoFrame = object  # type: ignore[attr-defined] # a stand-in
    stood_in = sys.modules.setdefault("av", placeholder) is placeholder
    try:
        return {name: importlib.import_module(f"aiortc.{name}") for name in _ORDER}
    finally:
        if stood_in:
            del sys.modules["av"]
        # Whoever imports aiortc later gets the whole of it, with modules of its own.
        for name in set(sys.modules) - before:
            if name == "aiortc" or name.startswith("aiortc."):
                del sys.modules[name]


_modules: Final = _load()
rtcdtlstransport: Final[Any] = _modules["rtcdtlstransport"]
sdp: Final[Any] = _modules["sdp"]
rtp: Final[Any] = _modules["rtp"]
