"""Read the server's tools through several frameworks, and print what each makes of their parameters, as JSON.

It runs in an environment of its own: `python convert.py COMMAND ARGUMENT...` with the command that starts the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from agents import Agent, RunContextWrapper
from agents.mcp import MCPServerStdio
from agents.mcp.util import MCPUtil
from fastmcp.client.transports import StdioTransport
from google.genai import _mcp_utils
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.test import TestModel
from pydantic_ai.profiles.google import GoogleJsonSchemaTransformer
from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

SECONDS_TO_START = 60
"""The frameworks' default of 5 is too short for a busy machine."""

Schemas = dict[str, Any]
"""By name of the tool: the schema of its parameters."""


async def through_google_genai(session: ClientSession) -> Schemas:
    """Convert the tools for Gemini, whose types are in capital letters."""
    tools = _mcp_utils.mcp_to_gemini_tools((await session.list_tools()).tools)
    declarations = [declaration for tool in tools for declaration in tool.function_declarations or ()]
    return {tool.name: tool.parameters.model_dump(mode="json", exclude_none=True) for tool in declarations}


async def through_langchain(session: ClientSession) -> Schemas:
    """Convert the tools as LangChain's chat models receive them."""
    functions = [convert_to_openai_tool(tool)["function"] for tool in await load_mcp_tools(session)]
    return {function["name"]: function["parameters"] for function in functions}


async def through_openai_agents(command: StdioServerParameters, *, strict: bool) -> Schemas:
    """Convert the tools for OpenAI, in its strict mode if that is possible."""
    parameters = {"command": command.command, "args": command.args, "env": command.env}
    async with MCPServerStdio(params=parameters, client_session_timeout_seconds=SECONDS_TO_START) as server:
        tools = await MCPUtil.get_function_tools(server, strict, RunContextWrapper(None), Agent(name="test"))
    return {tool.name: tool.params_json_schema for tool in tools}


async def through_pydantic_ai(command: StdioServerParameters) -> Schemas:
    """Convert the tools as every model of pydantic-ai receives them, before the model's own changes."""
    model = TestModel(call_tools=[])
    transport = StdioTransport(command.command, command.args, env=command.env)
    await PydanticAgent(model, toolsets=[MCPToolset(transport, init_timeout=SECONDS_TO_START)]).run("test")
    assert model.last_model_request_parameters is not None
    return {tool.name: tool.parameters_json_schema for tool in model.last_model_request_parameters.function_tools}


async def _main(command: str, *arguments: str) -> None:
    parameters = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        converted = {"google-genai": await through_google_genai(session), "langchain": await through_langchain(session)}
    converted["openai-agents"] = await through_openai_agents(parameters, strict=False)
    converted["openai-agents, strict"] = await through_openai_agents(parameters, strict=True)
    converted["pydantic-ai"] = plain = await through_pydantic_ai(parameters)
    for provider, transformer in (("OpenAI", OpenAIJsonSchemaTransformer), ("Google", GoogleJsonSchemaTransformer)):
        converted[f"pydantic-ai, {provider}"] = {name: transformer(schema).walk() for name, schema in plain.items()}
    print(json.dumps(converted))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
