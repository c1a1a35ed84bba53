"""Chromium and two aiortc clients in one call on a private stack: everybody sees and hears everybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from playwright.async_api import Browser

from ringlined.demo.stage import private_stack
from tests.e2e.web.browser import Visit, visit
from tests.e2e.web.guest import Colour, Guest, Tone, guest
from tests.e2e.web.walk import phase, screen, sign_in
from tests.integration.client.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

AEAD: Final = "SRTP_AEAD_AES_128_GCM"
"""RFC 7714, as the IANA registry of DTLS-SRTP profiles calls it."""
RED, BLUE = (200, 30, 30), (30, 30, 200)
DEADLINE_S: Final = 40.0
SAMPLES: Final = 3
BETWEEN_S: Final = 1.0
KEEP_PEERS: Final = """
    window.peers = [];
    const Kept = RTCPeerConnection;
    window.RTCPeerConnection = class extends Kept {
        constructor(...given) { super(...given); window.peers.push(this); }
    };
"""
"""The page itself has no door for its connection."""
STATISTICS: Final = """async () => {
    const reports = [...(await window.peers.at(-1).getStats()).values()];
    const inbound = reports.filter(report => report.type === 'inbound-rtp');
    return {
        frames: inbound.filter(r => r.kind === 'video').map(r => r.framesDecoded ?? 0),
        energy: inbound.filter(r => r.kind === 'audio').map(r => r.totalAudioEnergy ?? 0),
        ciphers: reports.filter(r => r.type === 'transport').map(r => r.srtpCipher),
    };
}"""
PICTURES: Final = """() => Object.fromEntries(
    [...document.querySelectorAll('.tile')].map(tile => {
        const video = tile.querySelector('video');
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [64, 48];
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0, 64, 48);
        const pixels = context.getImageData(0, 0, 64, 48).data;
        const sums = [0, 0, 0];
        for (let i = 0; i < pixels.length; i += 4)
            for (let c = 0; c < 3; c++) sums[c] += pixels[i + c] / (64 * 48);
        return [tile.querySelector('.name').textContent, [sums, pixels.join()]];
    }))"""


async def test_everybody_sees_and_hears_everybody(browser: Browser, tmp_path: Path) -> None:
    async with private_stack(tmp_path) as url, wire_to(url) as wire, visit(browser) as tab:
        await tab.page.add_init_script(KEEP_PEERS)
        call, token = await start_call(tab, wire.url)
        async with (
            guest(url, "Red", "+15550000002") as red,
            guest(url, "Blue", "+15550000003") as blue,
        ):
            await red.join(call, token, [Tone(440), Colour(RED)])
            await blue.join(call, token, [Tone(660), Colour(BLUE)])
            await tab.page.wait_for_selector("#people-count:has-text('3')")
            await asyncio.gather(
                red.until_seen("Ann", "Blue", frames=30, deadline_s=DEADLINE_S),
                blue.until_seen("Ann", "Red", frames=30, deadline_s=DEADLINE_S),
                until_decoded(tab, 2),
            )
            judge_guest(red, {"Ann": 1, "Blue": 2})
            judge_guest(blue, {"Ann": 1, "Red": 0})
            await judge_page(tab)
            await tab.page.screenshot(path=tmp_path / "three.png")
            assert await tab.violations() == []
            await judge_resumption(tab, wire)
            await red.leave()
            await tab.page.wait_for_selector("#announcements:has-text('Red left')")
            await tab.page.wait_for_selector("#people-count:has-text('2')")
        await tab.page.wait_for_selector("#people-count:has-text('1')")
        await tab.page.click("#leave")
        await screen(tab, "ended")
        assert tab.complaints == []


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Proxy]:
    """What the page's TCP connections go through, to be cut."""
    port = urlsplit(url).port
    assert port is not None
    proxy = await Proxy.start(port)
    try:
        yield proxy
    finally:
        await proxy.stop()


async def start_call(tab: Visit, url: str) -> tuple[UUID, str]:
    """The call and its link's token."""
    await sign_in(tab, url, "+15550000001")
    await tab.page.click("#start-call")
    await tab.page.fill("#name", "Ann")
    await tab.until("document.querySelector('#preview').videoWidth > 0")
    link = urlsplit(tab.page.url)
    await tab.page.click("#join")
    await phase(tab, "connected")
    return UUID(link.path.removeprefix("/join/")), link.fragment


async def until_decoded(tab: Visit, people: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            seen: dict[str, Any] = await tab.page.evaluate(STATISTICS)
            if len(seen["frames"]) == len(seen["energy"]) == people and all(
                [*seen["frames"], *seen["energy"]]
            ):
                return
            await asyncio.sleep(0.1)


def judge_guest(person: Guest, expected: dict[str, int]) -> None:
    """Names, and the channel (red, green, blue) that is strongest in their picture."""
    for name, channel in expected.items():
        video, audio = person.received[name, "video"], person.received[name, "audio"]
        assert video.changes > 10, (person.name, name, video)
        assert max(range(3), key=lambda c: video.rgb[c]) == channel, (person.name, name, video)
        assert audio.energy > 0.001, (person.name, name, audio)


async def judge_page(tab: Visit) -> None:
    samples, pictures = [], []
    for _ in range(SAMPLES):
        samples.append(await tab.page.evaluate(STATISTICS))
        pictures.append(await tab.page.evaluate(PICTURES))
        await asyncio.sleep(BETWEEN_S)
    for before, after in pairwise(samples):
        assert all(new > old for old, new in zip(before["frames"], after["frames"], strict=True))
        assert all(
            new > old > 0 for old, new in zip(before["energy"], after["energy"], strict=True)
        )
    ciphers = samples[-1]["ciphers"]
    assert ciphers == [AEAD], ciphers
    for name, channel in (("Red", 0), ("Blue", 2), ("Ann (you)", 1)):
        means, _ = pictures[0][name]
        assert max(range(3), key=lambda c: means[c]) == channel, (name, means)
        assert len({picture[name][1] for picture in pictures}) == SAMPLES, f"{name} stands still"


async def judge_resumption(tab: Visit, wire: Proxy) -> None:
    """The signalling connection breaks: the stay is taken up again, and media never stopped."""
    before = await tab.page.evaluate(STATISTICS)
    wire.cut()
    assert wire.cuts
    await phase(tab, "reconnecting")
    await phase(tab, "connected")
    assert await tab.page.evaluate("window.peers.length") == 1
    after = await tab.page.evaluate(STATISTICS)
    assert all(new > old for old, new in zip(before["frames"], after["frames"], strict=True))
    await tab.page.wait_for_selector("#people-count:has-text('3')")
    assert "left" not in await tab.page.inner_text("#announcements")
