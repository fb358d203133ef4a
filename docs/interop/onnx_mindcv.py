"""Networks of mindcv as MindSpore exports them. See onnx.sh."""

import mindspore
import numpy as np
from mindspore import Tensor
from seasoned_mindcv import seasoned

mindspore.set_seed(1)
np.random.seed(1)
images = np.random.randn(8, 3, 96, 96).astype(np.float32)
for name in ("mnasnet_050", "mnasnet_100"):
    mindspore.export(seasoned(name, 10, images), Tensor(images[:1]), file_name=name, file_format="ONNX")
