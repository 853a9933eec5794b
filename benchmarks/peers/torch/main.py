"""PyTorch's side of `seal bench kernels --peers`; the argument names the device, `cpu` or `cuda`. Protocol: ../serve.js."""

import json
import os
import sys
import time
from array import array

# Threads that spin after their work would slow whoever takes the next turn.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def reply(value):
    print(json.dumps(value), flush=True)


def floats(torch, path, device):
    with open(path, "rb") as file:
        values = array("f", file.read())
    return torch.tensor(values, dtype=torch.float32, device=device)


def prepared(problem, operand):
    """A function of no arguments that computes the problem."""
    import torch

    if problem["kind"] == "matmul":
        rows, columns, inner, layout = problem["M"], problem["N"], problem["K"], problem["layout"]
        a = operand("a").view((inner, rows) if layout == "tn" else (rows, inner))
        b = operand("b").view((columns, inner) if layout == "nt" else (inner, columns))
        a = a.t() if layout == "tn" else a
        b = b.t() if layout == "nt" else b
        return lambda: torch.mm(a, b)
    tokens, inner, outer, rank, adapters = (problem[name] for name in ("T", "K", "N", "R", "E"))
    each = tokens // adapters
    x, w = operand("x").view(tokens, inner), operand("w").view(outer, inner)
    h, b = operand("h").view(adapters, each, rank), operand("b").view(adapters, rank, outer)
    return lambda: torch.baddbmm(torch.mm(x, w.t()).view(adapters, each, outer), h, b)


def main():
    name = sys.argv[1]
    try:
        import torch

        device = torch.device(name)
        if name == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no CUDA device")
        # Float32 is float32: TF32 would be another arithmetic.
        torch.backends.cuda.matmul.allow_tf32 = False
    except Exception as error:
        reply({"failed": str(error)})
        return
    wait = torch.cuda.synchronize if name == "cuda" else (lambda: None)
    described = torch.cuda.get_device_name() if name == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    reply({"ready": {"version": torch.__version__, "device": described}})
    compute = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            with torch.inference_mode():
                if "run" in request:
                    begun = time.perf_counter()
                    for _ in range(request["run"]):
                        compute()
                    wait()
                    reply({"ms": 1e3 * (time.perf_counter() - begun) / request["run"]})
                    continue
                asked = request["prepare"]
                compute = prepared(asked["problem"], lambda key: floats(torch, asked["files"][key], device))
                with open(asked["result"], "wb") as file:
                    array("f", compute().flatten().tolist()).tofile(file)
                reply({"prepared": True})
        except Exception as error:
            reply({"failed": str(error)})


main()
