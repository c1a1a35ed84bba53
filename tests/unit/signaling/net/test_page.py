import gzip
from pathlib import Path

import pytest
from aiohttp import hdrs, web
from aiohttp.test_utils import make_mocked_request

from signaling.net import page as module
from signaling.net.page import FOR_GOOD, REVALIDATE, Page, accepts_gzip

CALL = "/join/0199f0f4-7a3c-7d3e-9c1b-0a1b2c3d4e5f"
HTML = b"<!doctype html><title>Ringline</title>" + b" " * 500
SCRIPT = b"console.log('ringline');\n" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(HTML)
    (folder / "favicon.svg").write_bytes(b"<svg/>")
    (folder / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (tmp_path / "secret.txt").write_text("no part of the page")
    return folder


@pytest.fixture
def page(folder: Path) -> Page:
    return Page(folder)


def get(page: Page, path: str, headers: dict[str, str] | None = None) -> web.Response:
    return page.answer(make_mocked_request("GET", path, headers=headers))


def body(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/", "/"),
        (CALL, "/join/{call}"),
        (CALL + "/", "/join/{call}"),
        (CALL.upper().replace("/JOIN", "/join"), "/join/{call}"),
        ("/assets/index-abc.js", "/assets/{file}"),
        ("/favicon.svg", "/favicon.svg"),
        ("/index.html", None),
        ("/join/", None),
        ("/join/x", None),
        (CALL + "/more", None),
        ("/assets/", None),
        ("/assets/other.js", None),
        ("/assets/../index.html", None),
        ("/assets/../../secret.txt", None),
        ("/../secret.txt", None),
        ("//favicon.svg", None),
        ("/v1/account", None),
    ],
)
def test_only_the_pages_own_names_are_its_business(
    page: Page, path: str, label: str | None
) -> None:
    assert page.label(path) == label


@pytest.mark.parametrize("path", ["/", CALL])
def test_the_page_is_asked_for_again_each_time(page: Page, path: str) -> None:
    response = get(page, path)
    assert (response.status, body(response)) == (200, HTML)
    assert response.headers["Cache-Control"] == REVALIDATE
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_what_carries_its_hash_is_kept_for_good(page: Page) -> None:
    response = get(page, "/assets/index-abc.js")
    assert body(response) == SCRIPT
    assert response.headers["Cache-Control"] == FOR_GOOD
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_the_known_version_is_not_sent_again(page: Page) -> None:
    tag = get(page, "/").headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = get(page, "/", {hdrs.IF_NONE_MATCH: known})
        assert response.status == 304, known
        assert response.body is None
        assert response.headers["ETag"] == tag
    assert get(page, "/", {hdrs.IF_NONE_MATCH: '"other"'}).status == 200


def test_gzip_for_whoever_takes_it(page: Page) -> None:
    plain, packed = get(page, "/"), get(page, "/", {"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body(packed)) == HTML
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    known = {"Accept-Encoding": "gzip", hdrs.IF_NONE_MATCH: packed.headers["ETag"]}
    assert get(page, "/", known).status == 304
    tiny = get(page, "/favicon.svg", {"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in tiny.headers


@pytest.mark.parametrize(
    ("values", "accepts"),
    [
        (["gzip"], True),
        (["deflate, gzip;q=0.5"], True),
        (["x-gzip"], True),
        (["deflate", "GZIP"], True),
        ([], False),
        (["gzip;q=0"], False),
        (["gzip; q=0.000"], False),
        (["br"], False),
        (["gzipped"], False),
        (["identity"], False),
    ],
)
def test_who_takes_gzip(values: list[str], accepts: bool) -> None:
    assert accepts_gzip(values) is accepts


@pytest.mark.parametrize("path", ["/", CALL, "/assets/index-abc.js", "/favicon.svg"])
def test_everything_is_locked_down(page: Page, path: str) -> None:
    headers = get(page, path).headers
    policy = headers["Content-Security-Policy"].split("; ")
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not any("unsafe" in rule or "*" in rule or "http" in rule for rule in policy)
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "camera=(self)" in headers["Permissions-Policy"]
    assert "microphone=(self)" in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/", CALL])
def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path, path: str) -> None:
    page = Page(tmp_path / "nothing")
    assert not page.built
    assert page.label(path) is not None
    response = get(page, path)
    assert response.status == 503
    assert response.text is not None and "make setup" in response.text
    assert page.label("/assets/index-abc.js") is None


def test_a_file_that_belongs_in_no_page_is_refused(folder: Path) -> None:
    (folder / "notes.py").write_text("")
    with pytest.raises(ValueError, match=r"notes\.py"):
        Page(folder)


def test_a_file_of_unreasonable_size_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_FILE_BYTES_MAX", len(SCRIPT))
    assert Page(folder).built
    monkeypatch.setattr(module, "PAGE_FILE_BYTES_MAX", len(SCRIPT) - 1)
    with pytest.raises(ValueError, match=r"index-abc\.js"):
        Page(folder)
