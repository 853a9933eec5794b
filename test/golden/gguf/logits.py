"""Logits of real GGUF files by a float64 forward pass in numpy over the weights that gguf-py dequantises.

    pip install gguf==0.19.0 numpy==2.4.6 tokenizers==0.23.3
    python logits.py MODEL.gguf tokenizer.json > NAME-logits.json

Written for the arch llama as its files pair rotary positions (neighbours), and for qwen2 (halves): nothing is permuted, so
that what permutes is held to account. Of every prompt: its ids, the ten largest logits behind its last token, and every
97th of them.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from tokenizers import Tokenizer

PROMPTS = [
    "The capital of France is",
    "<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n<|im_start|>assistant\n",
    "def fibonacci(n):\n    if n < 2:\n        return",
]


def load(path):
    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if len(field.data) == 1}
    tensors = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        tensors[tensor.name] = values.reshape(tensor.shape[::-1]).astype(np.float64)
    return fields, tensors


def norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def turn(x, theta, neighbours):
    length, _, size = x.shape
    angles = np.arange(length)[:, None] * theta ** (-np.arange(0, size, 2) / size)[None, :]
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    out = np.empty_like(x)
    if neighbours:
        a, b = x[..., 0::2], x[..., 1::2]
        out[..., 0::2], out[..., 1::2] = a * cos - b * sin, a * sin + b * cos
    else:
        a, b = x[..., : size // 2], x[..., size // 2:]
        out[..., : size // 2], out[..., size // 2:] = a * cos - b * sin, a * sin + b * cos
    return out


def forward(fields, tensors, ids):
    arch = fields["general.architecture"]
    key = lambda name: fields[f"{arch}.{name}"]
    heads, kv_heads = key("attention.head_count"), key("attention.head_count_kv")
    eps, theta = key("attention.layer_norm_rms_epsilon"), key("rope.freq_base")
    # Float32 constants stand for decimal ones, which a configuration has.
    eps, theta = float(f"{eps:.6g}"), float(theta)
    x = tensors["token_embd.weight"][ids]
    length = len(ids)
    size = key("embedding_length") // heads
    mask = np.triu(np.full((length, length), -np.inf), 1)
    for layer in range(key("block_count")):
        get = lambda name: tensors[f"blk.{layer}.{name}"]
        bias = lambda name: tensors.get(f"blk.{layer}.{name}.bias", 0)
        h = norm(x, get("attn_norm.weight"), eps)
        project = lambda name, n: (h @ get(f"{name}.weight").T + bias(name)).reshape(length, n, size)
        q = turn(project("attn_q", heads), theta, arch == "llama")
        k = turn(project("attn_k", kv_heads), theta, arch == "llama")
        v = project("attn_v", kv_heads)
        k, v = np.repeat(k, heads // kv_heads, axis=1), np.repeat(v, heads // kv_heads, axis=1)
        scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(size) + mask
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        x = x + np.einsum("hts,shd->thd", weights, v).reshape(length, -1) @ get("attn_output.weight").T
        h = norm(x, get("ffn_norm.weight"), eps)
        gate = h @ get("ffn_gate.weight").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ get("ffn_up.weight").T)) @ get("ffn_down.weight").T
    x = norm(x[-1], tensors["output_norm.weight"], eps)
    return tensors.get("output.weight", tensors["token_embd.weight"]) @ x


def main(path, tokenizer_path):
    fields, tensors = load(path)
    tokenizer = Tokenizer.from_file(tokenizer_path)
    rows = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt, add_special_tokens=False).ids
        logits = forward(fields, tensors, ids)
        best = np.argsort(-logits)[:10]
        rows.append({"prompt": prompt, "ids": ids, "top": [[int(i), float(logits[i])] for i in best], "every97th": [float(f"{v:.9g}") for v in logits[::97]]})
    print(json.dumps({"generator": "logits.py, gguf 0.19.0, numpy 2.4.6", "file": Path(path).name, "rows": rows}))


main(sys.argv[1], sys.argv[2])
