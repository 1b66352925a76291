"""The door: everything that speaks HTTP to clients. Requests come in as `Ask`, answers go out as `Reply`."""
