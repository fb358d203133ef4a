#!/usr/bin/env bash
# A baseline JPEG may bring its colours in one scan together or in three scans, one by one; jpegtran turns one form into the other
# without loss, and libjpeg (Pillow) shows the same pixels of both. Rust's image 0.25.10 (zune-jpeg 0.5.15) shows other ones of a
# 4:2:0 photo in three scans, without an error: a green picture, 73 levels a value off (0.3 where they come together).
#
# Needs cargo and python3. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
base64 -d > together.jpg <<'END'
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19i
Z2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj
Y2NjY2NjY2P/wAARCAAgADADASIAAhEBAxEB/8QAGQAAAgMBAAAAAAAAAAAAAAAABAYCBQcD/8QAKBAAAgEEAQMDBAMAAAAAAAAA
AQIDAAQFESEGEjETUXEUIkFhgZGh/8QAFwEBAQEBAAAAAAAAAAAAAAAABAMAAv/EACARAAEEAQQDAAAAAAAAAAAAAAIAAQMSEQQT
IjEhQWH/2gAMAwEAAhEDEQA/AECjrXFXdzbi5jgaSANpivn98UJCiyTIjt2qzAE+1aHi8YMZblbe5aaI/dptf5qj6ibab6uwGzqE
eIx0UcapCulcuu+Ts/j4qvyXT0V1JPJD2o7BVjHhV15P9VXZXKTS3J9J2VFb7QOCaKxOVlacLdOxU8cjwaK0cwtfKVgH4pevMZd2
Rf1oWCoQC45XZ8c0JTr1XbyXOMWRC5ER7uxV2Ne5+KSqZBJuBZ0WQavhdbZ4o7hHni9WNTtk7tdw+a0fE+lcWEc0EDW0LjaoSNa9
9VmdXeI6gmsTBbs5WzV+5wBtj71PVQvIPHtYCq6Ly2JkikZZN62WVwNgip4bGSTXCMmykbAu/j+BTHBm8dcrH2XKEyt2qCNEn4/F
RXL49rySzWdI5ozrnhSf0fFF35q1r5SLDnPtA9VMiYd172jfY7QG13e4/fFIf4ph6g6hGRh+lijHpcFiw5DAnxz4pepeljII8F2o
SFl1/9k=
END
base64 -d > one_by_one.jpg <<'END'
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19i
Z2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj
Y2NjY2NjY2P/wAARCAAgADADASIAAhEBAxEB/8QAGgABAAIDAQAAAAAAAAAAAAAABgIEAAUHA//EACgQAAIBBAEDAwQDAAAAAAAA
AAECAwAEBREhBhIxE1FxFCJBYYGRof/aAAgBAQAAPwABV61xV3c24uY4GkgDaYr5/fFNY8Rjoo41SFdK5dd8nZ/HxWvyXT0V1JPJ
D2o7BVjHhV15P9UXvMZd2Rf1oWCoQC45XZ8c1UqcKLJMiO3arMAT7V0PF4wYy3K29y00R+7Ta/zVG8rlJpbk+k7Kit9oHBNWsTlZ
WnC3TsVPHI8GrPVdvJc4xZELkRHu7FXY17n4oVXrbPFHcI88XqxqdsndruHzXR8T6VxYRzQQNbQuNqhI1r31RnLYmSKRlk3rZZXA
2CKnhsZJNcIybKRsC7+P4FbPqpkTDuve0b7HaA2u73H74oH+Kyt3iOoJrEwW7OVs1fucAbY+9MYM3jrlY+y5QmVu1QRok/H4qK5f
HteSWazpHNGdc8KT+j4ot1B1CMjD9LFGPS4LFhyGBPjnxR6v/8QAFQEBAQAAAAAAAAAAAAAAAAAABAP/xAAfEQABBAICAwAAAAAA
AAAAAAADAAECEgQTETEhImH/2gAIAQIRAD8APkG1N9RWGaLX5TAE2Qs6nlBckfXtF3mrWvlLxRygPiXa/8QAFwEBAAMAAAAAAAAA
AAAAAAAABAACA//EABsRAAIDAQEBAAAAAAAAAAAAAAACARESAyJB/9oACAEDEQA/ALoupFUk+QvRczREbMiNLd/TDo1yf//Z
END
python3 -m venv py
py/bin/pip install --quiet pillow==13.0.0
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "show"
version = "0.0.0"
edition = "2021"
[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["jpeg"] }
zune-jpeg = "=0.5.15"
END
cat > src/main.rs <<'END'
fn main() {
    for name in ["together", "one_by_one"] {
        let image = image::open(format!("{name}.jpg")).expect("no error");
        std::fs::write(format!("{name}.rgb"), image.to_rgb8().into_raw()).unwrap();
    }
}
END
cargo run --quiet --release
py/bin/python - <<'END'
from PIL import Image

off = {}
pillow = {name: Image.open(f"{name}.jpg").convert("RGB") for name in ("together", "one_by_one")}
assert pillow["together"].tobytes() == pillow["one_by_one"].tobytes()
for name, right in pillow.items():
    got = open(f"{name}.rgb", "rb").read()
    off[name] = sum(abs(a - b) for a, b in zip(got, right.tobytes())) / len(got)
    means = [sum(got[c::3]) * 3 // len(got) for c in range(3)]
    print(f"{name}: image 0.25.10 is off by {off[name]:.2f} levels a value, mean red, green, blue {means}")
raise SystemExit(not (off["together"] < 3 and off["one_by_one"] > 30))
END
