#!/usr/bin/python3
"""Write small nets as PyTorch's exporters write them to ONNX, and what PyTorch makes of images: tests/data/pytorch_onnx.h5,
and with the exporter that is built on dynamo tests/data/pytorch_dynamo.h5.

usage: tests/data/pytorch_onnx.py OUT.h5             (needs PyTorch; the tests do not)
       tests/data/pytorch_onnx.py OUT.h5 --dynamo    (needs onnx and onnxscript, too)

The attribute made says with which versions.  A group for each net, and opset:
  attributes range     pixels go from 0 to this
             probabilities  the last step is a softmax
  file                 the ONNX file, as bytes
  x [n][3][12][12]     images, as the net takes them
  y [n][classes]       what it gives
With --dynamo a group "external" besides, of the net plain with its weights in another file: its file alone.
To add one: a class, and its line in NETS.
"""
import io
import sys
import tempfile
import warnings

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

IMAGES, SIDE = 5, 12


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(24, 9), nn.Linear(9, 5)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return F.max_pool2d(F.relu(self.conv2(x)), 2)

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.fc2(F.relu(self.fc1(x)))


class Normalised(Plain):
    """A mean and a deviation for each channel in the graph, and probabilities."""

    def forward(self, x):
        x = (x - torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(1, 3, 1, 1)
        x = torch.flatten(self.features(x), 1)
        return F.softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


class Bytes(Plain):
    def forward(self, x):
        x = self.features((x - 127.5) / 127.5).reshape(-1, 24)
        return self.fc2(F.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.short = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if stride > 1 else None

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.short(x) if self.short else x))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4)
        self.layer1, self.layer2 = Block(4, 4, 1), Block(4, 6, 2)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.flatten(self.pool(x), 1))


class Next(nn.Module):
    """A block of ConvNeXt: layer norm and dense layers over the channels, as the last axis."""

    def __init__(self, c):
        super().__init__()
        self.dw, self.norm = nn.Conv2d(c, c, 3, padding=1, groups=c), nn.LayerNorm(c)
        self.pw1, self.pw2 = nn.Linear(c, 2 * c), nn.Linear(2 * c, c)
        self.gamma = nn.Parameter(torch.rand(c))

    def forward(self, x):
        y = self.pw2(F.gelu(self.pw1(self.norm(self.dw(x).permute(0, 2, 3, 1)))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


class Kinds(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.gn, self.nx = nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), Next(8)
        self.pr, self.pc = nn.PReLU(), nn.PReLU(8)
        self.c2 = nn.Conv2d(8, 12, 3, padding=2, dilation=2, groups=4)
        self.bn, self.inn = nn.BatchNorm2d(12, affine=False), nn.InstanceNorm2d(12, affine=True)
        self.d, self.fc1, self.b1, self.fc2 = nn.Dropout(), nn.Linear(18, 7), nn.BatchNorm1d(7), nn.Linear(7, 5)

    def forward(self, x):
        x = self.pc(self.pr(self.nx(self.gn(self.c1(x)))))
        x = self.inn(self.bn(self.c2(F.avg_pool2d(x, 3, 2, 1))))
        x = F.leaky_relu(x, 0.1) * 0.7
        a, b = x.chunk(2, 1)
        x = torch.cat([torch.tanh(a) * F.silu(b), F.gelu(a), b], 1)
        return self.fc2(torch.relu(self.b1(self.fc1(self.d(x.mean([2, 3]))))))


class Functions(nn.Module):
    """GELU as it was written before there was one; sums and products that begin like functions, and are none."""

    def __init__(self):
        super().__init__()
        self.c, self.d, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 5)

    def forward(self, x):
        y = self.c(x)
        y = 0.5 * y * (1 + torch.tanh(0.7978845608 * (y + 0.044715 * torch.pow(y, 3))))
        z = self.d(y)
        y = F.relu(y + z) + F.silu(y) + torch.tanh(z) * 0.5
        y = F.silu(0.3 * y) + torch.clamp(y, min=0) + y + y
        return self.fc(F.max_pool2d(y, 3, 2, 1).mean((2, 3)))


NETS = {"plain": (Plain, 1.0, (9, 17)), "normalised": (Normalised, 1.0, (13,)), "bytes": (Bytes, 255.0, (11,)),
        "residual": (Residual, 1.0, (11, 17)), "kinds": (Kinds, 1.0, (17,)), "functions": (Functions, 1.0, (9, 15))}


def unsettle(net):
    """Numbers that are not what they begin with."""
    for name, tensor in list(net.named_parameters()) + list(net.named_buffers()):
        if tensor.dtype == torch.float32 and tensor.dim() == 1:
            torch.nn.init.uniform_(tensor, 0.5, 1.5) if "var" in name else tensor.data.add_(0.3 * torch.rand_like(tensor) - 0.1)


def write_group(file, name, kind, most, net, data, x):
    group = file.create_group(name)
    group.attrs["range"] = most
    group.attrs["probabilities"] = float(kind is Normalised)
    group.create_dataset("file", data=np.frombuffer(data, "u1"), compression="gzip")
    group["x"], group["y"] = x.numpy(), net(x).detach().numpy()


def exported(net, x, **how):
    """As dynamo's exporter writes it, but for the notes that tell where in which program a node comes from."""
    import onnx
    with tempfile.TemporaryDirectory() as folder:
        torch.onnx.export(net, (x,), f"{folder}/net.onnx", dynamo=True, verbose=False, input_names=["x"], output_names=["y"], **how)
        model = onnx.load(f"{folder}/net.onnx", load_external_data=False)
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.functions):
        del part.metadata_props[:]
    return model.SerializeToString()


def write_dynamo(file):
    import onnx
    import onnxscript
    file.attrs["made"] = f"PyTorch {torch.__version__}, onnxscript {onnxscript.__version__}, onnx {onnx.__version__}"
    for name, (kind, most, _) in NETS.items():
        net = kind().eval()
        unsettle(net)
        x = torch.rand(IMAGES, 3, SIDE, SIDE) * most
        shapes = ({0: torch.export.Dim("n")},) if kind is not Plain else None
        write_group(file, name, kind, most, net, exported(net, x, external_data=False, dynamic_shapes=shapes), x)
    file["external/file"] = np.frombuffer(exported(Plain().eval(), x, external_data=True), "u1")


def main():
    torch.manual_seed(1)
    warnings.simplefilter("ignore")
    with h5py.File(sys.argv[1], "w") as file:
        if "--dynamo" in sys.argv[2:]:
            write_dynamo(file)
            return
        file.attrs["made"] = f"PyTorch {torch.__version__}"
        for name, (kind, most, opsets) in NETS.items():
            for opset in opsets:
                net, stream = kind().eval(), io.BytesIO()
                unsettle(net)
                x = torch.rand(IMAGES, 3, SIDE, SIDE) * most
                axes = {"x": {0: "n"}, "y": {0: "n"}} if opset % 2 else None
                torch.onnx.export(net, x, stream, opset_version=opset, input_names=["x"], output_names=["y"],
                                  dynamic_axes=axes if opset != 11 else None, do_constant_folding=opset != 9)
                write_group(file, f"{name}, opset {opset}", kind, most, net, stream.getvalue(), x)


if __name__ == "__main__":
    main()
