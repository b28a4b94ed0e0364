"""The JSON Schema of monitor.yaml, for editors: the forms that values are written in, not those they are read as."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from monitor.config import Config
from monitor.config.secrets import takes_file
from monitor.config.shown import as_written

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/{model}"
_SCALAR = {"type": ["string", "number"]}
_VARIABLE = r"\$\{[^}]+\}"
_DURATION = {"type": "string", "pattern": rf"^ *([0-9.]+ *(ms|s|m|h|d) *)+$|{_VARIABLE}", "examples": ["90s", "12h"]}


def schema(options: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The schema of a configuration; `options` are the options models of the kinds of receivers."""
    document = Config.model_json_schema(schema_generator=_Written)
    feeds = document["properties"]["feeds"]
    feeds["items"] = {"anyOf": [{"type": "string", "format": "uri"}, feeds["items"]]}
    document["$defs"]["ReceiverConfig"] = {"oneOf": [_receiver(kind, options[kind], document) for kind in options]}
    return {"$schema": _DIALECT} | document


def _receiver(kind: str, model: type[BaseModel], document: dict[str, Any]) -> dict[str, Any]:
    made = model.model_json_schema(schema_generator=_Written, ref_template=_REFERENCE)
    document["$defs"] |= made.pop("$defs", {})
    made["properties"] = {"type": {"const": kind}} | made.get("properties", {})
    made["required"] = ["type", *made.get("required", [])]
    return made


class _Written(GenerateJsonSchema):
    """Knows what stands before a validator: one for a list, and text where an object comes of it."""

    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        function = schema["function"]["function"]
        name = getattr(function, "__name__", "")
        if name == "parse_duration":
            return dict(_DURATION)
        if name == "_bare_url":
            return self.generate_inner(schema["schema"])
        if name == "_off":
            return {"anyOf": [{"const": "off"}, self.generate_inner(schema["schema"])]}
        if name == "one_or_many":
            many = self.generate_inner(schema["schema"])
            return {"anyOf": [many.get("items", {}), many]}
        # Whatever else stands before a validator reads one text as something else.
        return dict(_SCALAR)

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """A secret may stand in a file: then `X_file` takes the place of X."""
        made, fields = super().model_schema(schema), schema["cls"].model_fields
        keys = {field.alias or name: field for name, field in fields.items()}
        filed = [key for key, field in keys.items() if takes_file(key, field)]
        for key in filed:
            made["properties"][f"{key}_file"] = {"type": "string", "description": f"a file that holds {key}"}
        wanted = [key for key in made.get("required", []) if key in filed]
        if wanted:
            made["required"] = [key for key in made["required"] if key not in filed]
            made["allOf"] = [{"anyOf": [{"required": [key]}, {"required": [f"{key}_file"]}]} for key in wanted]
        return made

    def int_schema(self, schema: Any) -> dict[str, Any]:
        return _or_variable(super().int_schema(schema))

    def float_schema(self, schema: Any) -> dict[str, Any]:
        return _or_variable(super().float_schema(schema))

    def bool_schema(self, schema: Any) -> dict[str, Any]:
        return _or_variable(super().bool_schema(schema))

    def encode_default(self, dft: Any) -> Any:
        return as_written(dft)


def _or_variable(written: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [written, {"type": "string", "pattern": _VARIABLE}]}
