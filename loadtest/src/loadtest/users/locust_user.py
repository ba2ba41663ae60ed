"""The users as Locust starts them: a class for each kind in the run, made as the run begins."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import gevent
from gevent.pool import Group as Greenlets
from locust import User, task
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.user.task import LOCUST_STATE_STOPPING

from lab.user_kind import CLOSED
from loadtest.kind_counts import KindCounts
from loadtest.users.catalogue import parse_user_kinds, users_of_each
from loadtest.users.kind import Behaviour, Client, Connection, Group
from loadtest.users.sender import Sender


class SandboxUser(User):
    """A user of one kind. `row` marks its requests in Locust's table, empty for the one kind there is by default."""

    row: ClassVar[str] = ""
    make_behaviour: ClassVar[Callable[[Client], Behaviour]]

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._senders: list[Sender] = []
        self._beside = Greenlets()
        self.connection: Connection = self.connect()
        self._behaviour = type(self).make_behaviour(self)

    def connect(self, patience_seconds: float | None = None, *, resets: bool = False) -> Sender:
        """Return a further connection. It leaves a request whose answer does not begin within its patience."""
        sender = Sender(self, self.row, patience_seconds, resets=resets)
        self._senders.append(sender)
        return sender

    def count(self, event: str, times: int = 1) -> None:
        """Count something in the row of this kind."""
        KindCounts.of(self.environment).add(self.row, event, times)

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def key(self) -> str:
        """Return an idempotency key that no other request has."""
        return uuid4().hex

    def spawn(self, work: Callable[[], None]) -> None:
        """Do it beside; the end of the run waits for it."""
        self._beside.spawn(work)

    @task
    def act(self) -> None:
        """Take one step."""
        self._behaviour.act()

    def wait_time(self) -> float:
        return self._behaviour.wait()

    def on_stop(self) -> None:
        """Finish what is under way, and close the connections: a server that limits them counts idle ones, too."""
        self._behaviour.stop()
        try:
            self._beside.join()
        finally:  # at the stop time-out Locust cuts off what is left
            self._beside.kill(block=False)
            for sender in self._senders:
                sender.close()

    def stop(self, force: bool = False) -> bool:
        """Stop as Locust does. A second stop changes nothing: Ctrl-C reaches a worker itself and by way of its master.

        Locust would raise, and log a trace of what is no mistake.
        """
        if self._state == LOCUST_STATE_STOPPING and not force:
            return False
        return bool(super().stop(force))


class KindsDispatcher(UsersDispatcher):
    """Locust's, but it takes the kinds of the run that begins: a master makes it before these are known.

    `user_classes` is the environment's own list, which `take_kinds` changes.
    """

    def __init__(self, worker_nodes: list[Any], user_classes: list[type[User]]) -> None:
        super().__init__(worker_nodes, user_classes)
        self._kinds = user_classes

    def new_dispatch(
        self, target_user_count: int, spawn_rate: float, user_classes: list[type[User]] | None = None
    ) -> None:
        if set(self._kinds) != set(self._original_user_classes):
            super().__init__(self._worker_nodes, self._kinds)
        super().new_dispatch(target_user_count, spawn_rate, user_classes)


def take_kinds(environment: Environment) -> None:
    """Give Locust the kinds of users that the options name, for the run that begins."""
    options: Any = environment.parsed_options
    kinds = parse_user_kinds(options.user_kind)
    counts = users_of_each(kinds, options.run_users)
    alone = [each.text for each in kinds] == [CLOSED]
    environment.user_classes[:] = [
        type(
            f"{each.text.partition('(')[0]}{number or ''}",
            (SandboxUser,),
            {
                "row": "" if alone else each.text,
                "weight": each.weight,
                "fixed_count": users if each.kind.exact_users and len(kinds) > 1 else 0,
                "make_behaviour": staticmethod(each.kind.behaviours(Group(users, options.run_processes))),
            },
        )
        for number, (each, users) in enumerate(zip(kinds, counts, strict=True))
    ]
