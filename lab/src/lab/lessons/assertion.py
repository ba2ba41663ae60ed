"""What a lesson asserts of its runs: one comparison of figures, such as `B.totals.rps / A.totals.rps > 1.8`. Pure.

The text is parsed by Python's own grammar and only the nodes that `_reads` lists are taken; it is never executed.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from lab.document_part import DocumentPart
from lab.lessons.document_path import Value, is_count_by_name, is_single, leaf_type, value_at, values_of
from lab.run_document import RunDocument

_LONGEST = 300
_SIDE = re.compile(r"[A-D]")
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": abs, "min": min, "max": max}
_SUM = "sum"
RULE = "one comparison of figures of runs, such as B.totals.rps / A.totals.rps > 1.8"


class NotMeasured(Exception):
    """A figure that a run does not have."""


class Checked(DocumentPart):
    """An assertion put to runs. `values` are what it compared, constants left out; `figures` what it read for them.

    `because`: why it could not be compared.
    """

    text: str
    holds: bool
    values: list[float | str | bool] = Field(default_factory=list)
    figures: dict[str, Value] = Field(default_factory=dict)
    because: str = ""


@dataclass(frozen=True)
class _Read:
    """A path that an assertion reads: whose run, and where in its document."""

    side: str
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        keys = (f".{key}" if key.isidentifier() else f"[{key!r}]" for key in self.path)
        return self.side + "".join(keys)


class Assertion:
    """A comparison that was found to be one. Raises ValueError for a text that is none, or reads what isn't there."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        if len(self.text) > _LONGEST:
            raise ValueError(f"longer than {_LONGEST} characters")
        try:
            parsed = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{self.text!r} is not {RULE}") from None
        if not isinstance(parsed, ast.Compare):
            raise ValueError(f"{self.text!r} is not {RULE}")
        self._terms: Sequence[ast.expr] = [parsed.left, *parsed.comparators]
        self._comparisons = [self._comparison(each) for each in parsed.ops]
        self._reads = [read for term in self._terms for read in _reads(term)]
        self._check_texts()

    @property
    def sides(self) -> frozenset[str]:
        """The sides whose runs it reads."""
        return frozenset(read.side for read in self._reads)

    def check(self, runs: Mapping[str, RunDocument]) -> Checked:
        """Compare the figures of these runs."""
        figures = {read.text: _shown(value_at(runs[read.side], read.path)) for read in self._reads}
        try:
            values = [_value(term, runs) for term in self._terms]
            pairs = zip(self._comparisons, values, values[1:], strict=False)
            holds = all(_COMPARISONS[each][1](left, right) for each, left, right in pairs)
        except NotMeasured as error:
            return Checked(text=self.text, holds=False, figures=figures, because=f"{error} was not measured")
        except ZeroDivisionError:
            return Checked(text=self.text, holds=False, figures=figures, because="a figure it divides by is 0")
        compared = [_shown(value) for term, value in zip(self._terms, values, strict=True) if next(_reads(term), None)]
        return Checked(text=self.text, holds=holds, values=compared, figures=figures)

    def _comparison(self, found: ast.cmpop) -> type[ast.cmpop]:
        if type(found) not in _COMPARISONS:
            allowed = " ".join(sign for sign, _ in _COMPARISONS.values())
            raise ValueError(f"{self.text!r}: a comparison that is not allowed; allowed: {allowed}")
        return type(found)

    def _check_texts(self) -> None:
        """Raise ValueError where a text is compared that the field can never have."""
        for left, right in zip(self._terms, self._terms[1:], strict=False):
            for text, field in ((left, right), (right, left)):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    allowed = values_of(leaf_type(_path(field).path)) if isinstance(field, _PATHS) else None
                    if allowed is not None and text.value not in allowed:
                        raise ValueError(f"{text.value!r}: not a value of it; allowed: {', '.join(sorted(allowed))}")


_PATHS = (ast.Attribute, ast.Subscript)


def _reads(node: ast.expr) -> Iterator[_Read]:
    """Yield what an expression reads, having checked all of it. Raises ValueError."""
    match node:
        case ast.Constant(value=int() | float() | str()):
            return
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            yield from _reads(left)
            yield from _reads(right)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield from _reads(operand)
        case ast.Call(func=ast.Name(id="sum"), args=[argument], keywords=[]):
            read = _path(argument)
            if not is_count_by_name(leaf_type(read.path)):
                raise ValueError(f"sum({read.text}): only counts by name can be summed, such as A.errors")
            yield read
        case ast.Call(func=ast.Name(id=name), args=[_, *more], keywords=[]) if name in _FUNCTIONS and bool(more) != (
            name == "abs"
        ):
            for argument in node.args:
                yield from _reads(argument)
        case ast.Attribute() | ast.Subscript():
            read = _path(node)
            if not is_single(leaf_type(read.path)):
                raise ValueError(f"{read.text} is not one figure; go on to one of its fields")
            yield read
        case _:
            allowed = ", ".join(sorted([*_FUNCTIONS, _SUM]))
            raise ValueError(
                f"{ast.unparse(node)!r}: not allowed; there are figures of runs, numbers, + - * /, {allowed}"
            )


def _path(node: ast.expr) -> _Read:
    """Return the side and the path of `A.errors["503 pool_exhausted"]`. Raises ValueError."""
    match node:
        case ast.Attribute(value=inner, attr=name) | ast.Subscript(value=inner, slice=ast.Constant(value=str(name))):
            if isinstance(inner, ast.Name):
                if not _SIDE.fullmatch(inner.id):
                    raise ValueError(f"{inner.id!r}: a figure begins with its side, such as A.totals.rps")
                return _Read(inner.id, (name,))
            outer = _path(inner)
            return _Read(outer.side, (*outer.path, name))
    raise ValueError(f"{ast.unparse(node)!r}: not a figure of a run, such as A.totals.rps")


def _value(node: ast.expr, runs: Mapping[str, RunDocument]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, runs), _value(right, runs))
        case ast.UnaryOp(operand=operand):
            return -_value(operand, runs)
        case ast.Call(func=ast.Name(id="sum"), args=[argument]):
            return sum(_at(argument, runs).values())
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_value(each, runs) for each in arguments))
        case _:
            return _at(node, runs)


def _at(node: ast.expr, runs: Mapping[str, RunDocument]) -> Any:
    read = _path(node)
    value = value_at(runs[read.side], read.path)
    if value is None:
        raise NotMeasured(read.text)
    return value


def _shown(value: Any) -> Any:
    """Return a value as it is kept: a sum for counts, text for an enumeration."""
    if isinstance(value, Mapping):
        return sum(value.values())
    return round(value, 4) if isinstance(value, float) else value if isinstance(value, int | None) else str(value)
