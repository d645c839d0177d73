"""What data sets of every kind are refused for: one line, status 2, the same on all ranks."""
import pytest
from mistakes import ALL, Mistake, each, name_of


def data(spec, *says, **more):
    """The training with images that cannot be read, or are not what they should be."""
    name = spec.replace("{bad}/", "").replace(":", "-").replace("/", "-")
    return Mistake(name, f"train --rounds 1 --data {spec} --out out.h5", says, **more)


WRONG = [
    data("{bad}/wrong.tar.gz", "wrong.tar.gz", "not a folder", "tar xzf", ranks=ALL),
    data("{bad}/wrong.zip", "unzip it"),
    data("{bad}/wrong.pkl", "a pickle of Python's", "binary version"),
    data("{bad}/wrong.npy", "one array", "npz"),
    data("{bad}/wrong.png", "one picture", "folder for each class"),
    data("{bad}/wrong-archive", "cifar-10-binary.tar.gz", "but packed", "tar xzf"),
    data("{bad}/wrong-folder", "data_batch_1.bin", "missing", "no other data set"),
    data("nokind:{bad}/data", "no such folder", "KIND:WHERE"),
]

IDX = [
    data("idx:{bad}/nowhere", "train-images-idx3-ubyte", "missing"),
    data("idx:{bad}/folder", "folder/train-images-idx3-ubyte", "missing", "IDX"),
    data("{bad}/idx-prefix", "has IDX files: name", "idx-prefix/emnist-letters"),
    data("{bad}/idx-no-labels", "train-labels-idx1-ubyte", "missing"),
    data("{bad}/idx-no-test", "t10k-images-idx3-ubyte", "missing", ranks=ALL),
    data("{bad}/idx-cut", "train-images-idx3-ubyte", "cut off"),
    data("{bad}/idx-long", "train-images-idx3-ubyte", "too long"),
    data("{bad}/idx-header", "train-images-idx3-ubyte", "cut off"),
    data("{bad}/idx-floats", "train-images-idx3-ubyte", "another type"),
    data("{bad}/idx-garbage", "train-images-idx3-ubyte", "no IDX file"),
    data("{bad}/idx-dims", "train-images-idx3-ubyte", "2 dimensions"),
    data("{bad}/idx-huge", "train-images-idx3-ubyte", "header promises 72057594021150736", ranks=ALL),
    data("{bad}/idx-wide", "train-images-idx3-ubyte", "4294967295 rows"),
    data("{bad}/idx-empty", "0 training images"),
    data("{bad}/idx-few-labels", "train-labels-idx1-ubyte", "11 labels for 12 images"),
    data("{bad}/idx-other-size", "t10k-images-idx3-ubyte", "27 x 28"),
    data("{bad}/idx-label", "images of 1 x 28 x 28", "model paper"),
    data("{bad}/idx-label --model fashion", "105 classes", "tells 10 apart; label 100 of test image 0 is the first beyond them", ranks=ALL),
    data("{bad}/idx-names", "idx-names: classes 1 and 3 are both called b"),
    data("{bad}/idx-gz-cut", "train-images-idx3-ubyte.gz", "cut off"),
    data("{bad}/idx-gz-damaged", "train-images-idx3-ubyte.gz", "damaged", ranks=ALL),
    data("{bad}/idx-bomb", "train-images-idx3-ubyte.gz", "too long"),
    data("fashion-mnist:{bad}/idx-few-labels", "11 labels"),
]

CIFAR100 = [
    data("cifar100:{bad}/nowhere", "train.bin", "missing", "cifar-100-binary"),
    data("cifar100:{bad}/cifar100-python", "for Python", "binary version"),
    data("{bad}/cifar100-python", "cifar100-python has CIFAR-100 for Python", "cifar-100-binary.tar.gz", ranks=ALL),
    data("{bad}/cifar100-matlab", "CIFAR-100 for Matlab"),
    data("{bad}/cifar100", "100 classes", "tells 10 apart"),
    data("{bad}/cifar100-cut", "train.bin", "122959 bytes", "records of 3074"),
    data("{bad}/cifar100-empty", "train.bin", "0 bytes"),
    data("{bad}/cifar100-label", "train.bin", "image 0", "label 100, expected 0 to 99", ranks=ALL),
    data("{bad}/cifar100-no-test", "test.bin", "missing"),
]

NPZ = [
    data("npz:{bad}/nowhere.npz", "nowhere.npz", "No such file"),
    data("npz:{bad}/text.h5", "text.h5", "no zip file"),
    data("{bad}/npz-floats.npz", "images is 24 x 3 x 32 x 32 of type <f4", "uint8"),
    data("{bad}/npz-real-labels.npz", "labels is 24 of type <f8"),
    data("{bad}/npz-names.npz", "no images and labels", "npz-names.npz:IMAGES,LABELS"),
    data("{bad}/npz-names.npz:a,c", "no array c"),
    data("{bad}/npz-names.npz:a,", "expected the names of two arrays"),
    data("{bad}/npz-negative.npz", "label -1 of image 0", ranks=ALL),
    data("{bad}/npz-large.npz", "label 1099511627776 of image 1"),
    data("{bad}/npz-fortran.npz", "Fortran"),
    data("{bad}/npz-count.npz", "labels is 23", "for each image"),
    data("{bad}/npz-train-count.npz", "y_train is 23", "for each image"),
    data("{bad}/npz-no-test-labels.npz", "has an array x_test, but none called y_test", ranks=ALL),
    data("{bad}/npz-flat.npz", "images is 24 x 3072"),
    data("{bad}/npz-none.npz", "images is 0 x 3"),
    data("{bad}/npz-objects.npz", "of type |O"),
    data("{bad}/npz-cut.npz", "no zip file, or its end is cut off"),
    data("{bad}/npz-huge.npz", "its header promises", ranks=ALL),
    data("{bad}/npz-overflow.npz", "npz-overflow.npz: images"),
    data("{bad}/npz-damaged.npz", "npz-damaged.npz: images", "damaged"),
    data("{bad}/npz-flipped.npz", "npz-flipped.npz: images", "is damaged", "checksum", "anew", ranks=ALL),
    data("{bad}/npz-sum.npz", "npz-sum.npz: images", "is damaged", "checksum"),
    data("{bad}/npz.npz", "5 classes", "tells 10 apart"),
    data("{bad}/npz-label.npz", "11 classes", "tells 10 apart; label 10 of image 3 is the first beyond them"),
]

SVHN = [
    data("mat:{bad}/nowhere", "train_32x32.mat", "missing", "SVHN"),
    data("{bad}/mat-no-test", "test_32x32.mat", "missing"),
    data("{bad}/mat-cut", "train_32x32.mat"),
    data("{bad}/mat-half", "train_32x32.mat", "cut off", ranks=ALL),
    data("{bad}/mat-header", "train_32x32.mat", "cut off"),
    data("{bad}/mat-text", "train_32x32.mat", "no MATLAB file"),
    data("{bad}/mat-new", "version 7.3", "-v7"),
    data("{bad}/mat-torn", "train_32x32.mat", "cut off"),
    data("{bad}/mat-no-x", "no array X"),
    data("{bad}/mat-floats", "X is no array as SVHN's"),
    data("{bad}/mat-count", "19 x 1 labels for 20 images"),
    data("{bad}/mat-label", "label 11 of image 1", "10 is the digit 0", ranks=ALL),
    data("{bad}/mat-half-label", "label 0.5 of image 0"),
    data("{bad}/mat-huge", "X is no array as SVHN's"),
]

HDF5 = [
    data("hdf5:{bad}/nowhere.h5", "nowhere.h5", "No such file"),
    data("hdf5:{bad}/folder", "no regular file"),
    data("hdf5:{bad}/text.h5", "no HDF5 file", ranks=ALL),
    data("{bad}/good.h5", "good.h5", "no images and labels"),
    data("{bad}/hdf5-good.h5", "5 classes", "tells 10 apart"),
    data("{bad}/hdf5-good.h5:images,nothing", "no array nothing"),
    data("{bad}/hdf5-floats.h5", "images is 24 x 3 x 32 x 32 of type float32", "uint8"),
    data("{bad}/hdf5-signed.h5", "of type int8"),
    data("{bad}/hdf5-negative.h5", "label -1 of image 0"),
    data("{bad}/hdf5-few_names.h5", "class_names has 3 names for 5 classes; label 3 of image 3 is the first without one", ranks=ALL),
    data("{bad}/hdf5-label.h5", "11 classes", "tells 10 apart; label 10 of image 3 is the first beyond them"),
    data("{bad}/hdf5-large.h5", "of image 1", ranks=ALL),
    data("{bad}/hdf5-text.h5", "labels is 24 of type text"),
    data("{bad}/hdf5-count.h5", "labels is 23"),
    data("{bad}/hdf5-train_alone.h5", "has an array test_labels, but none called test_images"),
    data("{bad}/hdf5-virtual.h5", "outside the file"),
    data("{bad}/hdf5-unwritten.h5", "never written"),
    data("{bad}/hdf5-endless.h5", "hdf5-endless.h5: /images"),
    data("{bad}/hdf5-linked.h5", "link to elsewhere"),
    data("{bad}/hdf5-group.h5", "/images is no dataset"),
    data("{bad}/hdf5-cut.h5", "hdf5-cut.h5"),
    data("{bad}/hdf5-damaged.h5 --model {bad}/five.ini", "images cannot be read", ranks=ALL),
]

PICTURES = [
    data("folder:{bad}/nowhere", "nowhere", "No such file"),
    data("folder:{bad}/empty-folder", "has no folders"),
    data("{bad}/pictures", "3 classes", "tells 10 apart"),
    data("{bad}/pictures:8x9", "3 x 8 x 9", "3 x 32 x 32"),
    data("folder:{bad}/pictures:8x9x2", "8x9x2", "x1 for grey"),
    data("folder:{bad}/pictures:0x9", "HEIGHTxWIDTH"),
    data("{bad}/pictures-text --model {bad}/three.ini", "train/d/x.png", "no PNG, JPEG or BMP", ranks=ALL),
    data("{bad}/pictures-empty-file --model {bad}/three.ini", "test/d/x.png", "it is empty"),
    data("{bad}/pictures-cut --model {bad}/three.ini", "train/e/x.png", "damaged PNG"),
    *(Mistake(f"pictures-{name}", f"data info {{bad}}/pictures-{name}", ("train/e/x.png", *words), ranks=(1,)) for name, *words in (
        ("huge", "8000 x 8001", "64 million"), ("long", "65536 x 2", "sides of 65535"), ("bomb", "damaged PNG"),
        ("huge-jpeg", "65500 x 65500", "64 million"), ("cut-jpeg", "damaged JPEG"), ("cut-bmp", "damaged BMP", "cut off"),
        ("palette", "damaged BMP", "palette"), ("packed-bmp", "other than 8 bits"), ("gif", "is a GIF picture", "convert it"))),
    data("{bad}/pictures-foreign", "train/d/x.gif: is a GIF picture", "convert it to PNG, JPEG or BMP", ranks=ALL),
    data("{bad}/pictures-foreign-alone", "train/f/x: is a TIFF or raw picture", "convert it"),
    data("{bad}/pictures-pipe --model {bad}/three.ini", "train/d/x.png", "not a regular file", ranks=ALL),
    data("{bad}/pictures-other-class", "test/other", "no folder of for training"),
    data("{bad}/pictures-empty-class", "train/f", "without a PNG, JPEG or BMP picture"),
    data("{bad}/pictures-alike", "a" * 64 + "x and " + "a" * 64 + "y", "begin alike", "63 bytes", "rename"),
    data("{bad}/pictures-no-test", "none for testing"),
]

PACK = [
    Mistake("pack-over", "data pack {bad}/pictures existing.h5", ("existing.h5: exists; choose another name or add --force",), ranks=(1,), files=("existing.h5",)),
    Mistake("pack-nowhere", "data pack {bad}/pictures no/such/x.h5", ("no/such", "make it first or choose another name"), ranks=(1,)),
    Mistake("pack-label", "data pack {bad}/cifar100-label x.h5", ("label 100",), ranks=(1,)),
    Mistake("pack-picture", "data pack {bad}/pictures-text x.h5", ("train/d/x.png",), ranks=(1,)),
    Mistake("pack-nothing", "data pack {bad}/pictures", ("expected", "pack DATA OUT.h5"), ranks=(1,)),
    Mistake("partition-sizes", "data partition --partition sizes {bad}/pictures-text", ("sizes",), ranks=(1,)),
    Mistake("info-picture", "data info {bad}/pictures-text", ("train/d/x.png",), ranks=(1,)),
]

MISTAKES = each(WRONG, IDX, CIFAR100, NPZ, SVHN, HDF5, PICTURES, PACK)


@pytest.mark.parametrize("mistake, ranks", MISTAKES, ids=name_of)
def test_data(attempts, mistake, ranks):
    attempts.judge(mistake, ranks)
