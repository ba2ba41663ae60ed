"""The shape of a run as Locust follows it."""

import time

from locust import LoadTestShape
from locust.env import Environment

from loadtest.users.shapes import Shape, parse_shape


class UsersShape(LoadTestShape):
    """Locust asks it once a second how many users there are to be. It ends the run, for Locust's own timer does not."""

    use_common_options = True

    def __init__(self, shape: Shape, users: int, run_seconds: float | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape = shape
        self._users = users
        self._run_seconds = run_seconds

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users, who start and stop all at once; None at the end."""
        seconds = time.perf_counter() - self.start_time
        if self._run_seconds is not None and seconds >= self._run_seconds:
            return None
        users = self._shape.users(seconds, self._users)
        return users, float(max(users, self.runner.user_count if self.runner else 0))


def take_shape(environment: Environment, text: str, users: int, run_seconds: float | None) -> None:
    """Let Locust follow the shape with that text in the run that begins, if there is one."""
    shape = parse_shape(text)
    environment.shape_class = None if shape is None else UsersShape(shape, users, run_seconds)
    if environment.shape_class is not None:
        environment.shape_class.runner = environment.runner
