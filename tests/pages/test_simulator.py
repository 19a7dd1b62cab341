"""The simulator: with every fault, the person gets one email, the brand's or Roomle's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from roomle_mail_cli import sign
from tests.pages.conftest import PHONE, Open, Window
from tools import fixtures, pages
from tools.pages.emails import Scheme
from tools.roomle_api import faults
from tools.simulator.page import application
from tools.simulator.scenario import SWITCHES, Scenario
from tools.simulator.stage import MAILER, SERVICES, SES, Stage, standing
from tools.stack import webhook
from tools.stack.deployment import Stack

BRANDS, ROOMLES = (1, 0), (0, 1)


@dataclass
class Simulator:
    """The page for the stack, and a method to send an event on it."""

    stage: Stage
    address: str
    slow: str
    """The address of an event that waits in the queue."""

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
        page.wait_for_selector("#story[data-settled=true]", timeout=90_000)


def count(page: Page) -> tuple[int, int]:
    """The brand's and Roomle's emails, as the page counts them."""
    return (
        int(page.locator("#brands").inner_text()),
        int(page.locator("#roomles").inner_text()),
    )


def title(page: Page) -> str:
    return page.locator("#verdict h2").inner_text()


@pytest.fixture(scope="module")
def simulator(deployed: Stack) -> Iterator[Simulator]:
    plain = Stage(deployed)
    before = {function: plain.variables(function) for function in SERVICES}
    with ExitStack() as stack:
        stage = stack.enter_context(standing(deployed))
        app = application(stage)
        address = stack.enter_context(pages.served(app, 0)).rstrip("/")
        # It waits half a minute in the queue, so it starts before the tests and is checked last.
        client, mailers_ses = app.test_client(), stage.switches[MAILER, SES]
        form = {**vars(Scenario(email="slow@customer.example")), "ses": "throttles-on"}
        address_of_slow = client.post("/runs", data=form).location.partition("#")[0]
        while "202" not in client.get(f"{address_of_slow}/story").text or mailers_ses.fault:
            time.sleep(0.1)
        yield Simulator(stage, address, address + address_of_slow)
    # The stack is as it was.
    assert {function: plain.variables(function) for function in SERVICES} == before


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


@pytest.mark.parametrize(
    ("switch", "value"), OUTCOMES, ids=[f"{switch}-{value}" for switch, value in OUTCOMES]
)
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
        ("name-markup", "shown: picture, name, size"),
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
        ({"email": "nobody"}, "A field is missing or wrong. It is data.email."),
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


def test_a_failed_export_has_an_email_of_its_own(simulator: Simulator, window: Window) -> None:
    simulator.play(window.page, event="email.3DExportAsset", success="false")

    assert "create your 3D file" in window.page.locator("#received .subject").inner_text()


HOSTILE = '"><script>document.title = "taken"</script>{{ 7*7 }}'


def test_what_a_visitor_types_stays_text(simulator: Simulator, window: Window) -> None:
    simulator.play(window.page, email=HOSTILE, configuration=HOSTILE, url=HOSTILE)

    assert HOSTILE in json.dumps(window.page.locator("#request pre").inner_text()).replace("\\", "")
    assert window.page.title().startswith("Event ")
    assert window.page.locator("#email").input_value() == HOSTILE
    assert count(window.page) == ROOMLES


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
