"""Runs the reward phase that `seal bench round --peers` exports, in PyTorch: with PEFT one adapter at a time, or batched.

    python round.py FOLDER

FOLDER holds jobs.json and initial.f32. Each line on stdin is a request {"way": "peft" | "batched", "adapters": [...]};
each line on stdout is its answer {"adaptSeconds", "answerSeconds", "losses", "answers"}, adapters in the order asked
for, and their trained values lie in FOLDER/trained.f32 in the layout of initial.f32. The first line on stdout names the
versions. Batches are padded and turned into tensors before the clock starts; PyTorch's AdamW is the fused one.
"""

import json
import os
import sys
import time

import numpy
import peft
import torch
import transformers
from torch.nn import functional as F

IGNORED = -100


def load(folder):
    with open(os.path.join(folder, "jobs.json")) as file:
        jobs = json.load(file)
    initial = numpy.fromfile(os.path.join(folder, "initial.f32"), dtype="<f4")
    return jobs, torch.from_numpy(initial).view(len(jobs["adapters"]), jobs["stride"])


def targets_of(document):
    """Target of every position: the next token where its weight is 1, else ignored."""
    tokens, weights = document["tokens"], document["weights"]
    assert all(weight in (0, 1) for weight in weights), "only weights of 0 and 1 can be left to ignore_index"
    following = zip(tokens[1:], weights[1:])
    return [token if weight else IGNORED for token, weight in following] + [IGNORED]


def padded(rows, value, left=False):
    width = max(map(len, rows))
    fill = [[value] * (width - len(row)) for row in rows]
    return torch.tensor([f + row if left else row + f for row, f in zip(rows, fill)])


class Peft:
    """The recipe as the reference runs it: transformers' model, PEFT's LoRA, one adapter after the other."""

    def __init__(self, jobs):
        self.jobs = jobs
        lora = jobs["lora"]
        base = transformers.LlamaForCausalLM.from_pretrained(
            jobs["checkpoint"], dtype=torch.float32, attn_implementation="sdpa"
        )
        config = peft.LoraConfig(
            r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=0.0, bias="none",
            target_modules=[name.split(".")[-1] for name in lora["targets"]], task_type="CAUSAL_LM",
        )
        self.model = peft.get_peft_model(base, config)
        layers = self.model.base_model.model.model.layers
        self.matrices = []
        for place in jobs["places"]:
            module = layers[place["layer"]].get_submodule(place["projection"])
            self.matrices.append((place, module.lora_A["default"].weight, module.lora_B["default"].weight))
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]

    def write(self, values):
        with torch.no_grad():
            for place, a, b in self.matrices:
                a.copy_(values[place["offsetA"]:][:a.numel()].view(a.shape))
                b.copy_(values[place["offsetB"]:][:b.numel()].view(b.shape[1], b.shape[0]).T)

    def read(self, into):
        with torch.no_grad():
            for place, a, b in self.matrices:
                into[place["offsetA"]:][:a.numel()] = a.reshape(-1)
                into[place["offsetB"]:][:b.numel()] = b.T.reshape(-1)

    def batch(self, documents):
        tokens = [document["tokens"] for document in documents]
        mask = padded([[1] * len(row) for row in tokens], 0)
        return padded(tokens, 0), mask, padded([targets_of(d) for d in documents], IGNORED)

    def train(self, batches):
        settings = self.jobs["optimiser"]
        self.model.train()
        optimiser = torch.optim.AdamW(
            self.parameters, lr=self.jobs["learningRate"], betas=(settings["beta1"], settings["beta2"]),
            eps=settings["eps"], weight_decay=settings["weightDecay"], fused=True,
        )
        losses = []
        for tokens, mask, targets in batches:
            logits = self.model(input_ids=tokens, attention_mask=mask, use_cache=False).logits
            loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=IGNORED)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, settings["maxNorm"])
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    def answer(self, prompts, mask):
        self.model.eval()
        stop = self.jobs["stopTokens"]
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=prompts, attention_mask=mask, max_new_tokens=self.jobs["maxNewTokens"], do_sample=False,
                eos_token_id=stop, pad_token_id=stop[0],
            )
        return out[:, prompts.shape[1]:].tolist()

    def run(self, adapters, initial):
        jobs = [self.jobs["adapters"][index] for index in adapters]
        batches = [[self.batch(documents) for documents in job["steps"]] for job in jobs]
        prompts = [
            (padded(job["prompts"], 0, left=True), padded([[1] * len(p) for p in job["prompts"]], 0, left=True))
            for job in jobs
        ]
        trained = torch.zeros(len(adapters), self.jobs["stride"])
        losses, answers, adapt, answering = [], [], 0.0, 0.0
        for at, index in enumerate(adapters):
            start = time.perf_counter()
            self.write(initial[index])
            losses.append(self.train(batches[at]))
            between = time.perf_counter()
            answers.append(self.answer(*prompts[at]))
            adapt += between - start
            answering += time.perf_counter() - between
            self.read(trained[at])
        return adapt, answering, losses, answers, trained


class Batched:
    """All adapters at once without PEFT: stacked A and B through bmm over one frozen Llama written out in PyTorch.

    Training: the documents of an adapter lie one after another in one row, a block-diagonal causal mask keeps them
    apart, and rows are padded to the longest. Answering: greedy, every token from a pass over the whole prompt.
    """

    def __init__(self, jobs):
        self.jobs = jobs
        model = transformers.LlamaForCausalLM.from_pretrained(jobs["checkpoint"], dtype=torch.float32)
        self.config = model.config
        self.weights = {name: value.detach() for name, value in model.named_parameters()}
        self.scale = jobs["lora"]["alpha"] / jobs["lora"]["rank"]
        rope = model.config.rope_parameters
        width = model.config.head_dim
        inverse = rope["rope_theta"] ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.arange(model.config.max_position_embeddings, dtype=torch.float64)[:, None] * inverse
        angles = torch.cat((angles, angles), dim=1)
        self.cos, self.sin = angles.cos().float(), angles.sin().float()

    def split(self, values):
        """Stacked matrices by (layer, projection): A (E, K, R) and B (E, R, N), ready for bmm."""
        rank = self.jobs["lora"]["rank"]
        sizes, shapes = [], []
        for place in self.jobs["places"]:
            sizes += [rank * place["inner"], rank * place["out"]]
            shapes += [(rank, place["inner"]), (rank, place["out"])]
        assert sum(sizes) == self.jobs["stride"], "the matrices of an adapter must lie without gaps"
        parts = iter(part.view(-1, *shape) for part, shape in zip(values.split(sizes, dim=1), shapes))
        return {
            (place["layer"], place["projection"]): (next(parts).transpose(1, 2), next(parts))
            for place in self.jobs["places"]
        }

    def forward(self, tokens, positions, attend, adapters):
        """Hidden states (E, T, C) of tokens (E, T); `attend(q, k, v)` sees (E, heads, T, D)."""
        c, w = self.config, self.weights
        E, T = tokens.shape
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]

        def linear(layer, projection, x):
            y = F.linear(x, w[f"model.layers.{layer}.{projection}.weight"])
            found = adapters.get((layer, projection))
            if found is None:
                return y
            a, b = found
            return torch.baddbmm(y, torch.bmm(x, a), b, alpha=self.scale)

        def rotate(x):
            first, second = x.chunk(2, dim=-1)
            return x * cos + torch.cat((-second, first), dim=-1) * sin

        x = F.embedding(tokens, w["model.embed_tokens.weight"])
        for layer in range(c.num_hidden_layers):
            name = f"model.layers.{layer}"
            h = F.rms_norm(x, (c.hidden_size,), w[f"{name}.input_layernorm.weight"], c.rms_norm_eps)

            def heads(projection, count):
                return linear(layer, f"self_attn.{projection}", h).view(E, T, count, c.head_dim).transpose(1, 2)

            q, k = rotate(heads("q_proj", c.num_attention_heads)), rotate(heads("k_proj", c.num_key_value_heads))
            mixed = attend(q, k, heads("v_proj", c.num_key_value_heads)).transpose(1, 2).reshape(E, T, -1)
            x = x + linear(layer, "self_attn.o_proj", mixed)
            h = F.rms_norm(x, (c.hidden_size,), w[f"{name}.post_attention_layernorm.weight"], c.rms_norm_eps)
            product = F.silu(linear(layer, "mlp.gate_proj", h)) * linear(layer, "mlp.up_proj", h)
            x = x + linear(layer, "mlp.down_proj", product)
        return F.rms_norm(x, (c.hidden_size,), w["model.norm.weight"], c.rms_norm_eps)

    def logits(self, hidden):
        return F.linear(hidden, self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"]))

    def batch(self, step):
        """One step of every adapter: tokens, positions, additive-free boolean mask, targets, weights that add up to 1."""
        rows = [[t for d in documents for t in d["tokens"]] for documents in step]
        tokens = padded(rows, 0)
        positions = padded([[i for d in documents for i in range(len(d["tokens"]))] for documents in step], 0)
        owner = padded([[n for n, d in enumerate(documents) for _ in d["tokens"]] for documents in step], -1)
        T = tokens.shape[1]
        same = owner[:, :, None] == owner[:, None, :]
        mask = (same & torch.ones(T, T, dtype=torch.bool).tril())[:, None]
        targets = padded([[t for d in documents for t in targets_of(d)] for documents in step], IGNORED)
        weights = (targets != IGNORED).float()
        return tokens, positions, mask, targets, weights / weights.sum(dim=1, keepdim=True)

    def train(self, batches, values):
        settings = self.jobs["optimiser"]
        values = torch.nn.Parameter(values.clone())
        optimiser = torch.optim.AdamW(
            [values], lr=self.jobs["learningRate"], betas=(settings["beta1"], settings["beta2"]),
            eps=settings["eps"], weight_decay=settings["weightDecay"], fused=True,
        )
        losses = []
        for tokens, positions, mask, targets, weights in batches:
            def attend(q, k, v):
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

            logits = self.logits(self.forward(tokens, positions, attend, self.split(values)))
            each = F.cross_entropy(
                logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=IGNORED, reduction="none"
            )
            own = (each.view(weights.shape) * weights).sum(dim=1)
            own.sum().backward()
            norm = values.grad.norm(dim=1, keepdim=True)
            values.grad.mul_((settings["maxNorm"] / (norm + 1e-6)).clamp_(max=1.0))
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(own.detach())
        return torch.stack(losses, dim=1).tolist(), values.detach()

    def answer(self, prompts, lengths, values):
        """Greedy answers of (E, Q, T) prompts, right-padded with room for the answers."""
        E, Q, T = prompts.shape
        adapters = {key: pair for key, pair in self.split(values).items()}
        tokens = prompts.view(E * Q, T).clone()
        positions = torch.arange(T).expand(E * Q, T)
        at = lengths.view(E * Q).clone()
        rows = torch.arange(E * Q)

        def attend(q, k, v):
            def apart(x):
                return x.transpose(1, 2).reshape(E * Q, T, x.shape[1], x.shape[3]).transpose(1, 2)

            y = F.scaled_dot_product_attention(apart(q), apart(k), apart(v), is_causal=True, enable_gqa=True)
            return y.transpose(1, 2).reshape(E, Q * T, y.shape[1], y.shape[3]).transpose(1, 2)

        answers = []
        with torch.inference_mode():
            for _ in range(self.jobs["maxNewTokens"]):
                flat = self.forward(tokens.view(E, Q * T), positions.reshape(E, Q * T), attend, adapters)
                best = self.logits(flat.view(E * Q, T, -1)[rows, at - 1]).argmax(dim=-1)
                tokens[rows, at] = best
                at += 1
                answers.append(best)
        return torch.stack(answers, dim=1).view(E, Q, -1).tolist()

    def run(self, adapters, initial):
        jobs = [self.jobs["adapters"][index] for index in adapters]
        # Adapters of a round take equally many steps.
        batches = [self.batch(step) for step in zip(*(job["steps"] for job in jobs), strict=True)]
        most = max(len(job["prompts"]) for job in jobs)
        filled = [job["prompts"] + [job["prompts"][0]] * (most - len(job["prompts"])) for job in jobs]
        lengths = torch.tensor([[len(p) for p in own] for own in filled])
        width = int(lengths.max()) + self.jobs["maxNewTokens"]
        prompts = torch.tensor([[p + [0] * (width - len(p)) for p in own] for own in filled])
        start = time.perf_counter()
        losses, trained = self.train(batches, initial[adapters])
        between = time.perf_counter()
        answers = self.answer(prompts, lengths, trained)
        end = time.perf_counter()
        answers = [own[: len(job["prompts"])] for own, job in zip(answers, jobs)]
        return between - start, end - between, losses, answers, trained


def main():
    folder = sys.argv[1]
    jobs, initial = load(folder)
    torch.set_num_threads(jobs["threads"])
    transformers.logging.set_verbosity_error()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    print(json.dumps({"python": sys.version.split()[0], **versions}), flush=True)
    ways = {"peft": Peft, "batched": Batched}
    made = {}
    for line in sys.stdin:
        request = json.loads(line)
        way = request["way"]
        made.setdefault(way, None)
        made[way] = made[way] or ways[way](jobs)
        adapt, answering, losses, answers, trained = made[way].run(request["adapters"], initial)
        trained.numpy().astype("<f4").tofile(os.path.join(folder, "trained.f32"))
        stop = set(jobs["stopTokens"])
        cut = [[row[: next((i for i, t in enumerate(row) if t in stop), len(row))] for row in own] for own in answers]
        reply = {"adaptSeconds": adapt, "answerSeconds": answering, "losses": losses, "answers": cut}
        print(json.dumps(reply), flush=True)


main()
