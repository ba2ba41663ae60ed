"""Field types that are stricter than pydantic's about the text of a variable."""

import re
from typing import Annotated

from pydantic import BeforeValidator


def _whole(value: object) -> object:
    # pydantic would take "10.0" and "1_000" too.
    if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]+", value.strip()):
        raise ValueError("not a whole number")
    return value


def _decimal(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", value.strip()):
        raise ValueError("not a number")
    return value


def one_of(*words: str) -> BeforeValidator:
    """Takes these texts and no others."""

    def check(value: object) -> object:
        if isinstance(value, str) and value not in words:
            raise ValueError("not one of these")
        return value

    return BeforeValidator(check)


Whole = Annotated[int, BeforeValidator(_whole)]
Decimal = Annotated[float, BeforeValidator(_decimal)]
