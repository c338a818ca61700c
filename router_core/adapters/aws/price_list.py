"""On-demand token prices of Bedrock's models from AWS's Price List API, for a region, in USD per million tokens.

The API names a model by words, so only models whose words our dated data holds (`price_list`) are looked up, and a price is
taken only if exactly one on-demand product matches each direction: a wrong match would make a dear model look cheap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, store_errors
from router_core.errors import StoreError
from router_core.record import dataclass

if TYPE_CHECKING:
    from types_boto3_pricing import PricingClient

REGION: Final = "us-east-1"
"""Where the service itself is; it knows the prices of all regions."""
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "AccessDeniedException": (StoreError, "may not be used with these credentials"),
    "ExpiredNextTokenException": (StoreError, "forgot where it was"),
    "InternalErrorException": (StoreError, "failed by itself"),
    "InvalidNextTokenException": (StoreError, "forgot where it was"),
    "InvalidParameterException": (StoreError, "does not accept such a request"),
    "NotFoundException": (StoreError, "does not know this service"),
    "ResourceNotFoundException": (StoreError, "does not know this service"),
    "ThrottlingException": (StoreError, "is throttled"),
}
_DIRECTIONS: Final = {"price_in": "Input tokens", "price_out": "Output tokens"}
_FEATURE: Final = "On-demand Inference"
_PER_MILLION: Final = {"1K tokens": 1e3, "1M tokens": 1.0}
_PAGES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """USD per million tokens."""

    price_in: float
    price_out: float


class PriceList:
    """Blocks: for a command or a thread."""

    def __init__(self, client: PricingClient) -> None:
        self._client = client

    def price(self, words: str, region: str) -> TokenPrice:
        """The price of the model that the list calls `words`. Raises `StoreError`, also where it is not one price."""
        products = [json.loads(text) for text in self._products(words, region)]
        return TokenPrice(**{key: _one(products, told) for key, told in _DIRECTIONS.items()})

    def _products(self, words: str, region: str) -> Iterator[str]:
        wanted = {"model": words, "regionCode": region, "feature": _FEATURE}
        given: dict[str, Any] = {
            "ServiceCode": "AmazonBedrock",
            "FormatVersion": "aws_v1",
            "Filters": [
                {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()
            ],
        }
        for _ in range(_PAGES):
            with store_errors("the price list", FAULTS):
                page = self._client.get_products(**given)
            yield from page.get("PriceList", ())
            if not page.get("NextToken"):
                return
            given["NextToken"] = page["NextToken"]
        raise StoreError(f"the price list has no end for {words}")


def _one(products: list[Mapping[str, Any]], direction: str) -> float:
    """The one price of a direction."""
    found = {
        price
        for product in products
        if product.get("product", {}).get("attributes", {}).get("inferenceType") == direction
        for price in _prices(product)
    }
    if len(found) != 1:
        raise StoreError(f"the price list has {len(found)} prices for {direction.lower()}, not one")
    return found.pop()


def _prices(product: Mapping[str, Any]) -> Iterator[float]:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            scale = _PER_MILLION.get(dimension.get("unit"))
            if scale is None:
                raise StoreError("the price list counts in a unit that is not known here")
            yield round(float(dimension["pricePerUnit"]["USD"]) * scale, 9)
