"""Tables in Markdown, and their places in a document.

A line `<!-- table NAME -->` is followed by the table of that name, up to the next `<!-- end -->`.
"""

import re
from collections.abc import Callable, Sequence

type Rows = list[tuple[object, ...]]


def table(head: Sequence[str], rows: Rows) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def filled(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """Return the text with these tables replaced."""

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        return f"{match[1]}\n{tables[name]()}\n<!-- end -->" if name in tables else match[0]

    return re.sub(r"(<!-- table (\w+) -->)\n.*?<!-- end -->", fill, text, flags=re.DOTALL)
