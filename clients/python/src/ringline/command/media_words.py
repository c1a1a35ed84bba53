"""The words that name what a call sends."""

from typing import Final

NONE: Final = "none"
TEST: Final = "test"
DEVICE: Final = "device:"
