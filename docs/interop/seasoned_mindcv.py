"""Networks of mindcv that behave as trained ones."""

import mindcv
import numpy as np
from mindspore import Tensor


def logits(net, images):
    return net(Tensor(images)).asnumpy().astype(np.float64)


def seasoned(name, classes, images):
    """Statistics of batch norm that are like measured ones, and logits that differ."""
    net = mindcv.create_model(name, num_classes=classes)
    net.set_train(True)
    for _ in range(10):
        net(Tensor(np.random.randn(4, 3, 64, 64).astype(np.float32)))
    for parameter in net.get_parameters():
        if parameter.name.endswith("moving_variance"):
            # Momentum is 0.99: what ten steps leave is moved the rest of the way.
            parameter.set_data(Tensor(np.maximum(1 - (1 - parameter.asnumpy()) / (1 - 0.99**10), 0.01).astype(np.float32)))
        if parameter.name.endswith("gamma"):
            parameter.set_data(Tensor(np.random.uniform(0.5, 1.5, parameter.shape).astype(np.float32)))
    net.set_train(False)
    # Logits of a trained network are some units apart.
    scale = 3 / logits(net, images).std()
    weight = net.classifier.weight
    weight.set_data(Tensor((scale * weight.asnumpy()).astype(np.float32)))
    return net
