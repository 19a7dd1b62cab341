"""The documentation says what is so: alarms, parameters, fields, costs, links, tests."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from roomle_mail_cli.app import app
from tests import operations, ses_events
from tests.unit.cloudformation import read
from tools import cost, sam

PAGE = cost.PAGE.read_text()


def test_the_costs_are_what_is_reckoned() -> None:
    assert cost.render(PAGE) == PAGE


def test_a_page_without_a_place_for_the_costs_is_refused() -> None:
    with pytest.raises(ValueError, match="per 1000 emails"):
        cost.render("# Operations\n")


def test_the_stack_costs_what_it_has() -> None:
    stack = cost.inputs()["stack"]
    kinds = [resource["Type"] for resource in read()["Resources"].values()]
    # Without SilenceAlarm, which is off by default.
    looked_at = sum(
        len(operations.of_alarm(alarm))
        for name, alarm in operations.alarms().items()
        if name != "SilenceAlarm"
    )

    assert stack["alarm_metrics"] == looked_at
    assert stack["secrets"] == kinds.count("AWS::SecretsManager::Secret")
    assert stack["dashboards"] == kinds.count("AWS::CloudWatch::Dashboard")


def test_the_memory_is_reckoned_as_the_template_sets_it() -> None:
    assert read()["Parameters"]["MemorySize"]["Default"] == cost.MEMORY_GB * 1024


@pytest.mark.parametrize("name", operations.alarms())
def test_every_alarm_has_its_place_in_the_runbook(name: str) -> None:
    (section,) = re.findall(rf"^### {name}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)

    assert "**Symptom**:" in section
    assert "**Cause**" in section
    assert "```sh run" in section


def test_the_runbook_has_no_alarm_that_is_none() -> None:
    named = set(re.findall(r"\b[A-Z][A-Za-z]+Alarm\b", PAGE))

    assert named == set(operations.alarms())


def test_every_parameter_that_is_named_is_one() -> None:
    parameters = set(read()["Parameters"])
    named = set(re.findall(r"`([A-Z][A-Za-z]+)(?:=[^`]*)?`", PAGE))
    outputs = set(read()["Outputs"])
    known = parameters | outputs | set(read()["Resources"])
    told = {each.name for each in operations.metrics()} | {"SettingsInvalid", "SUCCESS"}
    others = {"Simple", "Raw", "DeploymentPreference", "Disabled", "CNAME", "TOKEN", "RoomleMail"}

    assert named - known - told - others == set()
    assert {"SenderIdentities", "AlarmEmail", "SesDailyQuota", "TokenReuse"} <= named


def test_every_field_of_a_line_that_is_named_is_asked_for_somewhere() -> None:
    fields = set().union(*map(operations.fields, operations.queries().values()))
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE))
    in_brands = {"api_keys", "link_hosts", "asset_hosts"}

    assert named - in_brands <= fields


def test_every_kind_of_ses_event_that_is_named_comes() -> None:
    assert set(re.findall(r'"(Email [A-Z][A-Za-z ]+)"', PAGE)) <= set(ses_events.EVENTS)


PAGES = [sam.ROOT / "README.md", *sorted((sam.ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text()


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = without_code(page)
    for link in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'<img src="([^"]+)"', text):
        file, _, anchor = link.partition("#")
        if link.startswith("http"):
            continue
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    makefile = (sam.ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    # After a word "make" is English.
    assert set(re.findall(r"(?:^ *|`)make ([a-z]+)", text, re.MULTILINE)) <= targets
    known = commands(typer.main.get_command(app))
    # At the beginning of a line, with or without a path, or quoted.
    for named in re.findall(
        r"(?:^ *(?:\S*/)?|`)roomle-mail ([a-z-]+ ?[a-z-]*)", text, re.MULTILINE
    ):
        words = tuple(named.split())
        assert words in known or words[:1] in known, named


def test_the_commands_of_the_readme_are_run_where_the_page_on_operations_has_them() -> None:
    run = "\n".join(re.findall(r"^```sh run\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    named = re.findall(r"^ +\.venv/bin/(roomle-mail .+)$", README, re.MULTILINE)

    assert len(named) >= 3
    for command in named:
        assert re.search(rf"^{re.escape(command)}( |$)", run, re.MULTILINE), command


def commands(command: Any, *path: str) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    below = [found for name, each in inner.items() for found in commands(each, *path, name)]
    return below if inner else [path]


def test_every_picture_is_shown_with_a_caption() -> None:
    for picture in (sam.ROOT / "docs" / "images").iterdir():
        (after,) = re.findall(
            rf"^[^\n]*docs/images/{picture.name}[^\n]*\n\n(.*)", README, re.MULTILINE
        )
        assert after.startswith("*"), picture.name


def test_the_readme_says_what_to_do_about_every_alarm() -> None:
    rows = re.findall(r"^\|(.*Alarm.*)\|(.*)\|(.*)\|$", README, re.MULTILINE)
    named = [name for names, _, _ in rows for name in re.findall(r"`(\w+Alarm)`", names)]

    assert sorted(named) == sorted(operations.alarms())
    assert all(means.strip() and step.strip() for _, means, step in rows)


def test_every_environment_of_samconfig_that_is_named_is_there() -> None:
    config = tomllib.loads((sam.ROOT / "samconfig.toml").read_text())

    assert set(re.findall(r"--config-env (\w+)", PAGE)) <= set(config)


SECURITY = (sam.ROOT / "docs" / "security.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECURITY.splitlines()
    if line.startswith("| ") and not line.startswith("| threat")
]


def names_of_tests(*paths: str) -> set[str]:
    return {
        name
        for path in paths
        for file in (sam.ROOT / "tests").glob(path)
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", SECURITY))

    assert len(named) > 50
    assert named - names_of_tests("**/test_*.py") == set()


def test_every_threat_has_something_that_stands_against_it_and_a_test() -> None:
    assert len(ROWS) > 40
    for threat, defence, tests in ROWS:
        assert threat
        assert defence
        assert re.fullmatch(r"`test_\w+`(, `test_\w+`)*", tests), threat


def test_every_attack_that_is_tried_is_on_the_page_on_security() -> None:
    named = set(re.findall(r"`(test_\w+)`", SECURITY))

    assert names_of_tests("faults/test_attacks.py") - named == set()


def test_every_parameter_that_the_page_on_security_names_is_one() -> None:
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z][A-Za-z]+)(?:=[^`]*)?`", SECURITY))

    assert named <= set(read()["Parameters"])
    assert {"TokenIv", "TokenReuse", "RequireToken", "SecretOverlap"} <= named


DECISIONS = (sam.ROOT / "docs" / "decisions.md").read_text()


def test_every_decision_is_a_numbered_dated_record() -> None:
    _, *records = re.split(r"^## ", DECISIONS, flags=re.MULTILINE)
    numbers = []
    for record in records:
        heading, text = record.split("\n", 1)
        numbers.append(heading[:4])
        form = (
            r"\n\d{4}-\d\d-\d\d · (Accepted|Rejected|Superseded by (?P<by>\d{4}))\n\n"
            r"\*\*Context\.\*\* .+\n\*\*Decision\.\*\* .+\n\*\*Consequences\.\*\* .+"
        )
        shape = re.fullmatch(form, text.rstrip(), re.DOTALL)
        assert shape, heading
        assert shape["by"] is None or f"\n## {shape['by']} " in DECISIONS, heading
    assert numbers == [f"{number:04}" for number in range(1, len(records) + 1)]
