"""safetensors files as their description says, without the package: 8 bytes of length, a header in JSON, numbers."""
import json
import struct

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I8": "i1", "BOOL": "?"}


def read_safetensors(path):
    """Arrays by name, and the metadata; every promise of the format is held to."""
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    assert length % 8 == 0 and data[8:9] == b"{"
    header, data = json.loads(data[8:8 + length]), data[8 + length:]
    about, arrays, at = header.pop("__metadata__"), {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        kind = np.dtype(TYPES[entry["dtype"]])
        assert begin == at and begin % kind.itemsize == 0, "holes, or arrays that overlap"
        arrays[name] = np.frombuffer(data[begin:end], kind).reshape(entry["shape"])
        at = end
    assert at == len(data)
    return {name: arrays[name] for name in header}, about


def pack_safetensors(arrays, about=None, types=None):
    """Bytes of a file; `types` names a type where it is not the array's own, as BF16's for 16 bits."""
    header, data = {"__metadata__": about} if about else {}, b""
    for name, values in arrays.items():
        values = np.asarray(values)
        kind = (types or {}).get(name) or next(word for word, kind in TYPES.items() if np.dtype(kind) == values.dtype)
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data
