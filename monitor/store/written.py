"""What one process has written, for when it reads it again: mostly the same process publishes, dispatches, delivers."""

from typing import TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


class Written:
    """The last values that were written as JSON, at most `most`, so that whoever reads one back need not parse it."""

    def __init__(self, most: int = 300) -> None:
        self._most = most
        self._values: dict[str, BaseModel] = {}

    def as_json(self, value: BaseModel) -> str:
        """The JSON of a value, which is remembered."""
        body = value.model_dump_json()
        self._values[body] = value
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]
        return body

    def read(self, model: type[Model], body: str) -> Model:
        """The value of JSON, which is forgotten; raises pydantic's ValidationError."""
        value = self._values.pop(body, None)
        return value if isinstance(value, model) else model.model_validate_json(body)
