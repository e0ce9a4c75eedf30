#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The apq authors
"""The reference network of configs/bench/mbconv.yaml in PyTorch, timed as "apq bench engine --json" times it.

Channels-last; training is forward, cross entropy, backward and SGD with momentum, evaluation has the
normalisations folded into the convolutions. --frozen evaluates what torch.jit.optimize_for_inference makes of the
network, which goes through oneDNN throughout. Needs Debian's python3-torch.
"""
import argparse
import json
import time

import torch
from torch import nn

STAGES = [(24, 1), (32, 2), (64, 2), (96, 1)]  # width, stride of the first of 3 blocks
EXPANSION = 6


def convolution(cin, cout, kernel=1, stride=1, groups=1, activation=True):
    layers = [
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout, eps=1e-3),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if activation else nn.Sequential(*layers)


class Block(nn.Module):
    def __init__(self, cin, cout, kernel, stride):
        super().__init__()
        middle = EXPANSION * cin
        self.residual = stride == 1 and cin == cout
        self.body = nn.Sequential(
            convolution(cin, middle),
            convolution(middle, middle, kernel, stride, middle),
            convolution(middle, cout, activation=False),
        )

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def network(kernel):
    layers, cin = [convolution(3, 16, 3)], 16
    for width, stride in STAGES:
        for block in range(3):
            layers.append(Block(cin, width, kernel, stride if block == 0 else 1))
            cin = width
    layers += [convolution(cin, 256), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def fold(net):
    """A convolution with bias instead of each convolution and normalisation."""
    for module in net.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = nn.utils.fusion.fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return net.to(memory_format=torch.channels_last)


def timed(step, seconds):
    """Seconds of the first step and of each after some that warm up."""
    begin = time.perf_counter()
    step()
    first = time.perf_counter() - begin
    for _ in range(4):  # the just-in-time compiler specialises in the first runs
        step()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return first, sorted(times)


def training(net, x, labels):
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=4e-5)
    net.train()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(net(x), labels).backward()
        optimizer.step()

    return step


def evaluation(net, x, frozen):
    net = fold(net.eval())
    if frozen:
        with torch.no_grad():
            net = torch.jit.optimize_for_inference(torch.jit.trace(net, x))

    def step():
        with torch.inference_mode():
            net(x)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["train", "fp32"], default="train")
    parser.add_argument("--kernel", type=int, choices=[3, 5, 7], default=3)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    net = network(options.kernel)
    x = torch.randn(options.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(options.batch) % 10
    step = training(net, x, labels) if options.mode == "train" else evaluation(net, x, options.frozen)
    first, times = timed(step, options.seconds)
    median = times[len(times) // 2]
    print(json.dumps({
        "mode": options.mode,
        "batch": options.batch,
        "threads": options.threads,
        "kernel": options.kernel,
        "pytorch": torch.__version__,
        "frozen": options.frozen,
        "images_per_s": options.batch / median,
        "step_seconds": {"first": first, "least": times[0], "median": median, "most": times[-1]},
        "steps": len(times),
    }, indent=2))


if __name__ == "__main__":
    main()
