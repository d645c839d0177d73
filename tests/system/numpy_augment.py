"""What --augment makes of images, in numpy and Python's whole numbers, from the manual and Philox's paper."""
import numpy as np

AUGMENT, MASK = 6, 0xFFFFFFFF  # the use of random numbers


def philox(seed, stream, index):
    """64 random bits: Philox4x32-10."""
    c = [index & MASK, index >> 32, stream & MASK, stream >> 32]
    k = [seed & MASK, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c[1] << 32 | c[0]


class Chance:
    """The numbers of one change to one image."""

    def __init__(self, seed, kind, epoch, image):
        self.seed, self.stream, self.index = seed, AUGMENT << 56 | kind << 32 | epoch, image << 32

    def below(self, n):
        self.index += 1
        return philox(self.seed, self.stream, self.index - 1) * n >> 64

    def either_way(self, most):
        return self.below(2 * most + 1) - most


def flip(image, words, draw, epoch):
    turned = draw(0 if words else epoch).below(2) ^ (epoch & 1 if words else 0)
    return image[:, :, ::-1] if turned else image


def crop(image, words, draw, epoch):
    n, chance = int(words[0]), draw(epoch)
    y, x = (n + chance.either_way(n) for _ in range(2))
    pads = ((0, 0), (n, n), (n, n))
    padded = np.pad(image, pads, mode="reflect") if words[1:] else np.pad(image, pads)
    return padded[:, y:y + image.shape[1], x:x + image.shape[2]]


def cutout(image, words, draw, epoch, value=128):
    n, chance, made = int(words[0]), draw(epoch), image.copy()
    y, x = (chance.below(side) - n // 2 for side in image.shape[1:])
    made[:, max(y, 0):max(y + n, 0), max(x, 0):max(x + n, 0)] = value
    return made


def color(image, words, draw, epoch):
    most, chance = round(float(words[0]) * 65536), draw(epoch)
    brightness, contrast = (65536 + chance.either_way(most) for _ in range(2))
    mean = int(image.sum(dtype=np.int64)) * 65536 // image.size * brightness // 65536
    distance = (image.astype(np.int64) * brightness - mean) * contrast
    value = np.sign(distance) * (abs(distance) // 65536) + mean + 32768  # towards 0
    return np.clip(value // 65536, 0, 255).astype(np.uint8)


def sine(angle):
    """Sine and cosine, of 65,536, of 2^-26 radian."""
    sums, term, size = [1 << 26, 0], 1 << 26, abs(angle)
    for k in range(1, 24):
        term = (term * size >> 26) // k
        sums[k % 2] += term if k % 4 < 2 else -term
    cos, sin = ((value + 512) >> 10 for value in sums)
    return -sin if angle < 0 else sin, cos


def rotate(image, words, draw, epoch):
    sin, cos = sine(draw(epoch).either_way(round(float(words[0]) / 180 * np.pi * 2 ** 26)))
    height, width = image.shape[1:]
    v, u = np.mgrid[-(height - 1):height:2, -(width - 1):width:2].astype(np.int64)
    x = np.clip((((width - 1) << 16) + cos * u - sin * v) >> 1, 0, (width - 1) << 16)
    y = np.clip((((height - 1) << 16) + sin * u + cos * v) >> 1, 0, (height - 1) << 16)
    left, above, part_x, part_y = x >> 16, y >> 16, x >> 8 & 255, y >> 8 & 255
    right, below = np.minimum(left + 1, width - 1), np.minimum(above + 1, height - 1)
    wide = image.astype(np.int64)
    rows = [wide[:, row, left] * (256 - part_x) + wide[:, row, right] * part_x for row in (above, below)]
    return ((rows[0] * (256 - part_y) + rows[1] * part_y + 32768) >> 16).astype(np.uint8)


KINDS = {"flip": (1, flip), "crop": (2, crop), "cutout": (3, cutout), "color": (4, color), "rotate": (5, rotate)}


def shares(a, n=1024, steps=1 << 14):
    """Quantiles of min(l, 1 - l), of 256, l as Beta(a, a): summed up in l^a, where its density has no pole."""
    l = (0.5 ** a * (np.arange(steps) + 0.5) / steps) ** (1 / a)
    part = np.cumsum((1 - l) ** (a - 1))
    at = np.searchsorted(part / part[-1], (np.arange(n) + 0.5) / n)
    return (256 * l[at] + 0.5).astype(int)


def mix(images, table, seed, epoch, first):
    """A batch of bytes, from number `first` on, each with the next one in it; and the shares of that."""
    part = np.array([table[Chance(seed, 6, epoch, first + k).below(len(table))] for k in range(len(images))])
    share = part[:, None, None, None]
    return (images * (256 - share) + np.roll(images, -1, axis=0) * share + 128) // 256, part / 256


def augment(images, changes, seed, epoch):
    """All images [n][channels][height][width] of bytes, numbered from 0, as epoch sees them."""
    made = []
    for number, image in enumerate(images):
        for change in changes.split(","):
            name, *words = change.split(":")
            kind, apply = KINDS[name]
            image = apply(image, words, lambda of, kind=kind, number=number: Chance(seed, kind, of, number), epoch)
        made.append(image)
    return np.array(made)
