"""A lesson for tests, and lessons/lesson.schema.json: `python tests/support/lesson_files.py` writes the schema."""

import json
import sys
from pathlib import Path

from lab.lessons.lesson import json_schema

SCHEMA = Path(__file__).parents[2] / "lessons" / "lesson.schema.json"

FASTER = """\
title: More connections
subject: pool
question: Why?
answer: Because.
sources: [seeds]
load: {users: 4, seconds: 2}
sides:
  A: {name: five, settings: {PROXY_MAX_CONNECTIONS: 5}}
  B: {name: ten, settings: {PROXY_MAX_CONNECTIONS: 10}}
assert:
  - B.totals.rps / A.totals.rps > 1.8
"""


def schema_text() -> str:
    return json.dumps(json_schema(), indent=1) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
    sys.exit(0)
