"""A restorer is a function of what is damaged, and can be exported as one."""

from __future__ import annotations

import pytest
import torch

import narrows
from narrows.degradations import Degradation, Missing, Noise, Smaller
from narrows.models.restorer import Restorer

LEVEL, KNOWN = torch.full((1,), 0.1), (torch.arange(16 * 24).view(1, 1, 16, 24) % 3 > 0).float()
CASES: list[tuple[Degradation, dict[str, torch.Tensor]]] = [
    (Noise(0.1), {"level": LEVEL}),
    (Smaller(2), {}),
    (Missing(0.3, "pixels"), {"known": KNOWN}),
]


@pytest.mark.parametrize(("degradation", "hints"), CASES, ids=["noise", "smaller", "missing"])
def test_a_restorer_restores_what_it_is_given_and_can_be_exported(
    degradation: Degradation, hints: dict[str, torch.Tensor], pictures: narrows.Samples
) -> None:
    model = narrows.build(pictures.description, width=8, degradation=degradation)
    assert isinstance(model, Restorer)
    list(narrows.fit(model, pictures, narrows.Settings(steps=2, batch_size=4, threads=1)))
    x = torch.rand((1, 3, 16, 24), generator=torch.Generator().manual_seed(0))
    seen = x.clone()
    with torch.no_grad():
        restored = model.eval()(x, **hints)
    assert torch.equal(x, seen)
    assert restored.shape == (1, 3, 16 * degradation.scale, 24 * degradation.scale)
    mask = None if "known" not in hints else (1 - KNOWN[0, 0]).numpy().astype(bool)
    image = x[0].permute(1, 2, 0).numpy()
    found = narrows.restore(model, [image], strength=0.1 if "level" in hints else None, mask=mask)[0]
    holes = torch.ones(1, 1, 1, 1) if mask is None else 1 - KNOWN
    difference = (restored.clamp(0, 1) - torch.from_numpy(found).permute(2, 0, 1)[None]) * holes
    assert float(difference.abs().max()) < 0.02  # which may be computed in bfloat16
    program = torch.export.export(model, (x,), hints)
    assert torch.allclose(program.module()(x, **hints), restored, atol=1e-5)
