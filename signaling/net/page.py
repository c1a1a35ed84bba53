"""The web page, as `scripts/web.py` built it into `signaling/page/`.

The files are read once, at start, and only those are ever answered: there is no path to walk out of.
Names under /assets/ carry a hash of their content, so browsers may keep them for good; the rest is
asked for again each time and mostly answered 304 (RFC 9110 §13.1.2).
"""

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web

from backplane.telemetry.answers_aiohttp import HEADERS

BUILT: Final = Path(__file__).resolve().parent.parent / "page"
METHODS: Final = ("GET", "HEAD")
PAGE_FILE_BYTES_MAX: Final = 4 * 1024 * 1024
INDEX: Final = "index.html"
ASSETS: Final = "/assets/"
NOT_BUILT: Final = (
    "The web page is not built here. In a checkout, `make setup` builds it; it needs Node.js 20.19"
    " or newer with npm.\n"
)
CONTENT_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
# 'self' covers the WebSocket of the same host, too (CSP level 3 §6.7.2.8). Pictures of the camera are
# MediaStreams, which no directive touches.
POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "media-src blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
SECURITY_HEADERS: Final = {
    **HEADERS,
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}
REVALIDATE: Final = "no-cache"
FOR_GOOD: Final = "public, max-age=31536000, immutable"
_CALL: Final = re.compile(r"^/join/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/?$")
_GZIP: Final = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?P<weight>[0-9.]+)\s*)?(?=,|$)", re.I)


@dataclass(frozen=True, slots=True)
class PageFile:
    body: bytes
    packed: bytes
    """The same, gzip; empty where that is no shorter."""
    tag: str
    content_type: str
    cache: str


class Page:
    """Raise ValueError for a file that does not belong in a page."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = {name: _read(path, name) for name, path in _built(folder or BUILT)}

    @property
    def built(self) -> bool:
        return f"/{INDEX}" in self._files

    def label(self, path: str) -> str | None:
        """How a request for this path is counted; None: it is not the page's business."""
        if path == "/":
            return "/"
        if _CALL.match(path):
            return "/join/{call}"
        if path.startswith(ASSETS):
            return "/assets/{file}" if path in self._files else None
        return path if path in self._files and path != f"/{INDEX}" else None

    def answer(self, request: web.BaseRequest) -> web.Response:
        """For a path that has a label, and a method of METHODS."""
        path = request.path
        name = f"/{INDEX}" if path == "/" or _CALL.match(path) else path
        found = self._files.get(name)
        if found is None:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, NOT_BUILT)
        packed = bool(found.packed) and accepts_gzip(request.headers.getall("Accept-Encoding", []))
        tag = f"{found.tag}-gzip" if packed else found.tag
        headers = {**SECURITY_HEADERS, "Cache-Control": found.cache, "ETag": f'"{tag}"'}
        known = [etag.value for etag in request.if_none_match or ()]
        if tag in known or "*" in known:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=found.packed if packed else found.body,
            headers=headers,
            content_type=found.content_type,
            charset="utf-8" if found.content_type.startswith("text/") else None,
        )


def accepts_gzip(values: list[str]) -> bool:
    """Of the Accept-Encoding lines (RFC 9110 §12.5.3); `*` is not taken for it."""
    match = _GZIP.search(",".join(values))
    return match is not None and match["weight"] not in ("0", "0.", "0.0", "0.00", "0.000")


def _built(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the build by its path in a URL."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield "/" + path.relative_to(folder).as_posix(), path


def _read(path: Path, name: str) -> PageFile:
    content_type = CONTENT_TYPES.get(path.suffix)
    if content_type is None:
        raise ValueError(f"a web page has no file like {name}")
    body = path.read_bytes()
    if len(body) > PAGE_FILE_BYTES_MAX:
        raise ValueError(f"{name} is larger than {PAGE_FILE_BYTES_MAX} bytes")
    packed = gzip.compress(body, 9, mtime=0)
    return PageFile(
        body=body,
        packed=packed if len(packed) < len(body) else b"",
        tag=hashlib.sha256(body).hexdigest()[:32],
        content_type=content_type,
        cache=FOR_GOOD if name.startswith(ASSETS) else REVALIDATE,
    )


def _plain(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(
        status=status, text=text, content_type="text/plain", headers=SECURITY_HEADERS
    )
