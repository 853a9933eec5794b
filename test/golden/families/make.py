# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "safetensors==0.8.0", "numpy==2.4.6"]
# ///
"""Golden results of small models of every family with LoRA, from transformers, PEFT and torch.optim.

    python test/golden/families/make.py

writes the folders beside this script again. With SEAL_REFERENCE_DATA naming a folder that has `real/`, it also writes
real.json and real.safetensors: what transformers computes for public files that are not part of this repository.
What each file holds is in README.md. All arithmetic is float64, for the reason that ../llama-lora/make.py gives; its
functions are used here.
"""

import importlib.util
import json
import os
import platform
from pathlib import Path

import numpy as np
import peft
import safetensors.torch
import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("llama_lora", HERE.parent / "llama-lora" / "make.py")
llama_lora = importlib.util.module_from_spec(spec)
spec.loader.exec_module(llama_lora)

SEED = 20251124
RANK, ALPHA = 4, 8
LORA_STEPS, FULL_STEPS = 20, 3
GREEDY_TOKENS, SAMPLED_TOKENS, PROMPT_TOKENS = 64, 32, 5
# Per sequence: its length and the positions that are no targets.
SEQUENCES = [(9, {0, 1}), (30, {0, 1, 2, 3, 12})]

BASE = {
    "hidden_size": 48,
    "intermediate_size": 60,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 61,
    "max_position_embeddings": 128,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "torch_dtype": "float32",
}
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"} | BASE
QWEN2 = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"} | BASE
QWEN3 = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"} | BASE


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


# Without a pad token: torch gives the embedding of one no gradient, wherever it stands.
GEMMA3 = (
    {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text"}
    | without(BASE, "hidden_act", "rope_theta", "tie_word_embeddings")
    | {"hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "pad_token_id": None, "num_hidden_layers": 3}
)

# Frequencies of a head of 16 in the three bands: kept, blended and divided.
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
VARIANTS = {
    "llama-tied": LLAMA | {"num_key_value_heads": 4, "tie_word_embeddings": True},
    "llama-untied": LLAMA | {"vocab_size": 67, "intermediate_size": 53},
    "llama-llama3": LLAMA
    | {"num_attention_heads": 3, "num_key_value_heads": 1, "tie_word_embeddings": True}
    | {"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", **LLAMA3}},
    "llama-linear": LLAMA | {"rope_scaling": {"type": "linear", "factor": 4.0}},
    "llama-bias": LLAMA
    | {"hidden_size": 49, "intermediate_size": 45, "num_attention_heads": 7, "num_key_value_heads": 1, "head_dim": 8}
    | {"attention_bias": True, "mlp_bias": True},
    "qwen2": QWEN2
    | {"hidden_size": 56, "num_attention_heads": 14, "num_key_value_heads": 2, "tie_word_embeddings": True}
    | {"use_sliding_window": False, "sliding_window": 8, "max_window_layers": 1},
    "qwen2-window": QWEN2
    | {"num_hidden_layers": 3, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "qwen3": QWEN3 | {"hidden_size": 40, "head_dim": 16, "tie_word_embeddings": True, "attention_bias": False},
    # The layout that transformers 5 writes.
    "qwen3-window": without(QWEN3, "rope_theta")
    | {"hidden_size": 33, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8, "attention_bias": True}
    | {"use_sliding_window": True, "sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}
    | {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1000000.0, **LLAMA3}},
    # The layout of the first checkpoints: tied although no key says so, layers by their period.
    "gemma3": GEMMA3
    | {"hidden_size": 40, "head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": 7, "sliding_window_pattern": 2}
    | {"rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rope_scaling": None},
    # The layout that transformers 5 writes, of a model with scaled positions.
    "gemma3-linear": GEMMA3
    | {"hidden_size": 33, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8, "query_pre_attn_scalar": 8}
    | {"tie_word_embeddings": False, "attention_bias": True, "sliding_window": 5}
    | {"layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}
    | {
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
        }
    },
}
# Where all weights are trained too: the families that have vectors of their own.
FULL = {"llama-bias", "qwen2", "qwen3", "gemma3"}


def empty_model(config):
    settings = AutoConfig.for_model(**config, attn_implementation="eager")
    return AutoModelForCausalLM.from_config(settings, attn_implementation="eager").double().eval()


def random_weights(config, rng):
    """Weights by checkpoint key, as large as lets the most likely tokens vary."""
    weights = {}
    for name, parameter in empty_model(config).named_parameters():
        shape = tuple(parameter.shape)
        if name.endswith("norm.weight"):
            # Gemma's are stored less 1.
            mean = 0.0 if config["model_type"] == "gemma3_text" else 1.0
            weights[name] = llama_lora.float32_normal(rng, shape, 0.2, mean)
        elif name.endswith(".bias"):
            weights[name] = llama_lora.float32_normal(rng, shape, 0.3)
        else:
            embedding = name in ("model.embed_tokens.weight", "lm_head.weight")
            weights[name] = llama_lora.float32_normal(rng, shape, 0.3 if embedding else 1.2 / shape[1] ** 0.5)
    return weights


def build_base(config, weights):
    model = empty_model(config)
    tensors = {name: torch.from_numpy(value).double() for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert missing == (["lm_head.weight"] if config.get("tie_word_embeddings", True) else [])
    return model


def build_lora(config, weights, rng):
    adapter = LoraConfig(
        r=RANK, lora_alpha=ALPHA, bias="none", target_modules=llama_lora.PROJECTIONS, task_type="CAUSAL_LM"
    )
    model = get_peft_model(build_base(config, weights), adapter).double().eval()
    for name, parameter in llama_lora.lora_parameters(model):
        std = (3 * parameter.shape[1]) ** -0.5 if ".lora_A." in name else 0.1
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(llama_lora.float32_normal(rng, tuple(parameter.shape), std)))
    return model


def last_logits(model, tokens):
    return llama_lora.logits_of(model, {"tokens": tokens})[-1]


@torch.no_grad()
def greedy(model, prompt):
    """Read anew for every token; transformers' own generation with a cache must agree."""
    tokens, margin = list(prompt), np.inf
    for _ in range(GREEDY_TOKENS):
        values, ids = torch.topk(last_logits(model, tokens), 2)
        margin = min(margin, (values[0] - values[1]).item())
        tokens.append(ids[0].item())
    generated = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=GREEDY_TOKENS,
        do_sample=False,
        pad_token_id=0,
    )
    assert generated[0].tolist() == tokens
    return {"tokens": tokens[len(prompt) :], "smallestMargin": margin}


@torch.no_grad()
def sampled(model, prompt, rng):
    """A continuation drawn at temperature 1 and the log-probability of each of its tokens."""
    tokens, logprobs = list(prompt), []
    for _ in range(SAMPLED_TOKENS):
        logprob = torch.log_softmax(last_logits(model, tokens), dim=-1).numpy()
        tokens.append(int(rng.choice(len(logprob), p=np.exp(logprob) / np.exp(logprob).sum())))
        logprobs.append(float(logprob[tokens[-1]]))
    return {"tokens": tokens[len(prompt) :], "logprobs": logprobs}


def train_all(base, sequences):
    """Gradients and weights of a full training, and its record."""
    loss, grads = llama_lora.gradients(base, sequences)
    out = llama_lora.sampled("full.grad", grads)
    groups = [
        {"params": [p for p in base.parameters() if p.ndim == 2]},
        {"params": [p for p in base.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, **llama_lora.FULL_ADAMW)
    record = {"optimizer": llama_lora.adamw_record(llama_lora.FULL_ADAMW, FULL_STEPS), "rowStride": llama_lora.ROW_STRIDE}
    record |= llama_lora.train(base, sequences, FULL_STEPS, optimizer)
    assert record["losses"][0] == loss
    return out | llama_lora.sampled("full.after", llama_lora.detached(base)), record


def versions():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "safetensors": safetensors.__version__,
        "numpy": np.__version__,
    }


def make(name, config, seed):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    expected, record = {}, {}

    with llama_lora.widened():
        weights = random_weights(config, rng)
        sequences = llama_lora.random_sequences(config["vocab_size"], SEQUENCES, rng)
        prompt = sequences[0]["tokens"][:PROMPT_TOKENS]
        base = build_base(config, weights)
        with torch.no_grad():
            base_logits = [llama_lora.logits_of(base, s) for s in sequences]
        expected |= {f"base.logits.{i}": value.numpy() for i, value in enumerate(base_logits)}
        record["base"] = {"greedy": greedy(base, prompt)}

        model = build_lora(config, weights, rng)
        initial = {n: t.detach().numpy().copy() for n, t in get_peft_model_state_dict(model).items()}
        with torch.no_grad():
            expected |= {f"lora.logits.{i}": llama_lora.logits_of(model, s).numpy() for i, s in enumerate(sequences)}
        record["lora"] = {"greedy": greedy(model, prompt), "sampled": sampled(model, prompt, rng)}
        loss, grads = llama_lora.gradients(model, sequences)
        expected |= llama_lora.under("lora.grad", {llama_lora.saved_key(n): g for n, g in grads.items()})
        optimizer = torch.optim.AdamW([p for _, p in llama_lora.lora_parameters(model)], **llama_lora.LORA_ADAMW)
        record["lora"] |= {"loss": loss, "optimizer": llama_lora.adamw_record(llama_lora.LORA_ADAMW, LORA_STEPS)}
        record["lora"] |= llama_lora.train(model, sequences, LORA_STEPS, optimizer)
        after = {llama_lora.saved_key(n): v for n, v in llama_lora.detached(model).items()}
        expected |= llama_lora.under("lora.after", after)
        if name in FULL:
            tensors, record["full"] = train_all(base, sequences)
            expected |= tensors

    # The unpatched float32 model must give the same to float32 accuracy: widening changed nothing else.
    with torch.no_grad():
        stock = llama_lora.logits_of(build_base(config, weights).float(), sequences[-1]).double()
    wide = base_logits[-1]
    assert (stock - wide).norm() / wide.norm() < 2e-6, (stock - wide).norm() / wide.norm()

    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    llama_lora.save(folder / "model.safetensors", weights)
    llama_lora.save(folder / "lora-initial.safetensors", initial)
    llama_lora.save(folder / "expected.safetensors", expected)
    document = {
        "seed": seed,
        "rank": RANK,
        "alpha": ALPHA,
        "prompt": prompt,
        "sequences": sequences,
        **record,
        "versions": versions(),
    }
    write_json(folder / "expected.json", document)
    margins = [record[which]["greedy"]["smallestMargin"] for which in ("base", "lora")]
    print(f"{name}: logits rms {(wide**2).mean() ** 0.5:.3f}, loss {loss:.4f}, margins {margins}")


def write_json(path, document):
    """Lists of numbers on one line each."""

    def flat(value):
        if isinstance(value, dict):
            return {key: flat(item) for key, item in value.items()}
        if isinstance(value, list) and value and not isinstance(value[0], (dict, list)):
            return "@" + json.dumps(value)
        if isinstance(value, list):
            return [flat(item) for item in value]
        return value

    text = json.dumps(flat(document), indent=2).replace('"@[', "[").replace(']"', "]")
    assert json.loads(text) == document
    path.write_text(text + "\n")


def make_real(real):
    """Expectations for public files that stay where they are."""
    tokens = [3, 141, 59, 26, 53, 58, 97, 93, 238, 46, 2, 200]
    logits, record = {}, {"tokens": tokens}
    for name in ("mlxd-tiny_qwen3", "mlxd-tiny_llama3"):
        config = json.loads((real / name / "config.json").read_text())
        with llama_lora.widened(), torch.no_grad():
            model = empty_model(config)
            stored = safetensors.torch.load_file(real / name / "model.safetensors")
            model.load_state_dict({key: value.double() for key, value in stored.items()}, strict=True)
            logits[name] = llama_lora.logits_of(model, {"tokens": tokens}).numpy()
    llama_lora.save(HERE / "real.safetensors", logits)

    config = json.loads((real / "config-llama3.2-1b" / "config.json").read_text())
    positions = [0, 1, 2, 100, 8191, 131071]
    with llama_lora.widened():
        rotary = LlamaRotaryEmbedding(AutoConfig.for_model(**without(config, "quantization_config")))
        cos, sin = rotary(torch.zeros(1, dtype=torch.float64), torch.tensor([positions]))
    record["llama3.2-1b"] = {
        "inverseFrequencies": rotary.inv_freq.tolist(),
        "positions": positions,
        "cos": cos[0, :, : config["head_dim"] // 2].tolist(),
        "sin": sin[0, :, : config["head_dim"] // 2].tolist(),
    }
    write_json(HERE / "real.json", record | {"versions": versions()})


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for i, (name, config) in enumerate(VARIANTS.items()):
        make(name, config, SEED + i)
    reference = os.environ.get("SEAL_REFERENCE_DATA")
    if reference:
        make_real(Path(reference) / "real")


if __name__ == "__main__":
    main()
