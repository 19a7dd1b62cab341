"""One function in one fresh process: from its start to the first answer, then call by call."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.variants import PLACE, Variant
from bench.wire import Server, Work

OWN = Path(__file__).with_name("own.py").read_text()
TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class Cpus:
    """The function's processor, and the one for everything else."""

    function: int
    rest: int

    @classmethod
    def choose(cls) -> "Cpus":
        """Choose two, or the only one twice."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[-1], usable[0])


@dataclass(frozen=True, slots=True)
class Run:
    """What one process used: seconds, and bytes at its peak; `cpu` until the first answer.

    `busy` is the processor time of one warm event, `sent` the bytes that it sends to AWS.
    """

    cold: float
    init: float
    first: float
    cpu: float
    warm: list[float]
    busy: float
    peak: int
    sent: float


@contextlib.contextmanager
def pinned(cpu: int, back: int) -> Iterator[None]:
    """Run everything that starts in the block on one processor."""
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {back})


async def run(variant: Variant, server: Server, python: Path, cpus: Cpus, *, calls: int) -> Run:
    """Start a function, and let it answer one event, then more."""
    work = Work(variant.travelling(), 1)
    server.begin(work)
    with (PLACE / f"{variant.name}.log").open("wb") as log:
        with pinned(cpus.function, cpus.rest):
            began = time.perf_counter()
            process = subprocess.Popen(
                [python, "-m", "awslambdaric", variant.handler],
                cwd=variant.task,
                env=variant.environment(server.address),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(TIMEOUT):
                await _ended(work, process, variant)
                cpu = processor_time(process.pid)
                if calls:
                    await server.more(variant.warm_up + calls)
                busy = (processor_time(process.pid) - cpu) / max(variant.warm_up + calls, 1)
            check(variant, work)
            peak = peak_memory(process.pid)
        finally:
            process.kill()
            process.wait()
    warm = [end - start for start, end in zip(work.sent, work.answered, strict=True)]
    return Run(
        cold=work.answered[0] - began,
        init=work.sent[0] - began,
        first=warm[0],
        cpu=cpu,
        warm=warm[1 + variant.warm_up :],
        busy=busy,
        peak=peak,
        sent=sum(work.bytes.values()) / len(work.answers),
    )


async def _ended(work: Work, process: subprocess.Popen[bytes], variant: Variant) -> None:
    while not work.done.is_set():
        if process.poll() is not None:
            log = (PLACE / f"{variant.name}.log").read_text()
            raise RuntimeError(f"{variant.name} ended with {process.returncode}:\n{log}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(work.done.wait(), 1)


def check(variant: Variant, work: Work) -> None:
    """Check that a variant did all its work: otherwise it could be fast by leaving things out."""
    calls = Counter(variant.at_first)
    for call, times in variant.each.items():
        calls[call] += times * len(work.answers)
    if work.calls != calls:
        raise RuntimeError(f"{variant.name} called {work.calls}, not {calls}")
    for answer in work.answers:
        read = {} if answer.startswith(b"error") else json.loads(answer)
        if read.get("statusCode") != variant.answer and read.get("batchItemFailures") != []:
            log = (PLACE / f"{variant.name}.log").read_text()[-2000:]
            raise RuntimeError(f"{variant.name} answered {answer.decode()}\n{log}")


def processor_time(process: int) -> float:
    """Seconds that a process has been on a processor (Linux's schedstat, in nanoseconds)."""
    return (
        sum(
            int(path.read_text().split()[0])
            for path in Path(f"/proc/{process}/task").glob("*/schedstat")
        )
        / 1e9
    )


def peak_memory(process: int) -> int:
    """The peak memory of a process, in bytes."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found) * 1024


async def own_time(
    variant: Variant, server: Server, python: Path, cpus: Cpus, *, calls: int
) -> dict[str, list[float]]:
    """Measure the seconds of each event without AWS, in another process, as own.py describes."""
    events, result = PLACE / f"{variant.name}.events", PLACE / f"{variant.name}.own"
    events.write_text("\n".join(map(json.dumps, variant.events)))
    arguments = (str(events), str(result), str(variant.warm_up + calls), str(variant.answer))
    await script(variant, server, python, cpus, OWN, *arguments)
    found: dict[str, list[float]] = json.loads(result.read_text())
    return {way: times[variant.warm_up :] for way, times in found.items()}


async def script(
    variant: Variant, server: Server, python: Path, cpus: Cpus, text: str, *arguments: str
) -> None:
    """Run a script in a function's environment."""
    server.begin(Work((), 0))
    with (PLACE / f"{variant.name}.log").open("wb") as log, pinned(cpus.function, cpus.rest):
        process = await asyncio.create_subprocess_exec(
            python,
            "-c",
            text,
            *arguments,
            cwd=variant.task,
            env=variant.environment(server.address),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    if await process.wait():
        raise RuntimeError((PLACE / f"{variant.name}.log").read_text())


async def import_times(
    variant: Variant, server: Server, python: Path, cpus: Cpus
) -> dict[str, float]:
    """Measure a cold start's seconds by the package whose import caused them (-X importtime)."""
    traced = Path(f"{PLACE / variant.name}.importtime")
    work = Work(variant.travelling(), 1)
    server.begin(work)
    with traced.open("wb") as log, pinned(cpus.function, cpus.rest):
        process = subprocess.Popen(
            [python, "-X", "importtime", "-m", "awslambdaric", variant.handler],
            cwd=variant.task,
            env=variant.environment(server.address),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        async with asyncio.timeout(TIMEOUT):
            await work.done.wait()
    finally:
        process.kill()
        process.wait()
    return by_package(traced.read_text())


_LINE = re.compile(r"import time: +(\d+) \| +\d+ \| ( *)(\S+)")


def by_package(trace: str) -> dict[str, float]:
    """Summarize a trace: a standard library module counts for the package that imported it."""
    lines = [(int(m[1]), len(m[2]), m[3]) for m in map(_LINE.match, trace.splitlines()) if m]
    found: Counter[str] = Counter()
    above: list[tuple[int, str]] = []
    # The trace lists a module after its imports, so in reverse each follows its importer.
    for microseconds, depth, module in reversed(lines):
        while above and above[-1][0] >= depth:
            above.pop()
        package = GROUPS.get(module.partition(".")[0]) or (above[-1][1] if above else "Python")
        found[package] += microseconds
        above.append((depth, package))
    return {package: microseconds / 1e6 for package, microseconds in found.items()}


GROUPS = {
    package: group
    for group, packages in {
        "runtime client": "awslambdaric simplejson snapshot_restore_py",
        "boto3": "boto3 botocore s3transfer urllib3 jmespath dateutil six",
        "pydantic": "pydantic pydantic_core annotated_types typing_inspection typing_extensions",
        "Powertools": "aws_lambda_powertools",
        "pycryptodome": "Crypto",
        "minijinja": "minijinja",
        "own code": "roomle_mail roomle_mail_emails app job mailer",
        "framework": (
            "fastapi starlette mangum anyio annotated_doc opentelemetry flask werkzeug jinja2"
            " markupsafe blinker click itsdangerous apig_wsgi chalice"
        ),
    }.items()
    for package in packages.split()
}
