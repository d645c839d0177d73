"""Small nets, first weights and readers of result files that several system tests share."""
import h5py
import numpy as np
from conftest import ROOT
from numpy_net import Net

PAPER = (ROOT / "models" / "paper.ini").read_text()

HEAD = "[model]\nname = small\ninput = 3 32 32\nclasses = 10\n"
SMALL = HEAD + """
[conv1]
kind = conv
filters = 5
kernel = 5
stride = 2
padding = 2
[relu1]
kind = relu
[pool1]
kind = maxpool
window = 2
[fc1]
kind = dense
units = 13
[relu2]
kind = relu
[fc2]
kind = dense
units = 10
"""
# A stride that leaves a border, padding of a deeper layer, windows that overlap, a pool without relu before it.
ODD = HEAD + """
[conv1]
kind = conv
filters = 4
kernel = 4
stride = 3
padding = 2
[relu1]
kind = relu
[conv2]
kind = conv
filters = 7
kernel = 3
padding = 1
[pool1]
kind = maxpool
window = 3
stride = 2
[fc1]
kind = dense
units = 10
"""
CHANGES = "flip:alternate,crop:3:reflect,rotate:20,color:0.3,cutout:9"

MIXED = HEAD + """
[conv1]
kind = conv
filters = 8
kernel = 3
stride = 3
[gelu]
kind = gelu
[left]
kind = split
half = first
[right]
kind = split
input = gelu
half = second
[silu]
kind = silu
input = left
[gate]
kind = multiply
input = silu, right
[both]
kind = concat
input = gate, gelu
[drop1]
kind = dropout
p = 0.1
[conv2]
kind = conv
filters = 8
kernel = 1
[scale]
kind = scale
[sum]
kind = add
input = scale, gelu
[relu]
kind = relu
[pool]
kind = maxpool
window = 2
[prelu1]
kind = prelu
slopes = channels
[fc1]
kind = dense
units = 13
[gelu2]
kind = gelu
form = tanh
[drop2]
kind = dropout
[fc2]
kind = dense
units = 11
[tanh]
kind = tanh
[prelu2]
kind = prelu
[fc3]
kind = dense
units = 10
[third]
kind = scale
factor = 0.3333
"""
LINEAR = HEAD + "[fc1]\nkind = dense\nunits = 10\n"


def averaging_rules():
    """Names of all rules, from the manual."""
    for line in (ROOT / "docs" / "bramble.1").read_text().splitlines():
        if line.startswith(".It Fl -average Cm "):
            return line.removeprefix(".It Fl -average Cm ").split(" | ")
    raise AssertionError("--average is missing in the manual")


# All that is normalised; the last convolution's plane is a single pixel.
NORMS = HEAD + """
[conv1]
kind = conv
filters = 6
kernel = 4
stride = 3
[norm1]
kind = batchnorm
[relu1]
kind = relu
[pool1]
kind = maxpool
window = 2
padding = 1
[conv2]
kind = conv
filters = 8
kernel = 3
[norm2]
kind = groupnorm
groups = 2
eps = 1e-3
[relu2]
kind = relu
[pool2]
kind = avgpool
window = 2
stride = 1
[conv3]
kind = conv
filters = 6
kernel = 3
[norm3]
kind = layernorm
bias = no
[norm4]
kind = batchnorm
scale = no
momentum = 0.3
eps = 0.1
[relu4]
kind = relu
[pool4]
kind = globalpool
[fc1]
kind = dense
units = 10
"""


def random_weights(net, seed=2):
    """As PyTorch draws them: uniform with bound 1 / sqrt(fan_in), biases too.

    With seed 1 and the test images a unit of the paper's net starts within 1e-9 of its ReLU's kink, and float32
    falls on the other side of it.
    """
    draw, w, bound = np.random.default_rng(seed), {}, 1
    for name, shape in net.shapes().items():
        if name.endswith(".weight"):
            bound = 1 / np.sqrt(np.prod(shape[1:]))
        if len(shape) == 1 and name.split(".")[1] in ("weight", "running_var"):  # of a norm
            w[name] = draw.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            w[name] = draw.uniform(-bound, bound, shape).astype(np.float32)
    return w


def write_weights(path, w, group="/"):
    with h5py.File(path, "a") as file:
        for name, value in w.items():
            file.require_group(group).create_dataset(name, data=value)
    return path


def write_model(folder, text):
    """A model file and weights for it: the options that make a run start from there, and both."""
    net = Net(text)
    w = random_weights(net)
    (folder / "net.ini").write_text(text)
    if not (folder / "init.h5").exists():
        write_weights(folder / "init.h5", w)
    return ["--model", "./net.ini", "--init", "init.h5"], net, w


def write_images(folder, x_bytes, labels, split="train"):
    """One file in CIFAR-10's form."""
    folder.mkdir(exist_ok=True)
    records = np.concatenate([labels.astype(np.uint8)[:, None], x_bytes.reshape(len(labels), -1)], axis=1)
    records.tofile(folder / ("data_batch_1.bin" if split == "train" else "test_batch.bin"))


class Run:
    """What a result file holds: `run["rounds/loss"]`, rows of finished rounds only; `run.weights`."""

    def __init__(self, path):
        self.values = {}
        with h5py.File(path) as file:
            self.n_done = int(file["rounds/n_done"][()])
            self.config, self.build = dict(file["config"].attrs), dict(file["build"].attrs)
            file.visititems(self._take)
        self.weights = {name[6:]: value for name, value in self.values.items()
                        if name.startswith("model/") and value.dtype == np.float32}
        self.summary = {name[8:]: float(value) for name, value in self.values.items()
                        if name.startswith("summary/")}

    def _take(self, name, item):
        if isinstance(item, h5py.Dataset):
            by_round = name.startswith(("rounds/", "test/loss", "test/accuracy")) and item.ndim > 0
            self.values[name] = item[:self.n_done] if by_round else item[()]

    def __getitem__(self, name):
        return self.values[name]

    def phases(self):
        """[round][rank][phase] seconds, and the names of the phases."""
        names = sorted(name for name in self.values if name.startswith("rounds/ranks/") and name.endswith("_s"))
        return np.stack([self[name] for name in names], axis=-1), [name[13:-2] for name in names]


def largest_error(found, expected):
    """The largest difference of all tensors, as a share of each tensor's largest value, and where it is."""
    assert found.keys() == expected.keys()
    errors = {name: np.abs(found[name] - value).max() / np.abs(value).max() for name, value in expected.items()}
    return max((error, name) for name, error in errors.items())


def relative_l2(found, expected):
    """|found - expected| / |expected| over all tensors together."""
    difference = sum(((found[name] - value.astype(float)) ** 2).sum() for name, value in expected.items())
    return np.sqrt(difference / sum((value.astype(float) ** 2).sum() for value in expected.values()))


OUTCOMES = ("rounds/n_done", "rounds/images", "rounds/loss", "rounds/accuracy", "rounds/lr", "rounds/ranks/loss",
            "rounds/ranks/images", "rounds/ranks/steps", "test/loss", "test/accuracy", "test/confusion", "model/round")


def differences(a, b, but=()):
    """Names of the results, times left out, in which two runs are not the same to the last bit."""
    names = [name for name in OUTCOMES if name not in but]
    different = [name for name in names if not np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f")]
    assert a.weights.keys() == b.weights.keys() and a.weights
    return different + [name for name in a.weights if not np.array_equal(a.weights[name], b.weights[name])]
