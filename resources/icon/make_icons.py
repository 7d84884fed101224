"""Makes every icon from lamplight.svg: hicolor sizes for Linux, lamplight.ico for Windows, lamplight.icns for macOS.

    python resources/icon/make_icons.py

Needs rsvg-convert (librsvg) and Pillow; run it when the drawing changes. `tests/packaging.rs` looks at the sizes.
"""

import io
import pathlib
import subprocess

from PIL import Image

folder = pathlib.Path(__file__).parent
drawing = folder / "lamplight.svg"
HICOLOR = [16, 22, 24, 32, 48, 64, 96, 128, 256, 512]
WINDOWS = [16, 20, 24, 32, 40, 48, 64, 96, 128, 256]
MACOS = [16, 32, 64, 128, 256, 512, 1024]


def drawn(size):
    """The drawing as PNG of so many pixels."""
    command = ["rsvg-convert", "--width", str(size), "--height", str(size), str(drawing)]
    return subprocess.run(command, check=True, capture_output=True).stdout


pngs = {size: drawn(size) for size in sorted({*HICOLOR, *WINDOWS, *MACOS})}
images = {size: Image.open(io.BytesIO(png)).convert("RGBA") for size, png in pngs.items()}
for size in HICOLOR:
    images[size].save(folder / f"lamplight-{size}.png", optimize=True)
images[256].save(
    folder / "lamplight.ico", sizes=[(size, size) for size in WINDOWS], append_images=[images[size] for size in WINDOWS]
)
images[1024].save(folder / "lamplight.icns", append_images=[images[size] for size in MACOS])
