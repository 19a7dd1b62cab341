"""All emails on one page, as layers/emails has them at this moment: `make preview`."""

import sys

from tools.sam import ROOT

# What builds the emails, and what fills them for real.
for folder in ("layers/emails", "layers/shared/python"):
    if str(ROOT / folder) not in sys.path:
        sys.path.append(str(ROOT / folder))
