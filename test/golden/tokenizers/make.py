"""
Token ids by the reference: Hugging Face's tokenizers for Python, on texts.json and a generated text of 1 MB.

    python make.py [REAL]

trains the two small tokenizers of this folder anew and writes expected/<name>.json for them and, where REAL (a folder of
published tokenizers) is given, for those.

An entry of `texts` is [ids, decoded without special tokens, decoded with them], a text being 0 where it is the source;
more than 64 ids are [count, SHA-256 of them as little-endian u32]. `specials` are the ids before and behind a text that
is encoded with special tokens.
"""

import hashlib
import json
import re
import struct
import sys
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

here = Path(__file__).parent
NAMES = {
    "qwen2.5": "tokenizer-qwen2.5",
    "llama3.2-instruct": "tokenizer-llama3.2-instruct",
    "smollm2": "tokenizer-smollm2",
    "tinyllama-chat": "tokenizer-tinyllama-chat",
    "llama-story": "llama-story-hf",
    "smollm-timothy": "adapter-smollm-timothy",
}


def well_formed(text):
    """A lone surrogate is read as U+FFFD: Python's tokenizers take none."""
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "\ufffd", paired)


def mixed(texts, size):
    """Texts in the order of a Lehmer generator, until they have `size` UTF-16 units."""
    state, length, parts = 1, 0, []
    while length < size:
        state = state * 48271 % 2147483647
        part = texts[state % len(texts)]
        parts.append(part)
        length += len(part.encode("utf-16-le")) // 2
    return "".join(parts)


def short(ids):
    if len(ids) <= 64:
        return ids
    return [len(ids), hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()]


def expected(tokenizer, texts):
    tokenizer.no_truncation()
    tokenizer.no_padding()
    added = tokenizer.get_added_tokens_decoder()
    specials = {id for id, token in added.items() if token.special}
    entries = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        # `skip_special_tokens` does not skip special tokens that are normalized; we do.
        kept = [id for id in ids if id not in specials]
        if not any(token.special and token.normalized for token in added.values()):
            assert tokenizer.decode(ids) == tokenizer.decode(kept)
        decoded = [tokenizer.decode(kept, skip_special_tokens=False), tokenizer.decode(ids, skip_special_tokens=False)]
        entries.append([short(ids), *(0 if back == text else back for back in decoded)])
    framed = tokenizer.encode("x").ids
    bare = tokenizer.encode("x", add_special_tokens=False).ids
    at = next(i for i in range(len(framed)) if framed[i : i + len(bare)] == bare)
    long = mixed(texts, 1_000_000)
    ids = tokenizer.encode(long, add_special_tokens=False).ids
    back = tokenizer.decode(ids, skip_special_tokens=False)
    return {
        "versions": {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__},
        "specials": [framed[:at], framed[at + len(bare) :]],
        "long": [short(ids), hashlib.sha256(back.encode()).hexdigest()],
        "texts": entries,
    }


def train_byte_level(texts):
    """Like Llama 3's: groups of three digits, the whole word first, a begin token; and added tokens of every kind."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"])
    tokenizer.add_tokens(
        [
            AddedToken("<tag>", normalized=False),
            AddedToken("word", single_word=True),
            AddedToken("<left>", lstrip=True, normalized=False),
            AddedToken("<right>", rstrip=True, normalized=True),
        ]
    )
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]),
        ]
    )
    return tokenizer


def train_metaspace(texts):
    """Like Llama 2's in its newer layout: Metaspace, bytes for unknown letters, begin and end tokens."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    # Words are learnt apart: pairs across spaces would make the vocabulary one of sentences.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=specials, limit_alphabet=120, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = [token for token in file["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(file))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return tokenizer


texts = [well_formed(text) for text in json.loads((here / "texts.json").read_text())]
sources = {}
for name, train in {"byte-level": train_byte_level, "metaspace": train_metaspace}.items():
    path = here / f"{name}.json"
    if "--train" in sys.argv:
        path.write_text(json.dumps(json.loads(train(texts).to_str()), ensure_ascii=True, separators=(",", ":")) + "\n")
    sources[name] = path
real = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
if real:
    sources |= {name: Path(real[0]) / folder / "tokenizer.json" for name, folder in NAMES.items()}
(here / "expected").mkdir(exist_ok=True)
for name, path in sources.items():
    entries = expected(Tokenizer.from_file(str(path)), texts)
    (here / "expected" / f"{name}.json").write_text(json.dumps(entries, separators=(",", ":")) + "\n")
    print(name, entries["long"][0], entries["specials"])
