"""All emails on one page, as layers/emails has them at this moment: `make preview`."""
