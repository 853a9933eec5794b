"""
Speed of the reference on texts.json repeated to 1 MB (see make.py), one thread, MB/s: python speed.py FILE...

The first of three passes has an empty cache.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer


def mixed(texts, size):
    state, parts, length = 1, [], 0
    while length < size:
        state = state * 48271 % 2147483647
        parts.append(texts[state % len(texts)])
        length += len(parts[-1].encode("utf-16-le")) // 2
    return "".join(parts)


texts = json.loads(Path(__file__).with_name("texts.json").read_text())
texts = [text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") for text in texts]
text = mixed(texts, 1_000_000)
for path in sys.argv[1:]:
    started = time.perf_counter()
    tokenizer = Tokenizer.from_file(path)
    loaded = time.perf_counter()
    tokenizer.no_truncation()
    tokenizer.no_padding()
    speeds = []
    for _ in range(3):
        begun = time.perf_counter()
        tokenizer.encode(text, add_special_tokens=False)
        speeds.append(len(text.encode()) / 1e6 / (time.perf_counter() - begun))
    print(path, f"load {loaded - started:.2f} s, encode {', '.join(f'{speed:.2f}' for speed in speeds)} MB/s")
