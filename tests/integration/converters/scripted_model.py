"""A model for the example of docs/rehearse.md: it tries to unsubscribe a customer, and accepts that it may not."""

from __future__ import annotations

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Call a tool, call it again without what it has refused, and report."""
    del info
    results = [part.content for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if len(results) == 2:
        return ModelResponse([TextPart("The city is Porto. Somebody must unsubscribe the customer by hand.")])
    attributes: dict[str, object] = {"city": "Porto"}
    if not results:
        attributes["unsubscribed"] = True
    elif "is a reserved key" not in str(results[0]):
        return ModelResponse([TextPart(f"This is not the result of a refused call: {results[0]}")])
    arguments = {"customer_id": "1201", "email": "vera.costa@example.com", "attributes": attributes}
    return ModelResponse([ToolCallPart("create_or_update_customer", arguments)])


MODEL = FunctionModel(respond)
