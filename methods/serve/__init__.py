"""The inspection station: photos in, verdicts out, by HTTP and on a page."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")  # reached from this machine alone
