"""Blocks of every type with the values that gguf-py gives them, values that it quantises, and a file that it writes.

    pip install gguf==0.19.0 numpy==2.4.6
    python make.py

Scales are small numbers: random bits would be infinite or no number now and then, which no model holds.
"""

import base64
import hashlib
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES

HERE = Path(__file__).parent
BLOCKS = 4
# Where the float16 scales of a block lie.
SCALES = {
    "F32": [], "F16": [], "BF16": [],
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_XS": [0],
}
random = np.random.default_rng(20261130)


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def block_bytes(name):
    elements, size = GGML_QUANT_SIZES[T[name]]
    if name in ("F32", "F16", "BF16"):
        values = random.normal(size=BLOCKS * 32).astype(np.float32)
        if name == "F32":
            return values.view(np.uint8)
        if name == "F16":
            return values.astype(np.float16).view(np.uint8)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    rows = random.integers(0, 256, size=(BLOCKS, size), dtype=np.uint8)
    for at in SCALES[name]:
        scale = random.normal(size=BLOCKS).astype(np.float16)
        # The last of each type is subnormal.
        scale[-1] = np.float16(3e-7)
        rows[:, at:at + 2] = scale.view(np.uint8).reshape(BLOCKS, 2)
    return rows.reshape(-1)


def blocks():
    out = {}
    for name in SCALES:
        raw = block_bytes(name)
        values = quants.dequantize(raw, T[name])
        out[name] = {"bytes": encoded(raw), "values": encoded(values.astype("<f4"))}
    return out


def quantised():
    values = np.concatenate([
        random.normal(size=96),
        random.normal(size=32) * 1e-6,
        np.zeros(32),
        [0.5, -0.5, 1.5, 2.5, 127.0, -127.0, 1e-8, -1e-8] * 4,
        [65504.0, 65519.0, -65519.0, 6.1e-5, 5.9e-8, 2.9e-8, 3.0e-8, 1.0] * 4,
    ]).astype(np.float32)
    return {
        "values": encoded(values),
        **{name: encoded(quants.quantize(values, T[name])) for name in ("F16", "BF16", "Q8_0")},
    }


def file():
    path = HERE / "written-by-gguf-py.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_uint8("a.u8", 255)
    writer.add_int8("a.i8", -128)
    writer.add_uint16("a.u16", 65535)
    writer.add_int16("a.i16", -32768)
    writer.add_uint32("a.u32", 4294967295)
    writer.add_int32("a.i32", -2147483648)
    writer.add_float32("a.f32", 1e-5)
    writer.add_uint64("a.u64", 2**63 + 1)
    writer.add_int64("a.i64", -(2**63))
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "naïve 🦭\n")
    writer.add_array("a.strings", ["", "a", "Ġb", "▁c"])
    writer.add_array("a.ints", [1, -2, 3])
    writer.add_array("a.floats", [0.5, -1.5])
    writer.add_array("a.flags", [True, False])
    tensors = {}
    values = random.normal(size=(3, 64)).astype(np.float32)
    writer.add_tensor("plain", values)
    tensors["plain"] = values
    for name, kind in (("eight", T.Q8_0), ("half", T.F16), ("four", T.Q4_0)):
        data = quants.quantize(values, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
        tensors[name] = quants.dequantize(data, kind)
    vector = random.normal(size=5).astype(np.float32)
    writer.add_tensor("vector", vector)
    tensors["vector"] = vector
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {name: {"shape": list(value.shape), "values": encoded(value.astype("<f4"))} for name, value in tensors.items()}, path


if __name__ == "__main__":
    tensors, path = file()
    golden = {
        "generator": "make.py, gguf 0.19.0, numpy 2.4.6, seed 20261130",
        "blocks": blocks(),
        "quantised": quantised(),
        "tensors": tensors,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (HERE / "blocks.json").write_text(json.dumps(golden, indent=1) + "\n")
