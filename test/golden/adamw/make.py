# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0"]
# ///
"""Five steps of torch.optim.AdamW with clip_grad_norm_ on two small adapters, written to expected.json.

    python test/golden/adamw/make.py

All arithmetic is float64 on numbers that float32 holds exactly. The first DECAY parameters of an adapter decay, the
others do not; each adapter has its own learning rate. Same versions, same bytes.
"""

import hashlib
import json
from pathlib import Path

import torch

SEED, STEPS, P, DECAY = 20261123, 5, 12, 8
RATES = [3e-3, 1e-2]
BETAS, EPS, WEIGHT_DECAY, MAX_NORM = (0.9, 0.999), 1e-8, 0.1, 2.0

torch.manual_seed(SEED)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float32).double()


initial = draw(len(RATES), P)
gradients = draw(STEPS, len(RATES), P)
parameters, m, v = [], [], []
for adapter, rate in enumerate(RATES):
    parts = [torch.nn.Parameter(part.clone()) for part in initial[adapter].split([DECAY, P - DECAY])]
    optimizer = torch.optim.AdamW(
        [{"params": parts[:1], "weight_decay": WEIGHT_DECAY}, {"params": parts[1:], "weight_decay": 0.0}],
        lr=rate,
        betas=BETAS,
        eps=EPS,
        foreach=False,
    )
    for step in range(STEPS):
        for part, gradient in zip(parts, gradients[step, adapter].split([DECAY, P - DECAY]), strict=True):
            part.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(parts, MAX_NORM)
        optimizer.step()
    parameters += torch.cat([part.detach() for part in parts]).tolist()
    m += torch.cat([optimizer.state[part]["exp_avg"] for part in parts]).tolist()
    v += torch.cat([optimizer.state[part]["exp_avg_sq"] for part in parts]).tolist()

body = {
    "torch": torch.__version__.split("+")[0],
    "seed": SEED,
    "steps": STEPS,
    "P": P,
    "decayElements": DECAY,
    "rates": RATES,
    "beta1": BETAS[0],
    "beta2": BETAS[1],
    "eps": EPS,
    "weightDecay": WEIGHT_DECAY,
    "maxNorm": MAX_NORM,
    "initial": initial.flatten().tolist(),
    "gradients": gradients.flatten(1).tolist(),
    "expected": {"parameters": parameters, "m": m, "v": v},
}
text = json.dumps(body)
body["sha256"] = hashlib.sha256(text.encode()).hexdigest()
Path(__file__).with_name("expected.json").write_text(json.dumps(body, indent=1) + "\n")
