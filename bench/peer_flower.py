#!/usr/bin/env python3
"""Time to a test accuracy with Flower and PyTorch, to compare with: one server, some clients, one machine.

usage: peer_flower.py DATA CLIENTS TARGET    prints seconds of training until the averaged model is there

As in Flower's own example for PyTorch: FedAvg, one pass over a client's shard per round, the server tests
the average.  The recipe (batch 16, learning rate 0.01, momentum 0.9) is one that needs few rounds.  The time
runs from the first round's begin; loading data and starting Python are not in it, nor are the tests.
"""
import os
import subprocess
import sys
import time

import flwr
import torch
import torch.nn.functional as F

from cifar import tensors
from peer_torch import Net

ADDRESS = "127.0.0.1:18080"
ROUNDS = 20


def weights_of(net):
    return [value.numpy() for value in net.state_dict().values()]


def set_weights(net, weights):
    net.load_state_dict({name: torch.tensor(value) for name, value in zip(net.state_dict(), weights)})


class Client(flwr.client.NumPyClient):
    def __init__(self, folder, k, n):
        x, y = tensors(folder, [f"data_batch_{i}.bin" for i in range(1, 6)])
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))[k::n]
        self.net, self.x, self.y = Net(), x[order], y[order]

    def get_parameters(self, config):
        return weights_of(self.net)

    def fit(self, parameters, config):
        set_weights(self.net, parameters)
        sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9)
        for batch in torch.randperm(len(self.x)).split(16):
            sgd.zero_grad()
            F.cross_entropy(self.net(self.x[batch]), self.y[batch]).backward()
            sgd.step()
        return weights_of(self.net), len(self.x), {}


def client(folder, k, n):
    torch.set_num_threads(1)
    torch.manual_seed(k)
    flwr.client.start_numpy_client(server_address=ADDRESS, client=Client(folder, k, n))


def server(folder, n, target):
    x, y = tensors(folder, ["test_batch.bin"])
    torch.manual_seed(0)
    net, tested = Net(), 0.0
    start = None

    def evaluate(number, parameters, config):
        nonlocal start, tested
        now = time.perf_counter()
        if number == 0:
            start = now
            return None
        set_weights(net, parameters)
        with torch.no_grad():
            right = sum(int((net(x[k:k + 500]).argmax(1) == y[k:k + 500]).sum()) for k in range(0, len(x), 500))
        accuracy, trained = right / len(x), now - start - tested
        tested += time.perf_counter() - now
        if accuracy >= target or number == ROUNDS:
            print(f"{trained if accuracy >= target else float('nan'):.3f} {accuracy:.4f} {number}", flush=True)
            for worker in workers:
                worker.kill()
            os._exit(0)  # Flower has no other way to stop early
        return 1.0 - accuracy, {}

    workers = [subprocess.Popen([sys.executable, __file__, "client", folder, str(k), str(n)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for k in range(n)]
    strategy = flwr.server.strategy.FedAvg(
        fraction_evaluate=0.0, min_fit_clients=n, min_available_clients=n, evaluate_fn=evaluate,
        initial_parameters=flwr.common.ndarrays_to_parameters(weights_of(net)))
    try:
        flwr.server.start_server(server_address=ADDRESS, config=flwr.server.ServerConfig(num_rounds=ROUNDS),
                                 strategy=strategy)
    finally:
        for worker in workers:
            worker.kill()


if sys.argv[1] == "client":
    client(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    server(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
