"""For all tests: the built emails can be imported, as they can from the layer."""

from __future__ import annotations

import sys

from tests import emails_package

sys.path.insert(0, str(emails_package.build()))
