"""What people ask for through a relay: done, or refused with the reason."""

from __future__ import annotations

from rules.access.access import Access
from rules.access.levels import may
from rules.actions import Note
from rules.document.access import Person
from rules.document.site import Site
from rules.events import CommandDecided, CommandReceived
from rules.orders import Became, Order, Orders
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.turn import Turn


class Commands:
    """The gate before every order. Raising protection (arming, a lockdown) is anybody's who may use the relay. Lowering
    it takes the code of a person who may: then it is theirs, and a wrong code counts against the relay it came by. A
    code that was given is looked at even where none is needed: it may be one of duress, or wrong."""

    def __init__(self, *, site: Site, outputs: Outputs, panel: Panel, access: Access) -> None:
        self._access = access
        self._orders = Orders(site=site, outputs=outputs, panel=panel, access=access).known

    def take(self, turn: Turn, event: CommandReceived) -> None:
        """Do it or refuse it; the answer is a fact of its own."""
        order = self._orders.get(event.name)
        if order is None:
            became = Became(False, f"{event.name} is not a command this gateway takes from a relay")
        else:
            became = self._ordered(turn, event, order)
        turn.why(f"command {event.name}", "{}: {}", "done" if became.done else "refused", became.says)
        decided = CommandDecided(
            id=turn.id("decided"),
            command=event.command,
            state="done" if became.done else "refused",
            reason=became.says,
            **turn.header(),
        )
        turn.do(Note(event=decided))

    def _ordered(self, turn: Turn, event: CommandReceived, order: Order) -> Became:
        by = event.actor
        if event.digest is not None:
            person = self._access.who(event.digest, turn, source=f"relay {event.outlet}")
            if isinstance(person, str):
                return Became(False, person)
            if not may(person, order.act, order.partition(event.args)):
                return Became(False, f"{person.title} may not do this here")
            by = _both(person, event.actor)
        elif order.lowers(event.args):
            return Became(
                False, f"{event.name} lowers protection: it takes a code, typed at a keypad or at the relay on the box"
            )
        return order.do(turn, event.args, by)


def _both(person: Person, actor: str) -> str:
    return person.title if person.title == actor else f"{person.title} (as {actor})"
