"""`make preview`: every email on a page, with its problems, and every edit shown at once."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import html5lib
import pytest
from playwright.sync_api import Browser, Page, expect

from roomle_mail.emails import Email
from tests.emails_package import EMAILS
from tests.pages.conftest import DRAFTS, PHONE, Open, Window
from tools import browser, pages
from tools.pages.emails import Scheme
from tools.preview import __main__ as preview_command
from tools.preview import pictures
from tools.preview.drafts import KINDS, Choice, Folder
from tools.preview.page import View, application
from tools.sam import ROOT

CHOICES = list(DRAFTS.choices())
CLIENT = application(Folder(EMAILS)).test_client()


@pytest.fixture(scope="module")
def preview() -> Iterator[str]:
    with pages.served(application(Folder(EMAILS)), 0) as address:
        yield address.rstrip("/")


@pytest.fixture
def edited(folder: Path) -> Iterator[str]:
    """The preview page of the folder that the test edits."""
    with pages.served(application(Folder(folder)), 0) as address:
        yield address.rstrip("/")


def edit(file: Path, old: str, new: str) -> int:
    """Replace a text that is there; return the number of its line."""
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def address_of(choice: Choice, **changes: str) -> str:
    return View(choice.look.key, choice.language, choice.kind.key).address(**changes)


def frame_text(page: Page, number: int = 0) -> str:
    frame = page.frame_locator(".frame iframe").nth(number)
    return frame.locator("body").inner_text()


# --- everything is shown ----------------------------------------------------------------------


def test_every_email_is_shown_with_and_without_a_design(window: Window, preview: str) -> None:
    for design, shown in (("all", 1), ("none", 0), ("brand", 0)):
        for images in ("own", "blocked"):
            window.page.goto(f"{preview}/?design={design}&images={images}&width=phone")
            frame = window.page.frame_locator(".frame iframe").first
            expect(frame.get_by_role("heading", level=1)).to_be_visible()
            expect(frame.get_by_role("img", name="Picture: Corner sofa")).to_have_count(shown)
            loaded = frame.locator(".plate img").evaluate_all(
                """all => Promise.all(all.map(
                    each => each.decode().catch(() => 0).then(() => each.naturalWidth)))"""
            )
            assert loaded == [1024 if images == "own" else 0] * shown
            text = window.page.locator("#text").inner_text()
            assert ("Corner sofa" in text) == ("241.2 × 98.6 × 78 cm" in text) == bool(shown)
            subject = window.page.locator("#subject").inner_text()
            assert ("Corner sofa" in subject) == bool(shown)
        window.keep(f"-{design}")


@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: f"{c.look.key}-{c.language}-{c.kind.key}")
def test_every_email_is_shown_as_html_as_text_and_as_an_inbox_shows_it(choice: Choice) -> None:
    email = DRAFTS.email(choice)

    page = CLIENT.get(address_of(choice))

    assert page.status_code == 200
    if not isinstance(email, Email):
        assert "Roomle sends its own email" in page.text
        assert CLIENT.get(address_of(choice, path="/email")).status_code == 404
        return
    escaped = page.text.replace("&#39;", "'").replace("&amp;", "&")
    for shown in (choice.look.brand.name, email.subject, email.text.strip().splitlines()[0]):
        assert shown in escaped
    assert "Nothing. Texts, size, contrast" in escaped
    for scheme in ("light", "dark"):
        html = CLIENT.get(address_of(choice, path="/email", scheme=scheme))
        assert html.status_code == 200
        assert f"<title>{email.subject}</title>" in html.text.replace("&#x27;", "'")
        assert "cid:" not in html.text
        assert "script" not in html.headers["Content-Security-Policy"]


def test_all_events_are_there_and_those_left_to_roomle_say_so(window: Window, preview: str) -> None:
    window.page.goto(preview)
    links = window.page.get_by_role("navigation", name="Emails").get_by_role("link")

    assert links.count() == len(KINDS) == 8
    for place in range(8):
        links.nth(place).click()
        expect(links.nth(place)).to_have_attribute("aria-current", "page")
        window.page.wait_for_load_state()
        shown = window.page.locator(".device").count() > 0
        assert shown != window.page.get_by_text("Roomle sends its own email").is_visible()


def test_an_email_is_seen_at_two_widths_in_two_schemes_with_its_inbox_line(
    window: Window, preview: str
) -> None:
    window.page.goto(f"{preview}/?email=shareConfigurationAR&scheme=both")
    window.page.wait_for_selector(".frame iframe[data-fitted] >> nth=3", state="attached")

    assert window.page.locator(".device").count() == 4
    backgrounds = []
    for place in range(4):
        frame = window.page.frame_locator(".frame iframe").nth(place)
        expect(frame.get_by_role("heading", name="See it in your room")).to_be_visible()
        # A phone can't scan its own screen.
        code = frame.locator("img[alt^='QR code']")
        assert code.evaluate("img => img.naturalWidth") > 100
        assert code.is_visible() == (place % 2 == 0)
        backgrounds.append(
            frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        )
    assert backgrounds[:2] == ["rgb(244, 242, 238)"] * 2
    assert backgrounds[2:] == ["rgb(18, 18, 18)"] * 2
    widths = [frame.evaluate("innerWidth") for frame in window.page.frames[1:]]
    assert sorted(widths) == [375, 375, 680, 680]
    subjects = window.page.locator(".inbox .subject").all_inner_texts()
    assert subjects == ["See your Example Furniture design in your room (15 Jan 2026, 09:30)"] * 4
    window.keep()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chosen_scheme_looks_like_the_systems_own(
    open_window: Open, preview: str, scheme: Scheme
) -> None:
    paint = """() => [...document.querySelectorAll("body *")].map(each => {
        const style = getComputedStyle(each);
        return [each.tagName, style.color, style.backgroundColor, style.display];
    })"""
    chosen, own = open_window(scheme="light"), open_window(scheme=scheme)
    chosen.page.goto(f"{preview}/email?brand=studio&scheme={scheme}")
    own.page.goto(f"{preview}/email?brand=studio&scheme=both")

    painted = chosen.page.evaluate(paint)
    assert painted == own.page.evaluate(paint)
    assert ["A", "rgb(0, 0, 0)", "rgb(242, 193, 78)"] in [each[:3] for each in painted]


def test_an_optional_link_can_be_left_out(window: Window, preview: str) -> None:
    window.page.goto(f"{preview}/?email=3DExportAsset&width=phone")
    assert "Open the design" in frame_text(window.page)

    window.page.get_by_role("link", name="Required only").click()
    window.page.wait_for_url("**links=fewest**")

    assert "Open the design" not in frame_text(window.page)
    window.page.goto(f"{preview}/?email=shareConfigurationAR&links=fewest&width=phone")
    assert window.page.frame_locator("iframe").get_by_role("img", name="QR").count() == 0
    window.page.goto(f"{preview}/?email=savedConfiguration")
    assert window.page.get_by_role("link", name="Required only").count() == 0


def test_brand_and_language_can_be_chosen_by_keyboard(window: Window, preview: str) -> None:
    keys = window.page.keyboard
    window.page.goto(preview)

    keys.press("Tab")
    assert window.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    keys.press("Tab")
    assert window.page.evaluate("document.activeElement.id") == "brand"
    with window.page.expect_navigation():
        keys.press("ArrowDown")
    assert "Continue designing" in frame_text(window.page)
    assert "Möbelstudio Beispiel" in frame_text(window.page)
    window.page.locator("#language").focus()
    with window.page.expect_navigation():
        keys.press("ArrowUp")
    assert "Weiterplanen" in frame_text(window.page)

    window.page.locator("#language").focus()
    reached = []
    for _ in range(30):
        keys.press("Tab")
        outlined = "getComputedStyle(document.activeElement).outlineStyle"
        reached.append(window.page.evaluate("document.activeElement.textContent").strip())
        assert window.page.evaluate(outlined) != "none", reached[-1]
        if reached[-1] == "Dark":
            break
    assert "AR link" in reached
    keys.press("Enter")
    window.page.wait_for_url("**scheme=dark**")


def test_it_works_without_scripts(open_window: Open, preview: str) -> None:
    window = open_window(java_script_enabled=False)
    window.page.goto(preview)

    window.page.select_option("#brand", "studio")
    window.page.select_option("#language", "de")
    window.page.get_by_role("button", name="Show").click()
    window.page.wait_for_url("**brand=studio**")

    assert parse_qs(urlsplit(window.page.url).query)["brand"] == ["studio"]
    assert "Ihr Entwurf" in frame_text(window.page)


def test_the_overview_leads_to_every_email(window: Window, preview: str) -> None:
    window.page.goto(f"{preview}/all")
    there = sum(isinstance(DRAFTS.email(choice), Email) for choice in CHOICES)

    links = window.page.locator(".glance").get_by_role("link")
    assert links.count() == there == 50
    window.keep()
    links.last.click()
    window.page.wait_for_url("**exampleStudioAustria**")


def test_the_overview_shows_each_email_whole_and_small(window: Window, preview: str) -> None:
    window.page.goto(f"{preview}/all?scheme=dark&width=phone")
    cards = window.page.locator(".glance li")

    for place in (0, 2):
        card = cards.nth(place)
        card.scroll_into_view_if_needed()
        card.locator("iframe[data-fitted]").wait_for()
        shown = card.frame_locator("iframe")
        expect(shown.get_by_role("heading", level=1)).to_be_visible()
        frame, box = card.locator("iframe").bounding_box(), card.bounding_box()
        assert frame
        assert box
        assert frame["width"] <= box["width"]
    images = cards.nth(2).frame_locator("iframe").locator("img[src^='data:']")
    assert images.first.evaluate("img => img.naturalWidth") > 100


def test_a_link_in_an_email_opens_its_page(window: Window, preview: str) -> None:
    window.page.goto(f"{preview}/?width=phone")
    asked = re.compile(r"https://www\.roomle\.com/t/cp/\?id=")

    # Playwright answers no request of a page that a frame opens without access to it.
    with (
        window.page.context.expect_page() as page,
        window.page.context.expect_event(
            "request", lambda each: bool(asked.match(each.url))
        ) as request,
    ):
        window.page.frame_locator("iframe").get_by_role("link", name="Continue designing").click()

    assert request.value.is_navigation_request()
    assert page.value != window.page
    assert window.page.url.startswith(preview)


def test_the_page_says_when_its_server_has_ended_and_goes_on_with_the_next(
    window: Window, folder: Path
) -> None:
    gone = window.page.locator("#gone")
    with pages.served(application(Folder(folder)), 0) as address:
        window.page.goto(address)
        expect(gone).to_be_hidden()

    expect(gone).to_be_visible(timeout=10_000)
    assert "make preview" in gone.inner_text()
    assert window.violations() == []
    with pages.served(application(Folder(folder)), int(address.rstrip("/").rpartition(":")[2])):
        expect(gone).to_be_hidden(timeout=10_000)


# --- as every page should be ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "width", "scheme"),
    [
        ("/?email=3DExportAsset", PHONE, "dark"),
        ("/?email=3DExportAsset", 1440, "light"),
        ("/?email=savedConfiguration-failed", PHONE, "light"),
        ("/all", PHONE, "dark"),
    ],
)
def test_the_page_fits_every_window_and_everybody_can_use_it(
    open_window: Open, preview: str, path: str, width: int, scheme: Scheme
) -> None:
    window = open_window(width, scheme)
    window.page.goto(preview + path)

    assert window.violations() == []
    assert window.too_wide == 0
    window.keep(path.replace("/", "-"))


def test_pictures_of_other_hosts_are_fetched_only_when_asked_for(
    window: Window, preview: str
) -> None:
    logo = "https://www.brand.example/mail/logo.png"
    window.page.route("https://**", lambda route: route.fulfill(status=404))
    window.page.goto(f"{preview}/?width=phone")
    assert window.strangers == []

    window.invited = logo.removesuffix(".png")
    with window.page.expect_request(logo):
        window.page.get_by_role("link", name="Loaded").click()


def test_other_sites_have_no_access(preview: str) -> None:
    assert CLIENT.get("/", headers={"Host": "evil.example"}).status_code == 400
    page = CLIENT.get("/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert preview.startswith("http://127.0.0.1:")


# --- edits ------------------------------------------------------------------------------------


def test_edits_of_texts_templates_and_brands_are_there_on_reload(
    window: Window, edited: str, folder: Path
) -> None:
    window.page.goto(edited + "/?width=phone")
    assert "Your design is saved" in frame_text(window.page)

    edit(folder / "texts/en.toml", 'heading = "Your design is saved"', 'heading = "Kept for you"')
    window.page.reload()
    assert "Kept for you" in frame_text(window.page)

    edit(folder / "templates/shared/layout.mjml", "{{ t.reason }}", "Because: {{ t.reason }}")
    window.page.reload()
    assert "Because: You are receiving" in frame_text(window.page)

    edit(folder / "brands.toml", 'button = "#1f4d43"', 'button = "#7a1f4d"')
    window.page.reload()
    button = window.page.frame_locator("iframe").get_by_role("link", name="Continue designing")
    colour = button.evaluate("link => getComputedStyle(link).backgroundColor")
    assert colour == "rgb(122, 31, 77)"


def test_the_page_follows_a_saved_file_by_itself(window: Window, edited: str, folder: Path) -> None:
    window.page.goto(edited + "/?width=phone")

    edit(folder / "texts/en.toml", 'heading = "Your design is saved"', 'heading = "Kept for you"')

    frame = window.page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Kept for you")).to_be_visible(timeout=10_000)


def test_a_broken_file_shows_the_builds_message_and_no_trace_until_it_is_fixed(
    window: Window, edited: str, folder: Path
) -> None:
    line = edit(folder / "brands.toml", "logo_width = 200", 'logo_width = "wide"')
    build = subprocess.run(
        [
            sys.executable, "-m", "emails_build",
            "--source", str(folder), "--target", str(folder / "built"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    window.page.goto(edited)

    [problem] = window.page.locator("#problems li").all_inner_texts()
    assert build.returncode == 1
    assert problem.startswith(f"emails/brands.toml:{line}: brands.default.logo_width: expected")
    assert build.stderr.strip().endswith(problem)
    assert "Traceback" not in window.page.content()
    assert window.violations() == []
    window.keep()

    edit(folder / "brands.toml", 'logo_width = "wide"', "logo_width = 200")
    expect(window.page.locator(".device").first).to_be_visible(timeout=10_000)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("brands.toml", "[brands.default.colours]", "[brands.default.colours", "isn't TOML"),
        ("texts/de.toml", 'name = "Deutsch"', 'name = "Deutsch', "isn't TOML"),
        ("templates/shared/layout.mjml", "{{ t.reason }}", "{{ t.reason", "isn't a template"),
        ("templates/savedConfiguration.mjml", "<mj-raw>", "<mj-row>", "isn't MJML"),
    ],
)
def test_every_problem_has_its_file_and_line(
    folder: Path, name: str, old: str, new: str, expected: str
) -> None:
    line = edit(folder / name, old, new)

    page = application(Folder(folder)).test_client().get("/")

    assert page.status_code == 200
    assert f"emails/{name}:{line}: " in page.text
    assert expected in page.text.replace("&#39;", "'")


# --- problems are listed next to the email ------------------------------------------------------


def test_a_missing_text_is_marked_in_the_email_and_listed_beside_it(
    window: Window, edited: str, folder: Path
) -> None:
    edit(folder / "texts/en.toml", 'heading = "Your design is saved"\n', "")
    window.page.goto(edited + "/?width=phone")

    [problem] = window.page.locator("#problems li").all_inner_texts()
    assert problem.startswith("emails/texts/en.toml:")
    assert "savedConfiguration.heading: is missing" in problem
    assert "[savedConfiguration.heading is missing]" in frame_text(window.page)
    assert window.violations() == []
    window.keep()

    window.page.get_by_role("link", name="Shared", exact=True).click()
    expect(window.page.get_by_text("1 in other emails")).to_be_visible()
    expect(window.page.locator("#problems")).to_have_count(0)


def test_a_size_that_is_clipped_is_listed(folder: Path) -> None:
    long = "A very long story. " * 4000
    edit(folder / "texts/en.toml", 'heading = "Your design is saved"', f'heading = "{long}"')

    [problem] = listed(folder)

    assert "bytes, expected at most 60,000" in problem


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "templates/shared/layout.mjml",
            '<mj-text css-class="text around" padding="4px 48px 0">',
            '<mj-text color="#bbbbbb" css-class="text around" padding="4px 48px 0">',
            ["contrast 1.92 of 4.5 in light mode: “Your design is waiting"],
        ),
        (
            "templates/shared/layout.mjml",
            ".text div, .text h1, .logo div { color: {{ dark.text }} !important; }",
            ".logo div { color: {{ dark.text }} !important; }",
            [
                "contrast 1.02 of 3 in dark mode: “Your design is saved”",
                "contrast 1.02 of 4.5 in dark mode: “Your design is waiting",
            ],
        ),
        (
            "templates/shared/layout.mjml",
            '<h1 style="margin: 0;',
            '<h1 style="color: #949494; margin: 0;',
            [],  # 3.03, which is enough for large letters
        ),
    ],
    ids=["light", "dark", "large"],
)
def test_a_contrast_that_is_too_low_is_listed_for_light_and_for_dark(
    folder: Path, file: str, old: str, new: str, expected: list[str]
) -> None:
    edit(folder / file, old, new)

    found = listed(folder)

    for problem, message in zip(found, expected, strict=True):
        assert problem.startswith(f"emails/{file}:")
        assert message in problem


@pytest.mark.parametrize("alternative", ["", ' alt=""'])
def test_a_picture_without_alternative_text_is_listed(folder: Path, alternative: str) -> None:
    line = 1 + edit(
        folder / "templates/savedConfiguration.mjml",
        '<mj-include path="shared/button.mjml" />',
        '<mj-include path="shared/button.mjml" />\n'
        f'<mj-text><img src="https://www.brand.example/chair.png"{alternative} /></mj-text>',
    )

    [problem] = listed(folder)
    assert problem == (
        f"emails/templates/savedConfiguration.mjml:{line}: "
        "a picture without alternative text, `alt`: https://www.brand.example/chair.png"
    )


def test_a_link_that_the_html_has_lost_is_listed_as_the_build_names_it(folder: Path) -> None:
    file = folder / "templates/savedConfiguration.mjml"
    edit(file, '<mj-include path="shared/button.mjml" />', "")

    [problem] = listed(folder)

    assert problem.startswith("emails/templates/savedConfiguration.txt:3: only the text part has ")
    assert "the link {{ url }}: show it in the HTML" in problem


def listed(folder: Path) -> list[str]:
    """The problems listed for the saved draft's email in English."""
    page = application(Folder(folder)).test_client().get("/?language=en")
    root = html5lib.parse(page.text, treebuilder="etree", namespaceHTMLElements=False)
    return [
        "".join(item.itertext())
        for group in root.iter("ul")
        if group.get("id") == "problems"
        for item in group.iter("li")
    ]


# --- pictures ---------------------------------------------------------------------------------


def test_the_chosen_ones_can_be_written_as_pictures_which_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Browser
) -> None:
    monkeypatch.setattr(browser, "opened", lambda: contextlib.nullcontext(chromium))
    told: list[str] = []
    chosen = pictures.Chosen("studio", "de", "savedConfiguration")

    count = pictures.write(Folder(EMAILS), tmp_path, chosen, told.append)

    email = tmp_path / "studio" / "de" / "savedConfiguration"
    written = {path.name: png_size(path) for path in email.parent.glob("*.png")}
    assert len(written) == 6
    assert count == len(list(tmp_path.rglob("*.png"))) == 12
    assert told == [
        "6 of 12: studio, de, savedConfiguration",
        "12 of 12: studio, configurator exampleStudioAustria, de, savedConfiguration",
    ]
    for scheme in ("light", "dark"):
        assert written[f"{email.name}-phone-{scheme}.png"][0] == 2 * 375
        assert written[f"{email.name}-desktop-{scheme}.png"][0] == 2 * 680
    assert written[f"{email.name}-text.png"][1] > 200
    assert written[f"{email.name}-inbox.png"][1] > 50


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (pictures.Chosen(), 50),
        (pictures.Chosen(brand="default"), 30),
        (pictures.Chosen(brand="exampleStudioAustria"), 10),
        (pictures.Chosen(language="fr"), 5),
        (pictures.Chosen(event="email.3DExportAsset"), 20),
        (pictures.Chosen(event="3DExportAsset-failed"), 10),
        (pictures.Chosen(brand="studio", language="fr"), 0),
    ],
)
def test_pictures_are_chosen_by_brand_language_and_event(
    chosen: pictures.Chosen, count: int
) -> None:
    there = [choice for choice in CHOICES if isinstance(DRAFTS.email(choice), Email)]

    assert sum(choice in chosen for choice in there) == count


def test_a_choice_that_no_email_fits_is_told_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--source", str(EMAILS), "--pictures", str(tmp_path), "--language", "pl"]

    assert preview_command.main(options) == 1

    told = capsys.readouterr().err
    assert "Brands: default, studio, exampleStudioAustria." in told
    assert "Languages: en, de, fr, it, es, nl." in told
    assert "Events: savedConfiguration, shareConfiguration" in told


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
