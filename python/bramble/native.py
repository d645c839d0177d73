"""Trained networks at work on NumPy arrays: libbramble by way of ctypes.

    from bramble import native

    with native.Model("run.h5") as model:
        shares = model.predict(images)          # uint8 [n][channels][height][width] to float32 [n][classes]
        print(model.classes[shares[0].argmax()])

The library is found where the system looks for libraries, or where the environment variable BRAMBLE_LIBRARY says
(`make install`, Debian's libbramble0).  What it says in C stands in bramble.h.
"""
from __future__ import annotations

import ctypes
import os
import threading
from types import TracebackType

import numpy as np

ABI = 0
_MAX_DIMS = 4


class Error(Exception):
    """What the library could not do, in its own words; `kind` is 1 for the environment's failures, 2 for mistakes."""

    def __init__(self, kind: int, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class _Error(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("text", ctypes.c_char * 1024)]


class _Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("n_dims", ctypes.c_int), ("dims", ctypes.c_size_t * _MAX_DIMS),
                ("offset", ctypes.c_size_t), ("count", ctypes.c_size_t), ("trained", ctypes.c_bool)]


_MODEL, _TEXT, _SIZE, _ERR = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(_Error)
_FUNCTIONS = {
    "abi": (ctypes.c_int, []),
    "version": (_TEXT, []),
    "load": (_MODEL, [_TEXT, _ERR]),
    "free": (None, [_MODEL]),
    "name": (_TEXT, [_MODEL]),
    "channels": (ctypes.c_int, [_MODEL]),
    "height": (ctypes.c_int, [_MODEL]),
    "width": (ctypes.c_int, [_MODEL]),
    "classes": (ctypes.c_int, [_MODEL]),
    "class_name": (_TEXT, [_MODEL, ctypes.c_int]),
    "normalisation": (_TEXT, [_MODEL]),
    "weights": (_SIZE, [_MODEL]),
    "get_weights": (None, [_MODEL, ctypes.c_void_p]),
    "tensor_at": (ctypes.c_bool, [_MODEL, _SIZE, ctypes.POINTER(_Tensor)]),
    "set": (ctypes.c_bool, [_MODEL, _TEXT, ctypes.c_double, _ERR]),
    "predict": (ctypes.c_bool, [_MODEL, ctypes.c_void_p, _SIZE, ctypes.c_void_p, _ERR]),
    "logits": (ctypes.c_bool, [_MODEL, ctypes.c_void_p, _SIZE, ctypes.c_void_p, _ERR]),
}


def library(path: str | os.PathLike[str] | None = None) -> ctypes.CDLL:
    """The shared library, its functions declared; OSError where there is none, RuntimeError where it is of another ABI."""
    name = os.fspath(path) if path else os.environ.get("BRAMBLE_LIBRARY") or f"libbramble.so.{ABI}"
    loaded = ctypes.CDLL(name)
    for function, (result, arguments) in _FUNCTIONS.items():
        declared = getattr(loaded, f"bramble_{function}")
        declared.restype, declared.argtypes = result, arguments
    if loaded.bramble_abi() != ABI:
        raise RuntimeError(f"{name} has ABI {loaded.bramble_abi()}, this module is for {ABI}")
    return loaded


class Model:
    """A network with its weights, from a result file of `bramble train`.

    May be used by several threads, one after the other: a call waits until the one before has returned.
    """

    name: str
    shape: tuple[int, int, int]  #: of an image: channels, height, width
    classes: tuple[str, ...]
    normalisation: str  #: as --normalise takes it

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None,
                 library_path: str | os.PathLike[str] | None = None) -> None:
        """Load `path`; compute with `threads` threads (None: as many as the process may use cores)."""
        self._model = None
        self._lock = threading.Lock()
        self._library = at = library(library_path)
        err = _Error()
        self._model = at.bramble_load(os.fsencode(path), err)
        self._check(bool(self._model), err)
        self.name = at.bramble_name(self._model).decode()
        self.shape = (at.bramble_channels(self._model), at.bramble_height(self._model), at.bramble_width(self._model))
        self.classes = tuple(at.bramble_class_name(self._model, k).decode(errors="replace")
                             for k in range(at.bramble_classes(self._model)))
        self.normalisation = at.bramble_normalisation(self._model).decode()
        n_threads = len(os.sched_getaffinity(0)) if threads is None else threads
        self._check(at.bramble_set(self._model, b"threads", n_threads, err), err)

    @staticmethod
    def _check(good: bool, err: _Error) -> None:
        if not good:
            raise Error(err.kind, err.text.decode(errors="replace"))

    def _run(self, function: str, images: np.ndarray) -> np.ndarray:
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            raise TypeError(f"images are bytes, an array of uint8, not {getattr(images, 'dtype', type(images).__name__)}")
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise ValueError(f"images of the shape {images.shape}: model {self.name} takes (n, {', '.join(map(str, self.shape))})")
        given = np.ascontiguousarray(images)
        out = np.empty((len(given), len(self.classes)), np.float32)
        err = _Error()
        with self._lock:
            if self._model is None:
                raise ValueError("the model is closed")
            if len(given):
                good = getattr(self._library, f"bramble_{function}")(self._model, given.ctypes.data, len(given), out.ctypes.data, err)
                self._check(good, err)
        return out

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities, [n][classes], of uint8 images [n][channels][height][width]."""
        return self._run("predict", images)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """What the probabilities are the softmax of."""
        return self._run("logits", images)

    def weights(self) -> dict[str, np.ndarray]:
        """All weights by their names in PyTorch's state_dict, in its order; copies."""
        part, found = _Tensor(), {}
        with self._lock:
            if self._model is None:
                raise ValueError("the model is closed")
            flat = np.empty(self._library.bramble_weights(self._model), np.float32)
            self._library.bramble_get_weights(self._model, flat.ctypes.data)
            k = 0
            while self._library.bramble_tensor_at(self._model, k, part):
                values = flat[part.offset:part.offset + part.count]
                found[part.name.decode()] = values.reshape(part.dims[:part.n_dims]).copy()
                k += 1
        return found

    def close(self) -> None:
        """Release the memory; the model cannot be used any more."""
        with self._lock:
            if self._model is not None:
                self._library.bramble_free(self._model)
            self._model = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_model", None) is not None:
            self.close()
