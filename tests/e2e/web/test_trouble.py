"""What goes wrong is said in words, and what can be mended mends itself."""

import pytest
from playwright.async_api import Browser

from ringline.protocol import sfu
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from tests.e2e.web.browser import Visit, visit
from tests.e2e.web.stand_in import Bea, StandIn
from tests.e2e.web.walk import phase, reach_call, reach_lobby, screen, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = "0199f0f4-7a3c-7d3e-9c1b-0a1b2c3d4e5f"


async def said(tab: Visit, place: str, words: str) -> None:
    await tab.page.wait_for_selector(f"#{place}:has-text({words!r})")


async def test_wrong_numbers_codes_and_links(browser: Browser, stand_in: StandIn) -> None:
    async with visit(browser) as tab:
        page = tab.page
        await page.goto(stand_in.url)
        await page.fill("#number", "hello")
        await page.click("#send-code")
        await said(tab, "number-error", "country code")
        assert stand_in.requests == []
        stand_in.refuse["registrations"] = ProblemType.NUMBER_INVALID
        await page.fill("#number", "+1 555 0100")
        await page.click("#send-code")
        await said(tab, "number-error", "not a phone number")
        tab.expect_refusal(422)
        del stand_in.refuse["registrations"]
        await page.click("#send-code")
        await page.fill("#code", "12")
        await page.click("#register")
        await said(tab, "code-error", "six digits")
        stand_in.refuse["device"] = ProblemType.CODE_REFUSED
        await page.fill("#code", "111111")
        await page.click("#register")
        await said(tab, "code-error", "wrong")
        tab.expect_refusal(403)
        assert await page.evaluate("document.activeElement.id") == "code"
        del stand_in.refuse["device"]
        await page.fill("#code", "000000")
        await page.click("#register")
        for text, words in (
            ("nonsense", "not the link"),
            (f"https://elsewhere.example/join/{CALL}", "another server"),
        ):
            await page.fill("#link", text)
            await page.click("#join-call")
            await said(tab, "link-error", words)
        assert tab.complaints == []


async def test_a_link_leads_to_its_call_and_a_dead_one_says_so(
    browser: Browser, stand_in: StandIn
) -> None:
    stand_in.refuse["tickets"] = ProblemType.NOT_FOUND
    link = f"{stand_in.url}/join/{CALL}#{'k' * 43}"
    async with visit(browser) as tab:
        await sign_in(tab, link)
        await screen(tab, "lobby")
        await tab.page.click("#join")
        await said(tab, "lobby-error", "no such call")
        tab.expect_refusal(404)
        assert f"POST /v1/group-calls/{CALL}/tickets" in stand_in.requests
        assert tab.page.url == link
        assert not any("k" * 43 in request for request in stand_in.requests)


async def test_a_browser_comes_back_signed_in_until_it_is_not(
    browser: Browser, stand_in: StandIn
) -> None:
    async with visit(browser) as tab:
        await sign_in(tab, stand_in.url)
        await screen(tab, "start")
        await tab.page.reload()
        await screen(tab, "start")
        stand_in.refuse["tokens"] = ProblemType.CREDENTIAL_REFUSED
        await tab.page.click("#start-call")
        await screen(tab, "register")
        await said(tab, "number-error", "not signed in any more")
        tab.expect_refusal(401)
        await tab.page.reload()
        await screen(tab, "register")


async def test_without_devices_one_joins_to_watch_and_listen(
    bare_browser: Browser, stand_in: StandIn
) -> None:
    stand_in.people.append(Bea())
    async with visit(bare_browser) as tab:
        await reach_lobby(tab, stand_in)
        await said(tab, "media-problem", "No camera was found")
        await said(tab, "media-problem", "No microphone was found")
        await tab.page.click("#join:has-text('watch and listen')")
        await phase(tab, "connected")
        await tab.page.wait_for_selector('[data-participant="bea"][data-frames]')
        (offer, *_) = stand_in.sent(sfu.Offer)
        assert offer.publish == {}
        assert tab.complaints == []


async def test_a_person_who_says_no_is_told_how_to_say_yes(
    bare_browser: Browser, stand_in: StandIn
) -> None:
    async with visit(bare_browser) as tab:
        await tab.page.add_init_script(
            "navigator.mediaDevices.getUserMedia = async () => {"
            " throw new DOMException('Permission denied', 'NotAllowedError'); }"
        )
        await reach_lobby(tab, stand_in)
        await said(tab, "media-problem", "does not let this page use the camera")
        await tab.page.click("#join")
        await phase(tab, "connected")


async def test_people_come_and_go_seen_and_heard_of(browser: Browser, stand_in: StandIn) -> None:
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        bea = Bea()
        await stand_in.bring(bea)
        await said(tab, "announcements", "Bea Example joined")
        await tab.page.wait_for_selector('[data-participant="bea"][data-frames]')
        await said(tab, "people-count", "2")
        video = bea.tracks()[1].track
        for muted, state in ((True, "off"), (False, "on")):
            await stand_in.tell(sfu.TrackMuted(participant="bea", track=video, muted=muted))
            await tab.page.wait_for_selector(f'[data-participant="bea"][data-video="{state}"]')
        await stand_in.take(bea, sfu.LeaveReason.SILENT)
        await said(tab, "announcements", "Bea Example lost the connection")
        await tab.page.wait_for_selector('[data-participant="bea"]', state="detached")
        carl = Bea(participant="carl", name="")
        await stand_in.bring(carl)
        await tab.page.wait_for_selector('[data-participant="carl"][data-frames]')
        sections = stand_in.sent(sfu.Offer)[-1]
        assert set(sections.subscribe.values()) == {track.track for track in carl.tracks()}
        assert sections.sdp.count("\r\nm=") == 4, "Bea's sections serve Carl"
        assert tab.complaints == []


async def test_sound_that_the_browser_holds_back_is_let_go_by_a_button(
    browser: Browser, stand_in: StandIn
) -> None:
    async with visit(browser) as tab:
        await tab.page.add_init_script(
            "const play = HTMLMediaElement.prototype.play;"
            "window.allowed = false;"
            "HTMLMediaElement.prototype.play = function () {"
            "  if (this.muted || window.allowed) return play.call(this);"
            "  return Promise.reject(new DOMException('', 'NotAllowedError'));"
            "};"
        )
        await reach_call(tab, stand_in)
        assert not await tab.page.is_visible("#unblock")
        await stand_in.bring(Bea())
        await tab.page.wait_for_selector("#unblock-sound")
        await tab.page.evaluate("window.allowed = true")
        await tab.page.click("#unblock-sound")
        await tab.page.wait_for_selector("#unblock", state="hidden")
        await tab.until("!document.querySelector('[data-participant=\"bea\"] video').paused")


async def test_without_a_server_the_page_says_so(browser: Browser, stand_in: StandIn) -> None:
    async with visit(browser) as tab:
        await tab.page.goto(stand_in.url)
        await tab.context.set_offline(True)
        await tab.page.fill("#number", "+15550100")
        await tab.page.click("#send-code")
        await said(tab, "number-error", "cannot be reached")
        await tab.context.set_offline(False)
        await tab.page.click("#send-code")
        await tab.page.wait_for_selector("#code")


async def test_muting_is_told_and_the_camera_let_go(browser: Browser, stand_in: StandIn) -> None:
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        (offer,) = stand_in.sent(sfu.Offer)
        assert {p.source.value: p.muted for p in offer.publish.values()} == {
            "microphone": False,
            "camera": False,
        }
        for control in ("#mute", "#camera", "#mute", "#camera"):
            told = len(stand_in.sent(sfu.Mute)) + 1
            await tab.page.click(control)
            await stand_in.until_sent(sfu.Mute, told)
        assert [(frame.track, frame.muted) for frame in stand_in.sent(sfu.Mute)] == [
            ("me-microphone", True),
            ("me-camera", True),
            ("me-microphone", False),
            ("me-camera", False),
        ]
        assert len(stand_in.sent(sfu.Offer)) == 1, "nothing of it needs another offer"


async def test_a_broken_connection_takes_up_the_same_stay(
    browser: Browser, stand_in: StandIn
) -> None:
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        stand_in.cut()
        await phase(tab, "reconnecting")
        stand_in.people.append(Bea())
        await phase(tab, "connected")
        assert (stand_in.joins, len(stand_in.sent(sfu.Resume))) == (1, 1)
        await tab.page.wait_for_selector('[data-participant="bea"][data-frames]')


async def test_a_stay_that_is_gone_is_begun_anew(browser: Browser, stand_in: StandIn) -> None:
    stand_in.people.append(Bea())
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        await tab.page.wait_for_selector('[data-participant="bea"][data-frames]')
        stand_in.resumes = False
        await stand_in.close(CloseCode.GOING_AWAY)
        await stand_in.until(lambda: stand_in.joins == 2)
        await phase(tab, "connected")
        pictures = "document.querySelector('[data-participant=\"bea\"] video').videoWidth > 0"
        await tab.until(pictures)
        assert await tab.page.locator('[data-participant="bea"]').count() == 1
        tickets = [r for r in stand_in.requests if r.endswith("/tickets")]
        assert len(tickets) == 2
        assert len(stand_in.sent(sfu.Offer)[-1].publish) == 2


async def test_a_node_that_is_gone_is_left_for_another(browser: Browser, stand_in: StandIn) -> None:
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        stand_in.refuse["sfu-1"] = ProblemType.UNAVAILABLE
        stand_in.cut()
        await phase(tab, "reconnecting")

        def tickets() -> int:
            return sum(request.endswith("/tickets") for request in stand_in.requests)

        await stand_in.until(lambda: tickets() == 2)
        assert stand_in.sent(sfu.Resume) == [], "nothing of the stay reached anybody"
        stand_in.refuse.clear()
        await stand_in.until(lambda: stand_in.joins == 2)
        await phase(tab, "connected")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (CloseCode.REMOVED, "removed you"),
        (CloseCode.CALL_ENDED, "ended for everybody"),
        (CloseCode.REPLACED, "another window"),
    ],
)
async def test_what_is_over_is_over(
    browser: Browser, stand_in: StandIn, code: CloseCode, words: str
) -> None:
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        await stand_in.close(code)
        await screen(tab, "ended")
        await said(tab, "ended-reason", words)
        assert stand_in.joins == 1
        live = (
            "document.querySelector('#preview').srcObject?.getTracks()"
            ".some(track => track.readyState === 'live') ?? false"
        )
        assert await tab.page.evaluate(live) is False


async def test_leaving_says_good_bye_and_one_may_come_back(
    browser: Browser, stand_in: StandIn
) -> None:
    async with visit(browser) as tab:
        await reach_call(tab, stand_in)
        await tab.page.click("#leave")
        await screen(tab, "ended")
        await stand_in.until_sent(sfu.Leave, 1)
        await tab.page.click("#rejoin")
        await tab.page.click("#join")
        await phase(tab, "connected")
        assert stand_in.joins == 2
        assert tab.complaints == []
