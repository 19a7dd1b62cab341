"""All emails on one page, from the current files in layers/emails: `make preview`."""
