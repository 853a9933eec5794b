"""Token ids of hard strings by SentencePiece itself, for the vocabulary of a GGUF file.

    pip install gguf==0.19.0 sentencepiece==0.2.3 protobuf
    python tokens.py gemma-3-270m.Q4_K_M.gguf > gemma-tokens.json

A model is put together from the file's pieces, scores and types, and encodes: nothing of it knows of merges. Texts with the
names of control tokens are left out, which SentencePiece never reads.
"""

import json
import sys

from gguf import GGUFReader
from sentencepiece import SentencePieceProcessor
from sentencepiece import sentencepiece_model_pb2 as pb

TEXTS = [
    "", " ", "  ", "   a", "a ", "a  b", "Hello, world!", "The capital of France is Paris.",
    "\n", "\n\n\n", "line\nline\r\n\tindented\t\ttwice", "    def f(x):\n        return x ** 2\n", " " * 40 + "x" + "\t" * 35,
    "1234567890 3.14 1,000", "naïve café Ünïcödé", "e\u0301 é", "日本語のテキスト、中文和한국어", "Привет мир", "مرحبا بالعالم", "नमस्ते दुनिया",
    "🦭🏳️‍🌈👩‍👩‍👧 emoji", "\u0000\u0001\u007f", "\u00a0\u2003\u200b", "▁▁a▁b", "<0x0A>", "<b>bold</b><table><tr>", "𐍈𐎀 rare 𖤐",
    "https://example.org/a?b=c&d=%20", "don't can't I'll we've", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaa" * 50, "antidisestablishmentarianism",
    "SELECT * FROM t WHERE a<>b;", "\u2581", "mixed\u2028line\u2029para", "ﬁ ligature ½ ² Ⅳ", "\ud7ff\ue000\ufffd",
]


def main(path):
    fields = GGUFReader(path).fields
    model = pb.ModelProto()
    tokens = fields["tokenizer.ggml.tokens"].contents()
    scores = fields["tokenizer.ggml.scores"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    kinds = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6}
    unknown = fields["tokenizer.ggml.unknown_token_id"].contents()
    for i, (token, score, kind) in enumerate(zip(tokens, scores, types)):
        piece = model.pieces.add()
        # The conversion writes user-defined pieces as they stand in a text.
        piece.piece = token.replace(" ", "▁") if kind == 4 else token
        piece.score = score
        piece.type = 2 if i == unknown else kinds[kind]
    model.trainer_spec.model_type = pb.TrainerSpec.BPE
    model.trainer_spec.vocab_size = len(tokens)
    model.trainer_spec.byte_fallback = True
    model.trainer_spec.unk_id = unknown
    model.trainer_spec.bos_id = fields["tokenizer.ggml.bos_token_id"].contents()
    model.trainer_spec.eos_id = fields["tokenizer.ggml.eos_token_id"].contents()
    model.trainer_spec.pad_id = fields["tokenizer.ggml.padding_token_id"].contents()
    model.trainer_spec.unk_piece = tokens[unknown]
    model.trainer_spec.bos_piece = tokens[model.trainer_spec.bos_id]
    model.trainer_spec.eos_piece = tokens[model.trainer_spec.eos_id]
    model.trainer_spec.pad_piece = tokens[model.trainer_spec.pad_id]
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    processor = SentencePieceProcessor(model_proto=model.SerializeToString())
    rows = [{"text": text, "ids": processor.encode(text)} for text in TEXTS]
    print(json.dumps({"generator": "tokens.py, sentencepiece 0.2.3, gguf 0.19.0", "rows": rows}, indent=1))


main(sys.argv[1])
