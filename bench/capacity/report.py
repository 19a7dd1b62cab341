"""docs/capacity.md and its pictures: the text is written by hand, tables and plots by the model.

A line `<!-- table NAME -->` in the text is followed by the table of that name, up to the next
`<!-- end -->`.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace

from bench.capacity.model import (
    HOUR,
    MODES,
    Load,
    Parameters,
    Results,
    advise,
    inputs,
    measured,
    simulate,
    sourced_inputs,
)
from bench.markdown import Rows, filled, table
from roomle_mail.limits import SHARDS
from tools.sam import ROOT

DOCUMENT = ROOT / "docs" / "capacity.md"
PICTURES = ROOT / "docs" / "capacity"
BURSTS = (1, 100, 1_000, 3_000, 10_000, 30_000, 100_000)
PEAK = 0.5
THOUSAND = 1_000


def defaults_by_way() -> dict[tuple[int, str], Results]:
    """Every burst with the template's defaults, in each mode."""
    return {
        (events, mode): simulate(Load(events, PEAK), Parameters(delivery=mode))
        for events in BURSTS
        for mode in MODES
    }


def advised() -> dict[int, tuple[Parameters, Results]]:
    """Every burst with the recommended parameters."""
    found = {}
    for events in BURSTS:
        load = Load(events, PEAK)
        found[events] = (advise(load), simulate(load, advise(load)))
    return found


def rates() -> dict[tuple[float, str], Results]:
    """The largest burst under several SES rates, otherwise with the recommended parameters."""
    load = Load(100_000, PEAK)
    return {
        (rate, mode): simulate(
            load,
            replace(
                advise(load),
                delivery=mode,
                ses_rate=rate,
                mailer_concurrency=concurrency_for(rate),
            ),
        )
        for rate in (14, 28, 50, 100, 250)
        for mode in MODES
    }


def concurrency_for(rate: float) -> int:
    """The mailer's concurrency for a rate: that of `advise`, scaled."""
    whole = advise(Load(100_000, PEAK))
    return max(2, round(whole.mailer_concurrency * rate / whole.ses_rate))


def regions() -> dict[int, Results]:
    """100,000 events of many tenants in one or more regions, each with SES's initial rate."""
    rate = inputs()["limits.ses_rate_per_s"]
    return {
        number: simulate(
            Load(100_000 // number, PEAK),
            replace(
                advise(Load(100_000 // number, PEAK)),
                ses_rate=rate,
                mailer_concurrency=concurrency_for(rate),
            ),
        )
        for number in (1, 2, 4, 8)
    }


def mailers() -> dict[int, Results]:
    """The queue at SES's initial rate, under several concurrencies of the mailer."""
    load, rate = Load(30_000, PEAK), inputs()["limits.ses_rate_per_s"]
    return {
        number: simulate(load, replace(advise(load), ses_rate=rate, mailer_concurrency=number))
        for number in (2, 3, 4, 8, 16, 50)
    }


def slower() -> dict[float, Results]:
    """The recommendation for 10,000 per hour if everything takes several times longer."""
    load = Load(10_000, PEAK)
    return {by: simulate(load, replace(advise(load), slower=by)) for by in (0.5, 1, 2, 4)}


def thousand() -> dict[bool, tuple[Parameters, Results]]:
    """A thousand events a second for ten minutes, which begin all at once; is there a bus?"""
    load = Load(THOUSAND * 600, seconds=600)
    return {
        bus: (chosen := replace(advise(load), event_bus=bus), simulate(load, chosen))
        for bus in (True, False)
    }


# --- tables -----------------------------------------------------------------------------------


def percent(share: float) -> str:
    """Format a share; only none is 0 % and only all is 100 %."""
    if 0 < share < 0.0005:  # noqa: PLR2004
        return "< 0.1 %"
    if 0.9995 <= share < 1:  # noqa: PLR2004
        return "> 99.9 %"
    return f"{share:.1%}".replace("%", " %")


def span(seconds: float) -> str:
    """Format a time for people."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def causes(result: Results) -> str:
    """List why Roomle sends its own emails, most frequent first."""
    found = [(number, end.removeprefix("Roomle: ")) for end, number in result.ends.items()
             if end.startswith("Roomle") and number]  # fmt: skip
    return ", ".join(f"{name} {number:,}" for number, name in sorted(found, reverse=True)) or "-"


def table_defaults(results: dict[tuple[int, str], Results]) -> str:
    """The defaults under every burst."""
    rows: Rows = [
        (
            f"{events:,}",
            f"`{mode}`",
            percent(each.in_time),
            percent(each.fallbacks),
            causes(each),
            span(each.oldest),
            f"${each.cost_per_1000:.3f}",
        )
        for (events, mode), each in results.items()
    ]
    head = ("events", "Delivery", "in time", "Roomle mails", "because of", "oldest", "per 1,000")
    return table(head, rows)


def table_advice(results: dict[int, tuple[Parameters, Results]]) -> str:
    """The recommendation for every burst, and its results."""
    rows: Rows = [
        (
            f"{events:,}",
            f"{chosen.ses_rate:g}/s, {max(events * 24, 200):,} a day",
            f"{chosen.throttle_rate:g} / {chosen.throttle_burst:g}",
            f"{chosen.max_emails_per_hour:,}",
            chosen.mailer_concurrency,
            percent(each.in_time),
            percent(each.fallbacks),
            span(each.delay(0.99)),
            each.concurrency,
        )
        for events, (chosen, each) in results.items()
    ]
    head = (
        "events", "SES rate and quota to have", "ThrottleRate / Burst", "MaxEmailsPerHour",
        "MailerConcurrency", "in time", "Roomle mails", "99 % within", "receivers at once",
    )  # fmt: skip
    return table(head, rows)


def table_rates(results: dict[tuple[float, str], Results]) -> str:
    """SES's rate for 100,000 events."""
    rows: Rows = [
        (f"{rate:g}/s", f"`{mode}`", percent(each.in_time), percent(each.fallbacks),
         span(each.oldest), f"{each.deepest:,}", each.ends["dead letter"])
        for (rate, mode), each in results.items()
    ]  # fmt: skip
    head = ("SES", "Delivery", "in time", "Roomle mails", "oldest", "deepest queue", "dead letters")
    return table(head, rows)


def table_regions(results: dict[int, Results]) -> str:
    """Several regions."""
    rate = inputs()["limits.ses_rate_per_s"]
    rows: Rows = [
        (number, f"{number * rate:g}/s", percent(each.in_time), percent(each.fallbacks),
         span(each.oldest))
        for number, each in results.items()
    ]  # fmt: skip
    return table(("regions", "SES together", "in time", "Roomle mails", "oldest"), rows)


def table_mailers(results: dict[int, Results]) -> str:
    """Several concurrencies of the mailer."""
    rows: Rows = [
        (number, percent(each.in_time), f"{each.work['postponed']:,}", span(each.oldest),
         span(each.delay(0.5)), f"${each.cost_per_1000:.3f}")
        for number, each in results.items()
    ]  # fmt: skip
    head = ("MailerConcurrency", "in time", "failed tries", "oldest", "half within", "per 1,000")
    return table(head, rows)


def table_slower(results: dict[float, Results]) -> str:
    """How much depends on the times."""
    rows: Rows = [
        (f"{by:g} times", percent(each.in_time), percent(each.fallbacks), span(each.delay(0.99)),
         each.concurrency, f"${each.cost_per_1000:.3f}")
        for by, each in results.items()
    ]  # fmt: skip
    head = (
        "everything takes",
        "in time",
        "Roomle mails",
        "99 % within",
        "receivers at once",
        "per 1,000",
    )
    return table(head, rows)


def table_thousand(results: dict[bool, tuple[Parameters, Results]]) -> str:
    """What a thousand events a second need and cost, with the event bus on."""
    chosen, each = results[True]
    allowed = {name.removeprefix("limits."): f"{value:,g}" for name, value in inputs().items()}
    rate, burst = allowed["api_gateway_rate_per_s"], allowed["api_gateway_burst"]
    rows: Rows = [
        (
            "requests a second: `ThrottleRate` / `ThrottleBurst`",
            f"{chosen.throttle_rate:,.0f} / {chosen.throttle_burst:,.0f}",
            f"{rate} / {burst}",
        ),
        ("receivers at once", f"{each.concurrency:,}", allowed["lambda_concurrency"]),
        ("emails a second from SES", f"{chosen.ses_rate:,.0f}", allowed["ses_rate_per_s"]),
        ("`MailerConcurrency`", chosen.mailer_concurrency, "-"),
        (
            "writes a second to the table",
            f"{THOUSAND * measured()['writes']['receiver']:,}",
            f"{allowed['dynamodb_writes_of_a_new_table_per_s']} for a new table",
        ),
        (
            "writes a second to each item of `MaxEmailsPerHour`",
            f"{THOUSAND / SHARDS:,.0f}",
            allowed["dynamodb_writes_per_item_per_s"],
        ),
        ("PutEvents a second", f"{THOUSAND:,}", allowed["put_events_per_s"]),
        ("in time", percent(each.in_time), "-"),
        ("Roomle mails", f"{percent(each.fallbacks)}: {causes(each)}", "-"),
        *(
            (
                f"cost of 1,000 events, {'with' if bus else 'without'} the bus",
                f"${found.cost_per_1000:.4f}",
                "-",
            )
            for bus, (_, found) in results.items()
        ),
        ("cost of an hour, with the bus", f"${each.cost_per_1000 * HOUR:,.0f}", "-"),
    ]
    return table(("what", "a thousand events a second", "AWS allows at first"), rows)


def table_cost(results: dict[int, tuple[Parameters, Results]]) -> str:
    """Where the money goes, for 10,000 events."""
    _, each = results[10_000]
    rows: Rows = [
        (name, f"${dollars / each.events * 1000:.4f}") for name, dollars in each.cost().items()
    ]
    return table(("1,000 events", "US dollars"), [*rows, ("sum", f"${each.cost_per_1000:.4f}")])


def table_measured() -> str:
    """What was measured."""
    found = measured()
    rows: Rows = [
        (name.replace("_", " "), f"{statistics.median(each) * 1000:.0f} ms",
         f"{each[int(len(each) * 0.9)] * 1000:.0f} ms", found["writes"].get(name, "-"),
         found["log_bytes"].get(name, "-"))
        for name, each in found["seconds"].items()
    ]  # fmt: skip
    return table(("what", "half within", "90 % within", "writes", "bytes of log"), rows)


def table_inputs() -> str:
    """All inputs with their sources."""
    rows: Rows = [
        (f"`{name}`", f"{each['value']:.10g}", each["source"])
        for name, each in sourced_inputs().items()
    ]
    return table(("input", "value", "source"), rows)


# --- the document -----------------------------------------------------------------------------


# The tables that need no run of the model.
PLAIN: dict[str, Callable[[], str]] = {"measured": table_measured, "inputs": table_inputs}


def write() -> int:
    """Write tables and pictures."""
    from bench.capacity import pictures  # noqa: PLC0415 (matplotlib takes a second that tests save)

    defaults, advice, by_rate = defaults_by_way(), advised(), rates()
    tables = {
        "defaults": lambda: table_defaults(defaults),
        "advice": lambda: table_advice(advice),
        "rates": lambda: table_rates(by_rate),
        "regions": lambda: table_regions(regions()),
        "mailers": lambda: table_mailers(mailers()),
        "slower": lambda: table_slower(slower()),
        "cost": lambda: table_cost(advice),
        "thousand": lambda: table_thousand(thousand()),
        **PLAIN,
    }
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), tables))
    pictures.draw_modes(defaults, BURSTS, PICTURES / "modes.svg")
    pictures.draw_rates(by_rate, PICTURES / "rates.svg")
    sys.stdout.write(f"capacity: {DOCUMENT.relative_to(ROOT)} and its pictures\n")
    return 0
