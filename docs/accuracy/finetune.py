"""Fine-tuning as PyTorch scripts do it: torchvision's MNASNet, AdamW, one cosine after a short warm-up, random crop and flip.

finetune.py WEIGHTS DATA [--rate X] [--seed N] [--epochs N] [--size N] [--batch N] [--bn-momentum X]

WEIGHTS is a state dict of torchvision's mnasnet1_0. DATA has train/ and val/ with a folder a class. Prints one JSON line.
Needs torch and torchvision."""

import argparse
import json
import math

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

args = argparse.ArgumentParser()
args.add_argument("weights")
args.add_argument("data")
args.add_argument("--rate", type=float, default=1e-3)
args.add_argument("--seed", type=int, default=1)
args.add_argument("--epochs", type=int, default=30)
args.add_argument("--size", type=int, default=128)
args.add_argument("--batch", type=int, default=32)
args.add_argument("--bn-momentum", type=float)
args = args.parse_args()

torch.manual_seed(args.seed)
torch.set_num_threads(2)
pixels = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
crop = [transforms.RandomResizedCrop(args.size), transforms.RandomHorizontalFlip()]
centre = [transforms.Resize(round(args.size / 0.875)), transforms.CenterCrop(args.size)]
train = datasets.ImageFolder(f"{args.data}/train", transforms.Compose(crop + pixels))
val = datasets.ImageFolder(f"{args.data}/val", transforms.Compose(centre + pixels))
batches = DataLoader(train, args.batch, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
val_batches = DataLoader(val, 100, num_workers=2, persistent_workers=True)

weights = torch.load(args.weights, weights_only=True)
net = models.mnasnet1_0(num_classes=weights["classifier.1.weight"].shape[0])
net.load_state_dict(weights)
net.classifier[1] = nn.Linear(1280, len(train.classes))
nn.init.normal_(net.classifier[1].weight, std=0.01)
nn.init.zeros_(net.classifier[1].bias)
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d) and args.bn_momentum is not None:
        module.momentum = args.bn_momentum
net = net.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(net.parameters(), args.rate, weight_decay=0.01)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
steps, warmup = len(batches) * args.epochs, len(batches)
schedule = torch.optim.lr_scheduler.LambdaLR(
    optimizer,
    lambda step: (step + 1) / warmup
    if step < warmup
    else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))),
)

curve = []
for epoch in range(args.epochs):
    net.train()
    for images, labels in batches:
        loss = loss_of(net(images.contiguous(memory_format=torch.channels_last)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    if (args.epochs - 1 - epoch) % 5:
        continue
    net.eval()
    with torch.inference_mode():
        right = sum((net(images).argmax(1) == labels).sum().item() for images, labels in val_batches)
    curve.append(right / len(val))
print(json.dumps(vars(args) | {"best": max(curve), "last": curve[-1], "curve": curve}))
