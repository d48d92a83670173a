"""What the tests of other ways to Redis share."""

from __future__ import annotations

from stack.versions import VERSIONS

# The embedded server was built without TLS.
collect_ignore = [] if "newer" in VERSIONS else ["test_tls.py"]
