"""mindcv and MindSpore: their files read, ours written to them. See weights.sh."""

import sys

import mindcv
import mindspore
import numpy as np
from common import FAILED, compare, inputs, photos, row, run
from seasoned_mindcv import logits, seasoned

program = sys.argv[1]
CV = "mindcv " + mindcv.__version__
MS = "MindSpore " + mindspore.__version__
mindspore.set_seed(1)
np.random.seed(1)
pixels = photos("photos256", 256)
images = inputs(pixels, 224, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).astype(np.float32)

numbers = [str(number) for number in range(6)]
for name in ["mnasnet_050", "mnasnet_075", "mnasnet_100", "mnasnet_130", "mnasnet_140"]:
    net = seasoned(name, 6, images)
    mindspore.save_checkpoint(net, f"{name}.ckpt")
    row(f"`{name}` `.ckpt`", CV, lambda: compare(program, f"{name}.ckpt", "photos256", logits(net, images), numbers))
mindspore.save_checkpoint(net, name, format="safetensors")
row(f"`{name}` `.safetensors`", CV, lambda: compare(program, f"{name}.safetensors", "photos256", logits(net, images), numbers))
expected = logits(net, images)
for mode in ["AES-GCM", "AES-CBC", "SM4-CBC"]:

    def encrypted():
        mindspore.save_checkpoint(net, "closed.ckpt", enc_key=b"0123456789ABCDEF", enc_mode=mode)
        code, _, error = run(program, "convert", "closed.ckpt", "no.safetensors")
        assert code == 4 and "encrypted checkpoint of MindSpore" in error and "not a whole" not in error, error
        mindspore.save_checkpoint(mindspore.load_checkpoint("closed.ckpt", dec_key=b"0123456789ABCDEF", dec_mode=mode), "open.ckpt")
        compare(program, "open.ckpt", "photos256", expected, numbers)
        return "refused with its kind and a line, which works"

    row(f"encrypted `.ckpt`, {mode}", MS, encrypted)


def written(path, source, exact, **form):
    code, _, error = run(program, "convert", source, path, "--to", "mindcv")
    assert code == 0, error
    other = mindcv.create_model(name, num_classes=6)
    missing, extra = mindspore.load_param_into_net(other, mindspore.load_checkpoint(path, **form), strict_load=True)
    assert not missing and not extra, (missing, extra)
    worst = np.abs(logits(other.set_train(False), images) - expected).max() / np.abs(expected).max()
    assert worst <= (0 if exact else 1e-5), f"logits differ by {worst:.1e}"
    return "none missing; logits " + ("equal to the last bit" if exact else f"within {worst:.0e}")


row("`--to mindcv out.ckpt`", MS, lambda: written("out.ckpt", f"{name}.ckpt", True))
row("`--to mindcv out.safetensors`", MS, lambda: written("out.safetensors", f"{name}.ckpt", True, format="safetensors"))
code, _, error = run(program, "convert", f"{name}.ckpt", "five.pth", "--to", "timm")
assert code == 0, error
row("`--to mindcv` of weights for another epsilon", MS, lambda: written("back.ckpt", "five.pth", False))
sys.exit(bool(FAILED))
