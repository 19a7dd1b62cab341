"""docs/operations.md says what is so: alarms, parameters, fields, costs, links."""

import re
import tomllib

import pytest

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

    assert section.strip()
    assert "**Symptom**" in section or "The same" in section


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


def test_every_link_leads_somewhere() -> None:
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = link.partition("#")
        if link.startswith("http"):
            continue
        assert not file or (cost.PAGE.parent / file).is_file(), link
        assert not anchor or anchor in anchors, link


def test_every_environment_of_samconfig_that_is_named_is_there() -> None:
    config = tomllib.loads((sam.ROOT / "samconfig.toml").read_text())

    assert set(re.findall(r"--config-env (\w+)", PAGE)) <= set(config)
