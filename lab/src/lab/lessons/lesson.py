"""A lesson: a question about connection pools, its answer, and the runs that show whether the answer is true."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from lab.backends.variables import PREFIXES
from lab.backends.workspace import Mode
from lab.lessons.assertion import RULE, Assertion

Subject = Literal[
    "pool", "connections", "time-outs", "client libraries", "threads and event loop", "workers", "streaming",
    "HTTP/2", "network", "upstream", "overload",
]  # fmt: skip
SideName = Literal["A", "B", "C", "D"]
VariableName = Annotated[str, Field(pattern=f"^(?:{'|'.join(PREFIXES)})[A-Z0-9_]+$")]
Value = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Settings = dict[VariableName, Value]
Words = Annotated[str, Field(min_length=1)]
Comparison = Annotated[Assertion, BeforeValidator(Assertion), WithJsonSchema({"type": "string", "description": RULE})]
OVERHEAD_SECONDS = 6.0
"""What a run takes besides its load, about."""


class LessonPart(BaseModel):
    """A part of a lesson's file. A key that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Load(LessonPart):
    """The load of each side: `users`, all at once, for `seconds`."""

    users: int = Field(ge=1, le=500)
    seconds: int = Field(ge=2, le=30)
    path: str = Field("/work", pattern="^/", description="What the users GET.")


class Side(LessonPart):
    """One of the runs that are compared: what it is in a few words, and its settings."""

    name: Words
    settings: Settings = Field(default_factory=dict)


class Lesson(LessonPart):
    """One phenomenon. Side A is the one in which the question arises; the settings of the others take its cause away.

    `settings` are those of all sides. `not_in` has a reason for each mode in which it cannot run.
    """

    title: Words
    subject: Subject
    question: Words
    answer: Words = Field(description="What happens and why, in a few plain sentences.")
    sources: list[Words] = Field(min_length=1, description="Threads and documents.")
    sentence: str = Field("", description="The sentence of the seeds that it puts to the test.")
    load: Load
    settings: Settings = Field(default_factory=dict)
    sides: dict[SideName, Side] = Field(min_length=2)
    asserts: list[Comparison] = Field(alias="assert", min_length=1)
    cpu_sensitive: bool = Field(False, description="Whether other work on the machine may change what it shows.")
    not_in: dict[Mode, Words] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sides_are_there(self) -> Self:
        if "A" not in self.sides:
            raise ValueError("sides: there must be an A, in which the question arises")
        used = frozenset[str]().union(*(each.sides for each in self.asserts))
        if unknown := used - set(self.sides):
            raise ValueError(f"assert: there is no side {', '.join(sorted(unknown))}")
        if unused := set(self.sides) - used:
            raise ValueError(f"sides: nothing is asserted of {', '.join(sorted(unused))}")
        return self

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return len(self.sides) * (self.load.seconds + OVERHEAD_SECONDS)

    def assignments(self, side: SideName, *, mutated: bool = False) -> dict[str, str]:
        """Return the variables of a side's run; mutated, they are those of side A: its cause is not taken away."""
        own = self.sides["A" if mutated else side].settings
        load = {
            "LOCUST_USERS": str(self.load.users),
            "LOCUST_SPAWN_RATE": str(self.load.users),
            "LOCUST_RUN_TIME": f"{self.load.seconds}s",
            "LAB_REQUEST_PATH": self.load.path,
        }
        return {**load, **self.settings, **own}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a lesson's file, for editors."""
    schema = Lesson.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
