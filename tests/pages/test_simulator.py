"""The simulator: with every fault, the person gets one email, the brand's or Roomle's."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from roomle_mail_cli import sign
from tests.emails_package import EMAILS
from tests.pages.conftest import DESKTOP, PHONE, Open, Window
from tools import fixtures, pages
from tools.pages.emails import Scheme
from tools.roomle_api import faults
from tools.simulator.page import application
from tools.simulator.scenario import SWITCHES, Scenario
from tools.simulator.stage import MAILER, RECEIVER, SERVICES, SES, Stage, standing
from tools.stack import webhook
from tools.stack.deployment import Stack

BRANDS, ROOMLES, NOBODYS = (1, 0), (0, 1), (0, 0)


@dataclass
class Simulator:
    """The page for the stack, and a method to send an event on it."""

    stage: Stage
    address: str
    slow: str
    """The address of an event that waits in the queue."""
    folder: Path
    """The emails that the stack sends."""

    def play(self, page: Page, **choices: str) -> None:
        """Choose in the form, send, and wait until all is settled."""
        page.goto(self.address)
        for name, value in choices.items():
            field = page.locator(f"#{name}")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(value)
                continue
            if not field.is_visible():
                page.get_by_text("All fields").click()
            field.fill(value)
        page.get_by_role("button", name="Send the event").click()
        self.wait(page)

    @staticmethod
    def wait(page: Page) -> None:
        page.wait_for_selector("#story[data-settled=true]", timeout=240_000)


def count(page: Page) -> tuple[int, int]:
    """The brand's and Roomle's emails, as the page counts them."""
    return (
        int(page.locator("#brands").inner_text()),
        int(page.locator("#roomles").inner_text()),
    )


def title(page: Page) -> str:
    return page.locator("#verdict h2").inner_text()


@pytest.fixture(scope="module")
def simulator(deployed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    plain = Stage(deployed)
    folder = shutil.copytree(EMAILS, tmp_path_factory.mktemp("simulator") / "emails")
    before = {function: plain.variables(function) for function in SERVICES}
    with ExitStack() as stack:
        stage = stack.enter_context(standing(deployed, folder))
        app = application(stage)
        address = stack.enter_context(pages.served(app, 0)).rstrip("/")
        # It waits half a minute in the queue, so it starts before the tests and is checked last.
        client, mailers_ses = app.test_client(), stage.switches[MAILER, SES]
        form = {**vars(Scenario(email="slow@customer.example")), "ses": "throttles-on"}
        address_of_slow = client.post("/runs", data=form).location.partition("#")[0]
        while "202" not in client.get(f"{address_of_slow}/story").text or mailers_ses.fault:
            time.sleep(0.1)
        yield Simulator(stage, address, address + address_of_slow, folder)
    # The stack is as it was.
    assert {function: plain.variables(function) for function in SERVICES} == before


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """One page for all events, as a visitor has it: a new one for each would cost more."""
    page = chromium.new_page(viewport={"width": DESKTOP, "height": 900})
    yield page
    page.context.close()


@pytest.fixture
def window(page: Page, request: pytest.FixtureRequest) -> Iterator[Window]:
    """The page, and what a test asks for and does wrong on it."""
    window = Window.of(page, request)
    yield window
    page.goto("about:blank")
    window.let_go()
    window.check()


# --- every switch -----------------------------------------------------------------------------

OUTCOMES = {
    ("token", "fresh"): (200, BRANDS),
    ("token", "wrong-secret"): (401, ROOMLES),
    ("token", "old"): (401, ROOMLES),
    ("token", "replayed"): (401, ROOMLES),
    ("token", "repeated"): (200, BRANDS),
    ("token", "missing"): (401, ROOMLES),
    ("ses", "works"): (200, BRANDS),
    ("ses", "throttles"): (202, BRANDS),
    ("ses", "refuses"): (502, ROOMLES),
    ("ses", "quota"): (503, ROOMLES),
    ("ses", "hangs"): (503, ROOMLES),
    ("ses", "fails"): (503, ROOMLES),
    # The one exception, and shown as one.
    ("ses", "answer-lost"): (503, (1, 1)),
    ("memory", "works"): (200, BRANDS),
    ("memory", "fails"): (503, ROOMLES),
    # An email goes out without what Roomle does not say.
    **{
        ("roomle", name): (200, BRANDS)
        for name in (
            *("works", "slow", "dripping", "hangs-up", "404", "500", "html", "large"),
            *("broken-json", "redirect-elsewhere", "sizes-huge", "name-markup", "no-picture"),
        )
    },
    # It comes last, and whatever it does, the email is on its way.
    ("bus", "works"): (200, BRANDS),
    ("bus", "throttles"): (200, BRANDS),
    ("bus", "fails"): (200, BRANDS),
    ("bus", "hangs"): (200, BRANDS),
    ("bus", "answer-lost"): (200, BRANDS),
    ("delivery", "ses,sqs"): (200, BRANDS),
    ("delivery", "ses"): (200, BRANDS),
    ("delivery", "sqs"): (202, BRANDS),
    # Asked only when SES is busy.
    ("queue", "works"): (202, BRANDS),
    ("queue", "throttles"): (503, ROOMLES),
    ("queue", "fails"): (503, ROOMLES),
    ("queue", "hangs"): (503, ROOMLES),
    # The mailer may be quicker than the withdrawal.
    ("queue", "answer-lost"): (None, None),
}


def test_no_switch_is_left_out() -> None:
    offered = {(name, value) for name, values in SWITCHES.items() for value in values}
    # tests/roomle_api tries all of Roomle's.
    roomles = {("roomle", name) for name in SWITCHES["roomle"]}
    assert offered - set(OUTCOMES) - roomles == {("ses", "throttles-on")}
    assert set(SWITCHES["roomle"]) == {"works", "picture-404", *faults.FAULTS}


# Where nothing is chosen, one event is the same as another, except that the queue needs a busy SES.
TRIED = [
    (switch, value)
    for switch, value in OUTCOMES
    if switch in {"token", "queue"} or value != getattr(Scenario, switch)
]


def once(switch: str, value: str) -> Any:
    """A test of a switch. Most faults of Roomle and of the bus have tests of their own."""
    decides = switch not in {"roomle", "bus"} or value in {"slow", "500", "fails"}
    marks = () if decides else pytest.mark.proof
    return pytest.param(switch, value, id=f"{switch}-{value}", marks=marks)


@pytest.mark.parametrize(("switch", "value"), [once(*place) for place in TRIED])
def test_the_promise_holds_for_everything_that_can_go_wrong(
    simulator: Simulator, window: Window, switch: str, value: str
) -> None:
    choices = {switch: value} | ({"ses": "throttles"} if switch == "queue" else {})
    simulator.play(window.page, **choices)

    status, emails = OUTCOMES[switch, value]
    shown = int(window.page.locator("#answer .status").first.inner_text())
    assert status in (None, shown)
    if (switch, value) == ("ses", "answer-lost"):
        assert title(window.page) == "Two emails: the one exception"
        assert count(window.page) == emails
        return
    brands, roomles = count(window.page)
    assert brands + roomles == 1
    assert emails in (None, (brands, roomles))
    assert roomles == (shown >= 300)
    assert title(window.page) == f"One email: {'the brand’s' if brands else 'Roomle’s own'}"
    assert window.page.locator("#received .email").count() == brands
    assert window.page.locator("#received .roomles").count() == roomles
    doing = "sends its own email" if roomles else "Nothing: the answer is below 300"
    assert doing in window.page.locator("#next").inner_text()
    window.keep(f"-{switch}-{value}")


def test_the_same_post_twice_has_two_answers_and_one_email(
    simulator: Simulator, window: Window
) -> None:
    simulator.play(window.page, token="repeated")

    assert window.page.locator("#answer .status").all_inner_texts() == ["200", "200"]
    assert "to the same POST again" in window.page.locator("#answer").inner_text()
    assert count(window.page) == BRANDS


def test_a_replayed_token_was_good_for_the_first_and_mails_nobody_else(
    simulator: Simulator, window: Window
) -> None:
    simulator.play(window.page, token="replayed", email="victim@customer.example")

    story = " ".join(window.page.locator("#story").inner_text().split())
    assert "a POST for first.victim@customer.example: it was answered 200 sent" in story
    assert "TokenReplayed" in window.page.locator("#log").inner_text()
    sent = [email.recipients[0] for email in webhook.sent_emails(simulator.stage.emulator)]
    assert "first.victim@customer.example" in sent
    assert "victim@customer.example" not in sent


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({}, "sent"),
        ({"ses": "refuses"}, "failed: EmailRefused"),
        ({"event": "configuration.opened"}, "forwarded"),
        ({"bus": "fails"}, "Nothing."),
        ({"token": "missing"}, "Nothing."),
    ],
    ids=["sent", "refused", "forwarded", "broken bus", "no token"],
)
def test_what_the_event_bus_gets_is_shown(
    simulator: Simulator, window: Window, choices: dict[str, str], told: str
) -> None:
    simulator.play(window.page, email="bus@customer.example", **choices)

    shown = " ".join(window.page.locator("#published").inner_text().split())
    assert told in shown
    assert "bus@customer.example" not in window.page.locator("#published").inner_html()


# --- what is shown ----------------------------------------------------------------------------


def test_request_answer_email_and_log_are_shown(simulator: Simulator, window: Window) -> None:
    simulator.play(
        window.page,
        event="email.shareConfigurationAR",
        configurator="exampleStudio",
        language="de",
        email="anna@customer.example",
    )

    request = window.page.locator("#request pre").inner_text()
    head, _, body = request.partition("\n\n")
    assert head.startswith(f"POST {simulator.stage.stack.webhook_url}\n")
    assert "\ntoken: 01-" in head
    assert json.loads(body) == fixtures.payload(
        "email.shareConfigurationAR",
        email="anna@customer.example",
        configuratorId="exampleStudio",
        url=fixtures.link_to(fixtures.CONFIGURATION, lang="de"),
    )
    assert '{"status": "sent", "code": "sent"}' in window.page.locator("#answer").inner_text()

    received = window.page.locator("#received")
    assert "Möbelstudio Beispiel" in received.locator(".from").inner_text()
    assert "<studio@brand.example> to anna@customer.example" in received.inner_text()
    frame = window.page.frame_locator("#received iframe")
    expect(frame.get_by_role("heading", name="So sieht es bei Ihnen aus")).to_be_visible()
    assert frame.get_by_role("img", name="QR-Code").evaluate("img => img.naturalWidth") > 100
    assert frame.locator("body").evaluate("body => body.scrollHeight") > 600
    window.page.wait_for_function(
        """() => {
            const frame = document.querySelector("#received iframe");
            return frame.clientHeight >= frame.contentDocument.documentElement.scrollHeight;
        }"""
    )

    received.get_by_text("Text part and headers").click()
    assert "Auto-Submitted: auto-generated" in received.locator("pre").inner_text()
    log = window.page.locator("#log")
    assert "receiver INFO sent" in " ".join(log.inner_text().split())
    log.locator("summary").last.click()
    assert '"event_id"' in log.locator("pre").last.inner_text()


@pytest.mark.parametrize("delivery", ["ses", "sqs"])
def test_the_email_shows_the_design_that_was_saved(
    simulator: Simulator, window: Window, delivery: str
) -> None:
    simulator.play(
        window.page, configuration="demo:shelf:2564B3D4", language="de", delivery=delivery
    )

    received = window.page.locator("#received")
    assert "The design: shown: picture, name, size" in received.inner_text()
    picture = window.page.frame_locator("#received iframe").get_by_role("img", name="Regal").first
    assert picture.evaluate("img => img.naturalWidth") == 1024
    received.get_by_text("Text part and headers").click()
    assert "Regal" in received.locator("pre").inner_text()
    assert "120 × 34,1 × 225 cm" in received.locator("pre").inner_text().replace("\u00a0", " ")
    window.keep(f"-{delivery}")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no-picture", "shown: name, size; without: no picture"),
        ("name-markup", "shown: picture, size; without: no name"),
        ("sizes-huge", "shown: picture, name; without: no size"),
        ("redirect-elsewhere", "without: other host"),
        ("slow", "without: late"),
    ],
)
def test_what_roomle_does_not_say_is_left_out_and_the_log_says_why(
    simulator: Simulator, window: Window, fault: str, told: str
) -> None:
    simulator.play(window.page, roomle=fault)

    assert count(window.page) == BRANDS
    assert f"The design: {told}" in window.page.locator("#received").inner_text()
    assert window.page.title().startswith("Event ")


def test_through_the_queue_the_mailers_lines_are_shown_too(
    simulator: Simulator, window: Window
) -> None:
    simulator.play(window.page, ses="throttles")

    log = " ".join(window.page.locator("#log").inner_text().split())
    assert "receiver INFO queued: Throttled, TooManyRequestsException" in log
    assert "mailer INFO sent" in log


def test_an_event_that_calls_for_no_email_keeps_the_promise(
    simulator: Simulator, window: Window
) -> None:
    simulator.play(window.page, event="configuration.opened")

    assert title(window.page) == "No email, because none is called for"
    assert count(window.page) == (0, 0)


@pytest.mark.parametrize(
    ("choices", "answer"),
    [
        ({"event": "email.orderConfirmation"}, "no template"),
        ({"event": "email.savedConfiguration", "success": "false"}, "no template"),
        ({"url": "https://evil.example/"}, "host that the brand has not allowed"),
        ({"event": "email.3DExportAsset", "result_url": ""}, "It is data.resultUrl."),
    ],
)
def test_what_the_stack_refuses_is_explained_and_left_to_roomle(
    simulator: Simulator, window: Window, choices: dict[str, str], answer: str
) -> None:
    simulator.play(window.page, **choices)

    assert answer in window.page.locator("#answer").inner_text()
    assert count(window.page) == ROOMLES


@pytest.mark.parametrize("address", ["", "nobody", "two@a.example,two@b.example", "a@b"])
def test_where_nobody_can_be_mailed_nobody_is_said_to_be(
    simulator: Simulator, window: Window, address: str
) -> None:
    simulator.play(window.page, email=address)

    assert title(window.page) == "No email: nobody can be mailed"
    assert count(window.page) == NOBODYS
    assert "It is data.email." in window.page.locator("#answer").inner_text()
    assert "no address that can be mailed" in window.page.locator("#next").inner_text()
    assert "to no address that can be mailed" in window.page.locator("#score").inner_text()


def test_what_is_over_the_limit_for_one_address_is_suppressed(
    simulator: Simulator, window: Window
) -> None:
    stage, page = simulator.stage, window.page
    before = stage.variables(RECEIVER)
    stage.set_variables(RECEIVER, {**before, "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "1"})
    try:
        for _ in range(2):
            simulator.play(page, email="flooded@customer.example")
    finally:
        stage.set_variables(RECEIVER, before)

    assert title(page) == "No email: it was suppressed"
    assert count(page) == NOBODYS
    assert "although no email is on its way" in page.locator("#next").inner_text()
    assert " over the limit for one address." in page.locator("#score").inner_text()
    newest = page.locator(".history tbody tr").first
    assert "more emails than the limit for one address" in newest.inner_text()


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"email": ""}, "data.email: missing or wrong"),
        ({"url": ""}, "data.url: missing or wrong"),
        (
            {"url": "https://evil.example/"},
            "data.url: a link to a host that the brand has not allowed",
        ),
        ({"event": "email.orderConfirmation"}, "no template for this email"),
        ({"ses": "refuses"}, "SES: refuses the email"),
        ({}, "nothing"),
    ],
)
def test_the_history_says_what_went_wrong(
    simulator: Simulator, window: Window, choices: dict[str, str], reason: str
) -> None:
    simulator.play(window.page, **choices)

    cells = window.page.locator(".history tbody tr").first.locator("td").all_inner_texts()
    assert cells[0] == reason


@pytest.mark.parametrize(
    ("choices", "unasked"),
    [
        ({"queue": "fails"}, ["the queue"]),
        ({"queue": "fails", "ses": "throttles"}, []),
        ({"ses": "fails", "token": "missing"}, ["SES"]),
        ({"ses": "fails", "delivery": "sqs"}, ["SES"]),
        ({"memory": "fails", "ses": "refuses"}, ["SES"]),
    ],
)
def test_a_service_that_was_not_asked_is_named(
    simulator: Simulator, window: Window, choices: dict[str, str], unasked: list[str]
) -> None:
    simulator.play(window.page, **choices)

    told = window.page.locator("#answer").inner_text()
    assert re.findall(r"did not ask (.*?), so", told) == unasked
    newest = window.page.locator(".history tbody tr").first
    assert newest.inner_text().count("but was not asked") == len(unasked)


def test_a_changed_field_stays_in_sight(simulator: Simulator, window: Window) -> None:
    simulator.play(window.page, configuration="catalog:chair:1")

    expect(window.page.locator("#configuration")).to_be_visible()
    assert window.page.locator(".changed label").all_inner_texts() == ["configurationId"]
    window.page.get_by_role("link", name="Reset all faults").click()
    expect(window.page.locator("#configuration")).to_be_hidden()


@pytest.mark.parametrize("way", ["back", "reload"])
def test_the_form_is_as_it_was_left(simulator: Simulator, window: Window, way: str) -> None:
    page = window.page
    page.goto(simulator.address)
    page.locator("#ses").select_option("refuses")
    page.locator("#configurator").select_option("exampleStudio")
    page.locator("#email").fill("anna@customer.example")
    page.get_by_text("All fields").click()
    page.locator("#item").fill("catalog:chair")

    if way == "back":
        page.get_by_role("button", name="Send the event").click()
        simulator.wait(page)
        page.go_back()
    else:
        page.reload()

    for name, value in {
        "ses": "refuses",
        "configurator": "exampleStudio",
        "email": "anna@customer.example",
        "item": "catalog:chair",
    }.items():
        expect(page.locator(f"#{name}")).to_have_value(value)
        expect(page.locator(f"#{name}")).to_be_visible()
    expect(page.locator(".wrong select")).to_have_count(1)


def test_the_languages_are_the_brands(simulator: Simulator, window: Window) -> None:
    page = window.page
    page.goto(simulator.address)
    lacking = ", which the brand doesn’t offer"

    def offered() -> list[str]:
        texts = page.locator("#language option").all_inner_texts()
        return [text for text in texts[1:] if lacking not in text]

    assert offered() == ["English", "Deutsch", "Français", "Italiano", "Español", "Nederlands"]
    page.locator("#configurator").select_option("exampleStudio")
    assert offered() == ["English", "Deutsch"]


def test_send_is_in_sight_without_scrolling(simulator: Simulator, window: Window) -> None:
    window.page.goto(simulator.address)

    box = window.page.get_by_role("button", name="Send the event").bounding_box()

    assert box
    assert box["y"] + box["height"] <= 900


def test_an_edit_is_in_the_next_email_or_the_page_says_why_not(
    simulator: Simulator, window: Window
) -> None:
    page, texts, brands = (
        window.page,
        simulator.folder / "texts" / "en.toml",
        simulator.folder / "brands.toml",
    )
    before = {path: path.read_text("utf-8") for path in (texts, brands)}
    try:
        # Both forms of the subject, with and without the design's name.
        edited = re.sub(
            r"Your (?:\{brand\} )?design is saved(?=.* \(\{date)", "Kept", before[texts]
        )
        texts.write_text(edited)
        brands.write_text(before[brands].replace("hello@brand.example", "new@chairs.example"))
        simulator.play(page)
        assert page.locator("#received .subject").inner_text().startswith("Kept")
        assert "<new@chairs.example>" in page.locator("#received .meta").inner_text()

        brands.write_text(before[brands].replace('"#1f4d43"', '"green"'))
        simulator.play(page)
        assert page.locator("#received .subject").inner_text().startswith("Kept")
        edits = page.locator(".edits").inner_text()
        assert "still sends the emails from before your edit" in edits
        assert "brands.default.colours.button: expected a colour" in edits
        assert window.violations() == []
    finally:
        for path, text in before.items():
            path.write_text(text, "utf-8")

    simulator.play(page)
    assert page.locator(".edits").count() == 0
    assert "design is saved" in page.locator("#received .subject").inner_text()


def test_links_of_the_form_are_those_of_the_chosen_brand(
    simulator: Simulator, window: Window
) -> None:
    brands = simulator.folder / "brands.toml"
    before = brands.read_text("utf-8")
    try:
        brands.write_text(
            before.replace('["*.roomle.com", "www.brand.example"]', '["www.brand.example"]')
        )
        simulator.play(window.page)
        simulator.play(window.page, configurator="exampleStudio")
    finally:
        brands.write_text(before, "utf-8")

    assert count(window.page) == BRANDS
    assert '"url": "https://www.brand.example/' in window.page.locator("#request").inner_text()


def test_a_failed_export_has_an_email_of_its_own(simulator: Simulator, window: Window) -> None:
    simulator.play(window.page, event="email.3DExportAsset", success="false")

    assert "create your 3D file" in window.page.locator("#received .subject").inner_text()


HOSTILE = '"><script>document.title = "taken"</script>{{ 7*7 }}'


def test_what_a_visitor_types_stays_text(simulator: Simulator, window: Window) -> None:
    simulator.play(window.page, email=HOSTILE, configuration=HOSTILE, url=HOSTILE)

    assert HOSTILE in json.dumps(window.page.locator("#request pre").inner_text()).replace("\\", "")
    assert window.page.title().startswith("Event ")
    assert window.page.locator("#email").input_value() == HOSTILE
    assert count(window.page) == NOBODYS


def test_the_history_keeps_the_score(simulator: Simulator, window: Window) -> None:
    simulator.play(window.page, ses="refuses")

    expect(window.page.locator("#score")).to_contain_text(" Roomle’s.")
    newest = window.page.locator(".history tbody tr").first
    assert "SES: refuses the email" in newest.inner_text()
    assert newest.locator("td").all_inner_texts()[1:] == ["502", "0", "1"]
    window.page.get_by_role("link", name="Reset all faults").click()
    expect(window.page.locator("#ses")).to_have_value("works")


# --- as every page should be ------------------------------------------------------------------


def test_it_can_be_played_by_keyboard(simulator: Simulator, window: Window) -> None:
    page = window.page
    page.goto(simulator.address)
    focused = "document.activeElement.id"

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the result"
    order = []
    for _ in range(12):
        page.keyboard.press("Tab")
        order.append(page.evaluate(focused))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        if order[-1] == "event":
            page.keyboard.press("ArrowDown")
        if order[-1] == "ses":
            page.keyboard.type("refuses")
            break
    assert order[:3] == ["event", "email", "configurator"]
    assert page.locator("#event").input_value() == "email.shareConfiguration"
    assert page.locator("#ses").input_value() == "refuses"
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    simulator.wait(page)

    assert count(page) == ROOMLES
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#story') !== null")


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (1280, "dark")])
def test_the_page_fits_every_window_and_everybody_can_use_it(
    simulator: Simulator, open_window: Open, width: int, scheme: Scheme
) -> None:
    window = open_window(width, scheme)
    window.page.goto(simulator.address)
    assert window.violations() == []
    assert window.too_wide == 0
    window.keep("-empty")

    for name, choices in {"brands": {}, "roomles": {"ses": "refuses", "token": "repeated"}}.items():
        simulator.play(window.page, **choices)
        window.page.evaluate("document.querySelectorAll('details').forEach(d => (d.open = true))")
        assert window.violations() == []
        assert window.too_wide == 0
        window.keep(f"-{name}")


def test_it_works_without_scripts(simulator: Simulator, open_window: Open) -> None:
    window = open_window(java_script_enabled=False)
    window.page.goto(simulator.address)
    window.page.select_option("#ses", "refuses")

    window.page.get_by_role("button", name="Send the event").click()

    expect(window.page.locator("#verdict h2")).to_have_text(
        "One email: Roomle’s own", timeout=15_000
    )


def test_other_sites_have_no_access(simulator: Simulator) -> None:
    client = application(simulator.stage).test_client()

    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    sent = client.post("/runs", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 403
    assert client.post("/runs", data={"ses": "explodes"}).status_code == 400
    assert "default-src 'self'" in client.get("/").headers["Content-Security-Policy"]
    assert simulator.address.startswith("http://127.0.0.1:")


# --- the stack behind it ----------------------------------------------------------------------


def test_the_switches_are_between_the_functions_and_aws(simulator: Simulator) -> None:
    for function, services in SERVICES.items():
        led = {name for name in simulator.stage.variables(function) if "ENDPOINT_URL_" in name}
        assert led == {f"AWS_ENDPOINT_URL_{service}" for service in services}


def test_the_examples_in_the_form_are_roomles(simulator: Simulator) -> None:
    assert simulator.stage.stack.secret == sign.EXAMPLE_SECRET
    assert Scenario().payload == fixtures.payload(
        email="jane.1@customer.example", configuratorId=None
    )


def test_what_ses_throttles_for_longer_waits_in_the_queue_and_comes_once(
    simulator: Simulator, window: Window
) -> None:
    window.page.goto(simulator.slow)
    simulator.wait(window.page)

    assert count(window.page) == BRANDS
    log = " ".join(window.page.locator("#log").inner_text().split())
    assert "mailer ERROR postponed: Throttled" in log
    assert log.endswith("mailer INFO sent")
