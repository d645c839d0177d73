"""The pages' commands for emulated hosts, as they stand there (pages.py); the cluster has a name of its own."""
import emulated
import pages
import pytest
from conftest import WAIT_S

BLOCKS = [block for page in pages.pages() for block in pages.blocks(page) if block.marker == "run on emulated hosts"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.page)
def test_block(block, tmp_path, pictures):
    emulated.need()
    cluster = emulated.Cluster(tmp_path)
    shell = pages.Shell(tmp_path, pictures)
    shell.env["EMULATE_NAME"] = cluster.name
    shell.add(block)
    try:
        shell.run(4 * WAIT_S)
        assert "test accuracy" in shell.printed(block)
        assert cluster.traces() == []
    finally:
        cluster("down")


def test_there_is_one():
    assert BLOCKS
