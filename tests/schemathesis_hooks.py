"""Bodies that the fuzzer need not send: numbers that differ from a shorter one in the last bit.

JSON has no other way to write 2.0563 + a rounding error, so we read 15 significant digits and take
`2.0563000000000002` for the 2.0563 that was meant; by `multipleOf` alone it would be wrong.
"""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """Keep the body unless it holds such a number."""
    return not _holds_noise(body)


def _holds_noise(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_noise(each) for each in value.values())
    if isinstance(value, list):
        return any(_holds_noise(each) for each in value)
    return isinstance(value, float) and float(f"{value:.15g}") != value
