"""The example customers that the demo loads."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

_PACKAGE: Final = Path(__file__).parent
# A wheel carries the file beside this module; a checkout keeps it where a reader looks for examples.
_PLACES: Final = (_PACKAGE / "customers.csv", _PACKAGE.parents[2] / "examples" / "customers.csv")


def read_customers() -> list[dict[str, Any]]:
    """The rows of `examples/customers.csv`, each as the arguments of `create_or_update_customer`."""
    place = next(place for place in _PLACES if place.exists())
    with place.open(encoding="utf-8", newline="") as file:
        return [_arguments(row) for row in csv.DictReader(file)]


def _arguments(row: dict[str, str]) -> dict[str, Any]:
    attributes: dict[str, Any] = {name: row[name] for name in ("first_name", "last_name", "company", "plan", "country")}
    attributes["seats"] = int(row["seats"])
    return {
        "customer_id": row["customer_id"],
        "email": row["email"],
        "created_at": int(row["created_at"]),
        "attributes": attributes,
    }
