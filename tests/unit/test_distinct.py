import numpy as np

from bidding.distinct import DistinctRows


def kinds_of(matrix: np.ndarray, margin: np.ndarray) -> list[int] | None:
    found = DistinctRows(matrix.shape[1]).of(matrix.astype(np.float32), margin.astype(np.float32))
    return None if found is None else found[1].tolist()


def test_repeated_rows_share_a_kind_and_others_do_not() -> None:
    matrix = np.array([[1, 2], [3, 4]] * 8)
    found = DistinctRows(2).of(matrix.astype(np.float32), np.zeros(16, np.float32))
    assert found is not None
    first, kind = found
    assert len(first) == 2
    assert (matrix[first][kind] == matrix).all()


def test_the_same_columns_with_another_margin_are_another_kind() -> None:
    found = kinds_of(np.ones((16, 3)), np.repeat([0.0, 1.0], 8))
    assert found is not None
    assert len(set(found)) == 2


def test_missing_values_are_alike() -> None:
    matrix = np.full((16, 2), np.nan)
    assert kinds_of(matrix, np.zeros(16)) == [0] * 16


def test_it_stops_looking_where_rows_differ_and_looks_again_later() -> None:
    distinct = DistinctRows(1)
    different = np.arange(16, dtype=np.float32).reshape(-1, 1)
    alike, margin = np.ones((16, 1), np.float32), np.zeros(16, np.float32)
    assert distinct.of(different, margin) is None
    seen = [distinct.of(alike, margin) is not None for _ in range(40)]
    assert not seen[0]
    assert seen[-1]
