"""What the machine's features are worth: training samples a second of each network, in float32 and bfloat16, on one
thread and on all, with the batch that training uses by default. `training/device.py` decides by these features."""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from _common import Rows, autoencoder, table, write

import narrows
from narrows.models.catalogue import CATALOGUE
from narrows.training import device
from narrows.training.optimiser import Optimiser


def speed(samples: narrows.Samples, network: str, precision: str, threads: int, seconds: float) -> float:
    """Training samples a second, on random images of 28x28."""
    model = autoencoder(samples, network)
    recipe = model.recipe
    half = precision == "bfloat16"
    optimiser = Optimiser(model, recipe.learning_rate, recipe.muon, half)
    x = torch.rand(recipe.batch_size, 1, 28, 28)
    with device.using(threads):
        steps, began = -3, time.perf_counter()
        while time.perf_counter() - began < seconds or steps < 3:
            if steps == 0:
                began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = model.loss(x, 0, 0)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step(1.0)
            steps += 1
        return steps * recipe.batch_size / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a second a figure")
    seconds = 0.5 if parser.parse_args().quick else 2.0
    every = torch.get_num_threads()
    samples = narrows.from_arrays(np.zeros((2, 28, 28), np.uint8))
    rows: Rows = []
    for network in (name for name, row in CATALOGUE.items() if "reconstruct" in row.purposes):
        model = autoencoder(samples, network)
        cost, batch = device.multiplications(model, 0), model.recipe.batch_size
        measured = [speed(samples, network, p, t, seconds) for p in ("float32", "bfloat16") for t in (1, every)]
        chosen = f"{device.precision('cpu', cost)}, {device.threads(cost * batch)} threads"
        rows.append((network, f"{cost:,}", str(batch), *(f"{m:,.0f}" for m in measured), chosen))
    columns = ("network", "multiplications", "batch", "float32, 1", f"float32, {every}", "bfloat16, 1")
    text = table((*columns, f"bfloat16, {every}", "chosen"), rows)
    write("precision", "Training samples a second by precision and threads", text + "\n")


if __name__ == "__main__":
    main()
