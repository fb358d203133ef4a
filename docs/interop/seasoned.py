"""Networks of PyTorch that behave as trained ones."""

import torch
from torch import nn


def seasoned(model, images):
    """Statistics of batch norm that were measured, and logits that differ on float32 `images`, [N, 3, S, S]."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.3
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8, 3, 96, 96))
        model.eval()
        # Logits of a trained network are some units apart.
        answer = model(images)
        *_, last = (module for module in model.modules() if isinstance(module, nn.Linear))
        last.weight.mul_(3 / answer.std())
    return model
