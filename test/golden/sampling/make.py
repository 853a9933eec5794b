"""Distributions after transformers' own logits processors, in the order in which `generate` applies them.

    pip install torch==2.15.0 transformers==5.23.0
    python test/golden/sampling/make.py

Writes expected.json beside itself, the same bytes again under the same versions: random logits (float32 values, stored
exactly), the tokens of the sequence so far, and for every setting the tokens that are left with their probabilities.
The processors run in float64 on those logits, so that no token is left or taken by a rounding of theirs.
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import GenerationConfig, LogitsProcessorList, LlamaConfig, LlamaForCausalLM

SEED = 7
V = 97
SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 1.7},
    {"top_k": 1},
    {"top_k": 10},
    {"top_k": 200},
    {"top_p": 0.5},
    {"top_p": 0.9},
    {"top_p": 0.01},
    {"min_p": 0.05},
    {"min_p": 0.5},
    {"min_p": 1.0},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"repetition_penalty": 1.3, "temperature": 0.6, "top_k": 20, "top_p": 0.8, "min_p": 0.1},
    {"repetition_penalty": 1.1, "temperature": 1.5, "top_k": 40, "top_p": 0.95},
    {"temperature": 2.0, "top_p": 0.7, "min_p": 0.2},
    {"temperature": 0.5, "top_k": 7, "min_p": 0.02},
]


def processors(setting):
    """The list that `generate` itself builds, so that the order is the library's."""
    model = LlamaForCausalLM(LlamaConfig(vocab_size=V, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                                         num_attention_heads=1, num_key_value_heads=1))
    values = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **setting}
    config = GenerationConfig(do_sample=True, num_beams=1, **values)
    built = model._get_logits_processor(generation_config=config, input_ids_seq_length=0, device="cpu")
    assert isinstance(built, LogitsProcessorList)
    return built


def main():
    generator = torch.Generator().manual_seed(SEED)
    logits = (3 * torch.randn(3, V, generator=generator)).float()
    # Two tokens as likely as the tenth, so that top-k has a tie at its edge.
    tenth = torch.topk(logits[2], 10).indices[-1]
    logits[2, (tenth + 1) % V] = logits[2, tenth]
    history = torch.randint(0, V, (3, 12), generator=generator)
    cases = []
    for setting in SETTINGS:
        steps = processors(setting)
        scores = steps(history, logits.double())
        probabilities = torch.softmax(scores, -1)
        rows = []
        for row in range(3):
            kept = torch.nonzero(scores[row] > -float("inf")).flatten().tolist()
            rows.append({"tokens": kept, "probabilities": probabilities[row, kept].tolist()})
        cases.append({"setting": setting, "order": [type(step).__name__ for step in steps], "rows": rows})
    document = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "seed": SEED,
        "logits": logits.double().tolist(),
        "history": history.tolist(),
        "cases": cases,
    }
    Path(__file__).with_name("expected.json").write_text(json.dumps(document) + "\n")


main()
