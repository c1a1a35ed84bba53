"""The page's own unit tests (clients/web/test), under Node.js."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).resolve().parents[3] / "clients" / "web"
DEADLINE_S: Final = 100


def test_npm_test() -> None:
    npm = shutil.which("npm")
    assert npm is not None, "the page's tests need Node.js: run make setup"
    result = subprocess.run(
        [npm, "test", "--silent"],
        cwd=WEB,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8000:]
    assert "# fail 0" in result.stdout
