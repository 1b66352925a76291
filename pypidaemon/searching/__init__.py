"""Search: what is looked for, the index of names and summaries in a file of its own, and what keeps that up to date."""
