"""PyTorch's side of `seal bench kernels --peers`; the argument is `cpu` or `cuda`. ../serve.js tells the protocol.

A CPU run is done when the call returns, a CUDA run when `torch.cuda.synchronize` does. Float32 is float32: TF32 is off.
Every product writes to an `out` that exists before the clock runs, where PyTorch takes one.
"""

import ctypes
import json
import os
import sys
import time


def reply(value):
    print(json.dumps(value), flush=True)


def prepare(torch, problem, given):
    """Functions of no arguments: one computes the problem, one takes its value to the order of axes that is asked for."""
    kind = problem["kind"]
    if kind == "matmul":
        a = given["a"].t() if problem["layout"] == "tn" else given["a"]
        b = given["b"].t() if problem["layout"] == "nt" else given["b"]
        out = a.new_empty(a.shape[0], b.shape[1])
        return lambda: torch.mm(a, b, out=out), lambda y: y
    if kind == "lora-linear":
        x, w, h, b = (given[name] for name in ("x", "w", "h", "b"))
        w = w.t()
        base = x.new_empty(x.shape[0], w.shape[1])
        batched = base.view(h.shape[0], h.shape[1], w.shape[1])

        def layer():
            torch.mm(x, w, out=base)
            return batched.baddbmm_(h, b)

        return layer, lambda y: y
    if kind == "attention":
        q, k, v = (given[name].transpose(0, 1).contiguous().unsqueeze(0) for name in ("q", "k", "v"))
        attend = torch.nn.functional.scaled_dot_product_attention
        return lambda: attend(q, k, v, is_causal=True, scale=problem["scale"]), lambda y: y[0].transpose(0, 1)
    if kind == "rms-norm":
        x, weight = given["x"], given["weight"]
        norm = torch.nn.functional.rms_norm
        return lambda: norm(x, (x.shape[1],), weight, problem["eps"]), lambda y: y
    return None


def main():
    device = sys.argv[1]
    try:
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no CUDA device")
        torch.backends.cuda.matmul.allow_tf32 = False
        # As many as this process may use: a software adapter takes all of them too.
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(threads)
    except Exception as error:
        reply({"failed": str(error)})
        return
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    described = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {threads} threads"
    reply({"ready": {"version": torch.__version__, "device": described}})

    def read(path, shape):
        with open(path, "rb") as file:
            values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
        return values.view(shape).to(device)

    compute = None

    def answer(request):
        nonlocal compute
        if "run" in request:
            begun = time.perf_counter()
            for _ in range(request["run"]):
                compute()
            wait()
            return {"ms": 1e3 * (time.perf_counter() - begun) / request["run"]}
        task = request["load"]
        way = prepare(torch, task["problem"], {one["name"]: read(one["path"], one["shape"]) for one in task["operands"]})
        if way is None:
            return {"loaded": False}
        compute, finish = way
        result = finish(compute()).cpu().contiguous()
        with open(task["result"], "wb") as file:
            file.write(ctypes.string_at(result.data_ptr(), result.nbytes))
        return {"loaded": True}

    with torch.inference_mode():
        for line in sys.stdin:
            try:
                reply(answer(json.loads(line)))
            except Exception as error:
                reply({"failed": str(error)})


main()
