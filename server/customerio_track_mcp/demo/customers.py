"""The example customers that the demo loads."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Any


def read_customers() -> list[dict[str, Any]]:
    """Return the rows of `customers.csv`, each as the arguments of `create_or_update_customer`."""
    text = (files("customerio_track_mcp.demo") / "customers.csv").read_text(encoding="utf-8")
    return [_arguments(row) for row in csv.DictReader(text.splitlines())]


def _arguments(row: dict[str, str]) -> dict[str, Any]:
    attributes: dict[str, Any] = {name: row[name] for name in ("first_name", "last_name", "company", "plan", "country")}
    attributes["seats"] = int(row["seats"])
    return {
        "customer_id": row["customer_id"],
        "email": row["email"],
        "created_at": int(row["created_at"]),
        "attributes": attributes,
    }
