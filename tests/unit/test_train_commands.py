"""What the training commands refuse."""

import pytest

from bidding.errors import InvalidRequest
from cli.train_commands import refuse_conversions


def test_a_model_of_conversions_is_not_judged_on_clicks() -> None:
    refuse_conversions("adbid-ctr@champion", "ctr")
    with pytest.raises(InvalidRequest, match="adbid-cvr@champion predicts conversions"):
        refuse_conversions("adbid-cvr@champion", "cvr")
