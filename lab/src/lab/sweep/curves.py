"""The predicted curve beside the measured points of a sweep."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from lab.document_part import DocumentPart
from lab.prediction.from_settings import ReportedSettings, Unpredictable
from lab.prediction.promise import changed
from lab.prediction.workload import Forecast

_POINTS = 40


class CurvePoint(DocumentPart):
    """A forecast at a value of the variable that the figure is over."""

    value: float
    forecast: Forecast


def curve(settings: ReportedSettings, variable: str, values: Sequence[float]) -> list[CurvePoint]:
    """Return forecasts at these values and between them, [] where the model doesn't know the variable.

    Between whole numbers are whole numbers only. `settings` are those with the largest value: the others that follow
    from the variable do not bound it then.
    """
    whole = all(value.is_integer() for value in values)
    low, high = min(values), max(values)
    steps = {low + (high - low) * step / _POINTS for step in range(_POINTS + 1)} | set(values)
    points = sorted({float(round(step)) for step in steps} if whole else steps)
    try:
        return [CurvePoint(value=value, forecast=forecast_at(settings, variable, value)) for value in points]
    except Unpredictable:
        return []


def forecast_at(settings: ReportedSettings, variable: str, value: float) -> Forecast:
    """Return the forecast with a variable at that value. Raises Unpredictable."""
    number: JsonValue = int(value) if value.is_integer() else value
    change: Mapping[str, JsonValue] = {variable: number}
    with_it = changed(settings, change)
    return with_it.forecast(with_it.workload())
