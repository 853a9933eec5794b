# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "transformers==5.23.0", "peft==0.21.2", "safetensors==0.8.0", "numpy==2.4.6"]
# ///
"""Golden results of a small Llama with LoRA, from transformers, PEFT and torch.optim.

    python test/golden/llama-lora/make.py

writes this folder's fixture files again, byte for byte on the machine and versions named in expected.json.
What each file holds is in README.md beside this one.

Everything is computed in float64 from weights that float32 holds exactly, so the stored numbers are the exact
answer rounded once to float32, and a float32 implementation's distance from them is that implementation's own error.
"""

import contextlib
import hashlib
import json
import platform
from pathlib import Path
from unittest import mock

import numpy as np
import peft
import safetensors
import safetensors.numpy
import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).resolve().parent
SEED = 20250612
RANK, ALPHA = 8, 16
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

LORA_STEPS, LORA_ADAMW = 10, dict(lr=3e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
FULL_STEPS, FULL_ADAMW = 3, dict(lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1)
CLIP = 1.0
# Full-parameter matrices are stored as every 11th row plus all row and column sums, to keep the fixture small.
# 11 shares no factor with the head size, so the rows fall at different positions within the heads.
ROW_STRIDE = 11

# The key layout published Llama checkpoints use (rope_theta at the top level).
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 100,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 97,
    "max_position_embeddings": 128,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "torch_dtype": "float32",
}
UNTIED = CONFIG | {
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "vocab_size": 100,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
}


@contextlib.contextmanager
def widened():
    """Make every "upcast to float32" inside transformers and PEFT an upcast to float64.

    RMSNorm, RoPE and the softmax of transformers' Llama name torch.float32 whatever the model's dtype is, which would
    round a float64 model in the middle. The formulas stay theirs; only the name float32 means float64 in here.
    """
    with (
        mock.patch.object(torch, "float32", torch.float64),
        mock.patch.object(torch, "float", torch.float64),
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        yield


def float32_normal(rng, shape, std, mean=0.0):
    """Normal numbers that float32 holds exactly."""
    return (mean + std * rng.standard_normal(shape)).astype(np.float32)


def random_weights(config, rng):
    """Base weights by checkpoint key; a tied head has no key of its own."""
    hidden, ffn, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    q = config["num_attention_heads"] * config["head_dim"]
    kv = config["num_key_value_heads"] * config["head_dim"]

    def norm():
        return float32_normal(rng, hidden, 0.1, 1.0)

    def linear(out_features, in_features):
        return float32_normal(rng, (out_features, in_features), 0.8 / in_features**0.5)

    weights = {"model.embed_tokens.weight": float32_normal(rng, (vocab, hidden), 0.2)}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        weights |= {
            layer + "input_layernorm.weight": norm(),
            layer + "self_attn.q_proj.weight": linear(q, hidden),
            layer + "self_attn.k_proj.weight": linear(kv, hidden),
            layer + "self_attn.v_proj.weight": linear(kv, hidden),
            layer + "self_attn.o_proj.weight": linear(hidden, q),
            layer + "post_attention_layernorm.weight": norm(),
            layer + "mlp.gate_proj.weight": linear(ffn, hidden),
            layer + "mlp.up_proj.weight": linear(ffn, hidden),
            layer + "mlp.down_proj.weight": linear(hidden, ffn),
        }
    weights["model.norm.weight"] = norm()
    if not config["tie_word_embeddings"]:
        weights["lm_head.weight"] = float32_normal(rng, (vocab, hidden), 0.2)
    return weights


def build_base(config, weights):
    model = LlamaForCausalLM(LlamaConfig(**config, attn_implementation="eager")).double().eval()
    tensors = {name: torch.from_numpy(value).double() for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert missing == (["lm_head.weight"] if config["tie_word_embeddings"] else [])
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == config["tie_word_embeddings"]
    return model


def build_lora(config, weights, rng):
    """The base wrapped by PEFT, both factors non-zero so that no gradient vanishes."""
    adapter = LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", target_modules=PROJECTIONS, task_type="CAUSAL_LM"
    )
    model = get_peft_model(build_base(config, weights), adapter).double().eval()
    for name, parameter in lora_parameters(model):
        std = (3 * parameter.shape[1]) ** -0.5 if ".lora_A." in name else 0.02
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(float32_normal(rng, tuple(parameter.shape), std)))
    return model


def lora_parameters(model):
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def saved_key(parameter_name):
    """PEFT drops the adapter's name ("default") from the keys of a saved adapter."""
    return parameter_name.replace(".default.", ".")


def random_sequences(vocab, spec, rng):
    """Token ids and masks. mask[i] = 1: token i is a target, predicted from the logits at i - 1. mask[0] is 0."""
    sequences = []
    for length, masked in spec:
        tokens = rng.integers(0, vocab, length).tolist()
        sequences.append({"tokens": tokens, "mask": [0 if i in masked else 1 for i in range(length)]})
    return sequences


def logits_of(model, sequence):
    """(T, V) logits of one sequence alone, positions from 0."""
    return model(input_ids=torch.tensor([sequence["tokens"]]), use_cache=False).logits[0]


def loss_of(model, sequences):
    """Sum of next-token cross-entropy over the targets of all sequences, divided by their number."""
    total, count = 0.0, 0
    for sequence in sequences:
        target = torch.tensor(sequence["tokens"][1:])
        chosen = torch.tensor(sequence["mask"][1:], dtype=torch.bool)
        each = torch.nn.functional.cross_entropy(logits_of(model, sequence)[:-1], target, reduction="none")
        total, count = total + each[chosen].sum(), count + int(chosen.sum())
    return total / count


def gradients(model, sequences):
    model.zero_grad(set_to_none=True)
    loss = loss_of(model, sequences)
    loss.backward()
    return loss.item(), {n: p.grad.numpy().copy() for n, p in model.named_parameters() if p.requires_grad}


def train(model, sequences, steps, optimizer):
    """Losses before each step and after the last, and the gradient norms before clipping."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    losses, norms = [], []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, sequences)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, CLIP).item())
        losses.append(loss.item())
        optimizer.step()
    with torch.no_grad():
        return {"losses": losses, "gradientNorms": norms, "lossAfter": loss_of(model, sequences).item()}


def sampled(prefix, tensors):
    """A vector whole; of a matrix every ROW_STRIDE-th row, and the sum of every row and of every column."""
    out = {}
    for name, value in tensors.items():
        if value.ndim == 1:
            out[f"{prefix}.{name}"] = value
        else:
            out[f"{prefix}.{name}"] = value[::ROW_STRIDE]
            out[f"{prefix}_row_sums.{name}"] = value.sum(axis=1)
            out[f"{prefix}_column_sums.{name}"] = value.sum(axis=0)
    return out


def detached(model):
    return {name: p.detach().numpy().copy() for name, p in model.named_parameters() if p.requires_grad}


def under(prefix, tensors):
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def save(path, tensors):
    tensors = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()}
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})


def stock_agrees(config, weights, sequence, wide):
    """The unpatched float32 model must give the same logits to float32 accuracy: widening changed nothing else."""
    with torch.no_grad():
        stock = logits_of(build_base(config, weights).float(), sequence).double()
    assert (stock - wide).abs().max() < 2e-5, (stock - wide).abs().max()


def adamw_record(settings, steps):
    return {
        "steps": steps,
        "learningRate": settings["lr"],
        "betas": list(settings["betas"]),
        "eps": settings["eps"],
        "weightDecay": settings["weight_decay"],
        "maxGradientNorm": CLIP,
    }


def make(folder, config, spec, seed, trajectory):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    weights = random_weights(config, rng)
    sequences = random_sequences(config["vocab_size"], spec, rng)
    expected, record = {}, {}

    with widened():
        base = build_base(config, weights)
        with torch.no_grad():
            base_logits = [logits_of(base, s) for s in sequences]
        if trajectory:
            expected |= {f"base.logits.{i}": value.numpy() for i, value in enumerate(base_logits)}

        model = build_lora(config, weights, rng)
        initial = {n: t.detach().numpy().copy() for n, t in get_peft_model_state_dict(model).items()}
        assert set(initial) == {saved_key(n) for n, _ in lora_parameters(model)}
        with torch.no_grad():
            expected |= {f"lora.logits.{i}": logits_of(model, s).numpy() for i, s in enumerate(sequences)}
        loss, grads = gradients(model, sequences)
        expected |= under("lora.grad", {saved_key(n): g for n, g in grads.items()})
        record["lora"] = {"loss": loss}
        if trajectory:
            optimizer = torch.optim.AdamW([p for _, p in lora_parameters(model)], **LORA_ADAMW)
            record["lora"] |= {"optimizer": adamw_record(LORA_ADAMW, LORA_STEPS)}
            record["lora"] |= train(model, sequences, LORA_STEPS, optimizer)
            expected |= under("lora.after", {saved_key(n): v for n, v in detached(model).items()})

            loss, grads = gradients(base, sequences)
            expected |= sampled("full.grad", grads)
            matrices = [p for p in base.parameters() if p.ndim == 2]
            vectors = [p for p in base.parameters() if p.ndim == 1]
            optimizer = torch.optim.AdamW(
                [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}], **FULL_ADAMW
            )
            record["full"] = {"loss": loss, "optimizer": adamw_record(FULL_ADAMW, FULL_STEPS)}
            record["full"]["optimizer"]["normWeightDecay"] = 0.0
            record["full"]["rowStride"] = ROW_STRIDE
            record["full"] |= train(base, sequences, FULL_STEPS, optimizer)
            expected |= sampled("full.after", detached(base))

    stock_agrees(config, weights, sequences[-1], base_logits[-1])

    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save(folder / "model.safetensors", weights)
    save(folder / "lora-initial.safetensors", initial)
    save(folder / "expected.safetensors", expected)
    files = ["config.json", "model.safetensors", "lora-initial.safetensors", "expected.safetensors"]
    document = {
        "seed": seed,
        "rank": RANK,
        "alpha": ALPHA,
        "targetModules": PROJECTIONS,
        "sequences": [{key: "@" + json.dumps(value) for key, value in s.items()} for s in sequences],
        "targets": sum(sum(s["mask"]) for s in sequences),
        **record,
        "sha256": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
            "safetensors": safetensors.__version__,
            "numpy": np.__version__,
        },
    }
    # Token ids and masks on one line each.
    text = json.dumps(document, indent=2).replace('"@[', "[").replace(']"', "]")
    assert json.loads(text)["sequences"] == sequences
    (folder / "expected.json").write_text(text + "\n")

    logits = np.concatenate([v.ravel() for k, v in expected.items() if ".logits." in k])
    print(f"{folder.name}: logits rms {(logits**2).mean() ** 0.5:.3f}, max {abs(logits).max():.3f}, {record}")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Per sequence: its length and the positions that are no targets (a prompt; in the second also a hole).
    make(HERE, CONFIG, [(5, {0, 1}), (17, {0, 1, 2, 3, 9}), (11, {0, 1, 2})], SEED, trajectory=True)
    make(HERE / "untied", UNTIED, [(40, {0, 1, 2, 3, 20, 21})], SEED + 1, trajectory=False)


if __name__ == "__main__":
    main()
