"""The agent with one safeguard taken off, to see that the tests notice: `careless_agent.py WHICH ARGUMENTS...`.

`early`: messages are acknowledged when they arrive, as the MQTT library does by itself.
`forgetful`: nothing that comes again is recognised.
"""

from __future__ import annotations

import sys
from typing import Any

from agent.cli import main
from agent.devices.mqtt.connection import Connection, Received
from agent.devices.mqtt.ledger import Ledger


def early() -> None:
    heard = Connection._on_message

    def on_message(self: Connection, client: Any, userdata: Any, message: Any) -> None:
        heard(self, client, userdata, message)
        self._client.ack(message.mid, message.qos)

    def acknowledge(self: Connection, message: Received) -> None:
        pass

    Connection._on_message = on_message  # type: ignore[method-assign]
    Connection.acknowledge = acknowledge  # type: ignore[method-assign]


def forgetful() -> None:
    def repeated(self: Ledger, connection: Any, message: Any, receipt: Any) -> bool:
        return False

    Ledger.repeated = repeated  # type: ignore[method-assign]


if __name__ == "__main__":
    {"early": early, "forgetful": forgetful}[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
