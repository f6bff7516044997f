"""What an outlet hears of the relay's clock, for whoever compares it with ours."""

from __future__ import annotations

from collections.abc import Callable

# heard(outlet, relay_wall, sent_at, received_at): the relay's wall time (µs) as it answered, and the boot-time clock
# (µs, `agent.clock.boot_now`) when we sent the question and had the answer. The boot-time clock, because nobody can set
# it in between: (sent_at + received_at) / 2 is when relay_wall was true, give or take half the difference. Called in
# the event loop, once a batch and once a probe (at least every 20 s while the relay answers); it must return at once.
Heard = Callable[[str, int, int, int], None]
