"""Advisories in OSV's format from a copy that lies here: what is in them, which files they are about, and the policies that go by them."""
