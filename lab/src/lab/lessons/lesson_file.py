"""Lessons as files: `lessons/*.yaml`, read so that a mistake has its file and line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from lab.lessons.lesson import Lesson
from service_kit.exits import UsageError


@dataclass(frozen=True)
class NamedLesson:
    """A lesson and the name that `check` knows it by: that of its file."""

    name: str
    lesson: Lesson


def read_lessons(folder: Path) -> list[NamedLesson]:
    """Return the lessons of a folder by name. Raises UsageError with a line for each mistake in any of them."""
    found: list[NamedLesson] = []
    mistakes: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found.append(NamedLesson(path.stem, read_lesson(path)))
        except UsageError as error:
            mistakes += error.lines
    if mistakes:
        raise UsageError(mistakes)
    return found


def read_lesson(path: Path) -> Lesson:
    """Return the lesson in a file. Raises UsageError with a line for each mistake: `pool.yaml:12: ...`."""
    try:
        text = path.read_text(encoding="utf-8")
        # Every scalar stays a text: YAML 1.1 takes `on` for true, and a variable's value is what its part reads.
        loader = yaml.BaseLoader(text)
        try:
            node = loader.get_single_node()
            mistakes = list(_doubled(node)) if node is not None else []
            content = loader.construct_document(node) if node is not None and not mistakes else None
        finally:
            loader.dispose()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UsageError(f"{path.name}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path.name}: not YAML: {error}") from None
    if mistakes:
        raise UsageError([f"{path.name}:{line}: {words}" for line, words in mistakes])
    try:
        return Lesson.model_validate(content)
    except ValidationError as error:
        raise UsageError([_line(path.name, node, one["loc"], one["msg"]) for one in error.errors()]) from None


def _line(file: str, node: yaml.Node | None, loc: Sequence[int | str], message: str) -> str:
    """Return a mistake as a line. Keys in `loc` that are none of the file's (a model's own) are passed over."""
    line, place = 1, []
    for key in loc:
        found = _child(node, key)
        if found is None:
            place += [key] if node is not None and key not in ("[key]",) else []
            break
        line, node = found
        place.append(key)
    where = ".".join(str(key) for key in place)
    return f"{file}:{line}: {where}{': ' if where else ''}{message.removeprefix('Value error, ')}"


def _child(node: yaml.Node | None, key: int | str) -> tuple[int, yaml.Node] | None:
    """Return the line of a key and the node of its value."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None


def _doubled(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the keys that are in one mapping twice: YAML would take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            if name.value in seen:
                yield name.start_mark.line + 1, f"{name.value}: given twice"
            seen.add(str(name.value))
            yield from _doubled(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _doubled(value)
