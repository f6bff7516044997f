"""What can be wrong with a bundle; the text is a sentence for the person who carried it."""

from __future__ import annotations

from relay.errors import RelayError


class BundleError(RelayError):
    """It is not taken in, or not all of it; what was good before is kept, and it may be brought again."""
