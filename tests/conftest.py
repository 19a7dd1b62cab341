"""For all tests: the built emails can be imported, as from the layer; log lines can be caught."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from tests import emails_package

sys.path.insert(0, str(emails_package.build()))

from roomle_mail import telemetry


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Powertools keeps the stream that it found at first; pytest has another for each test."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None: ...


for handler in telemetry.logger.handlers:
    handler.__class__ = _StandardOutput
