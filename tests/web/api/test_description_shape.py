"""The types of the description, from which generators make clients that a later release must not break."""

import re
from typing import Any

import pytest

from telemetry_service.web.api.openapi_shape import CLOSED_ENUMS, RETENTION_DAYS, every_schema
from tests.support.running import Running

OF_GENERATORS = {
    *("ApiClient", "ApiException", "ApiResponse", "APIClient", "APIKey", "APIResponse", "BasicAuth", "Configuration"),
    *("Error", "GenericOpenAPIError", "JSON", "Middleware", "Pair", "RequestContext", "ResponseContext"),
    *("ServerConfiguration", "ServerVariable", "StringUtil", "Client", "AuthenticatedClient", "File", "Unset"),
}
"""What the clients of openapi-generator and openapi-python-client call their own classes."""

Schemas = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def description(shared: Running) -> dict[str, Any]:
    found: dict[str, Any] = shared.call(None, "GET", "openapi.json").json()
    return found


@pytest.fixture(scope="module")
def schemas(description: dict[str, Any]) -> Schemas:
    found: Schemas = description["components"]["schemas"]
    return found


def test_answers_are_open_and_what_comes_in_is_closed(schemas: Schemas) -> None:
    objects = {name: schema["additionalProperties"] for name, schema in schemas.items() if "properties" in schema}
    closed = {name for name, is_open in objects.items() if is_open is False}
    assert {name for name, is_open in objects.items() if is_open is True} == objects.keys() - closed
    assert not {name for name in closed if name.endswith("Response")}
    assert {"UsageBatch", "UsageReport", "TelemetryConfiguration", "ReportedLicense", "TokenInput"} <= closed
    assert objects["Problem"] is objects["FieldError"] is objects["BouncerPairs"] is True


def test_every_whole_number_has_64_bits(description: dict[str, Any]) -> None:
    numbers = [schema for schema in every_schema(description) if schema.get("type") == "integer"]
    assert len(numbers) > 50
    assert {number.get("format") for number in numbers} == {"int64"}


def test_names_are_unique_also_for_generators(schemas: Schemas) -> None:
    assert not schemas.keys() & OF_GENERATORS
    assert not {name for name in schemas if f"New{name}" in schemas}, "Go has a function with this name"
    assert all(re.fullmatch("[A-Za-z]+", name) for name in schemas), "without the path of a module"
    assert schemas["TelemetryAggregatePayload"]["properties"]["transmitted_at"]


def test_each_enum_is_one_component_and_says_whether_it_grows(schemas: Schemas, description: dict[str, Any]) -> None:
    lists = [schema for schema in every_schema(description) if "enum" in schema or "x-extensible-enum" in schema]
    enums = {name: schema for name, schema in schemas.items() if schema in lists}
    assert len(enums) == len(lists), "none stands inside another schema"
    values = [str(value) for schema in lists for value in schema.get("enum", ())]
    assert len(set(values)) == len(values), "Go has one name space for the values of all enums"
    assert {name for name, schema in enums.items() if "enum" in schema} == CLOSED_ENUMS | {RETENTION_DAYS}
    for name, schema in enums.items():
        assert ("enum" in schema) or "New values may be added" in schema["description"], name


def test_an_enum_that_grows_is_still_closed_where_it_comes_in(schemas: Schemas, description: dict[str, Any]) -> None:
    assert "pattern" not in schemas["LicenseResponse"]["properties"]["tier"]
    filters = description["paths"]["/api/v1/telemetry/history"]["get"]["parameters"]
    assert re.fullmatch(next(one["schema"]["pattern"] for one in filters if one["name"] == "status"), "success")


def test_a_report_of_the_license_has_no_defaults_that_a_client_would_send(schemas: Schemas) -> None:
    assert not [name for name, member in schemas["ReportedLicense"]["properties"].items() if "default" in member]
    overlap = schemas["ApiKeyToSave"]["properties"]["overlap"]
    assert ("default" in overlap, overlap["description"].endswith("`true` if omitted.")) == (False, True)


def test_no_parameter_is_null(description: dict[str, Any]) -> None:
    calls = [call for path in description["paths"].values() for call in path.values()]
    parameters = [parameter["schema"] for call in calls for parameter in call.get("parameters", ())]
    assert parameters
    assert all(("type" in schema) or ("$ref" in schema) for schema in parameters)
