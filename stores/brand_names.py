"""Names of brands, for answers that only know their ids."""

from collections.abc import Sequence

from stores.postgres import Postgres

_NAMES = "SELECT id, name FROM brand WHERE id = ANY($1::bigint[])"


class BrandNames:
    """Reads names from PostgreSQL; raises `StoreUnavailable`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def fetch(self, brand_ids: Sequence[int]) -> dict[int, str]:
        """Names by id; brands that are gone are left out."""
        rows = await self._postgres.fetch(_NAMES, list(brand_ids))
        return {row["id"]: row["name"] for row in rows}
