"""The account of a run: where the users' time went, whose it is, and whose the failures are. Pure."""
