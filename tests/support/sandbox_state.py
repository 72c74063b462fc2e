"""Read the sandbox's state over HTTP."""

from __future__ import annotations

from typing import Any, Final

import httpx

AUTH: Final = ("sandbox", "sandbox")


async def state_of(http: httpx.AsyncClient) -> dict[str, Any]:
    state: dict[str, Any] = (await http.get("/_sandbox/state")).json()
    return state


async def drops_of(http: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Return what was dropped, with the reasons."""
    return [(entry["what"], entry["reason"]) for entry in (await state_of(http))["dropped"]]


async def send_requests(url: str) -> dict[str, Any]:
    """Send requests of every kind to the sandbox at `url`; return its state."""
    async with httpx.AsyncClient(base_url=url, auth=AUTH, trust_env=False) as http:
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com", "plan": "pro"})
        await http.put("/api/v1/customers/1", json={"plan": "free"})
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
        await http.post("/api/v1/segments/2/add_customers", json={"ids": ["1", "nobody"]})
        return await state_of(http)
