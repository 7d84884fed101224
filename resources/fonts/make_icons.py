"""Makes LamplightIcons.ttf: the window's icons, out of Phosphor Icons' regular font.

    python make_icons.py Phosphor.ttf OUT_FOLDER

Needs fonttools. Which icons is said by the code points in `src/gui/theme/icons.rs`, so that nothing is embedded that
nothing shows.
"""

import pathlib
import re
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
rust = pathlib.Path(__file__).parents[2] / "src" / "gui" / "theme" / "icons.rs"
points = sorted({int(point, 16) for point in re.findall(r'"\\u\{([0-9a-f]+)\}"', rust.read_text())})
font = TTFont(source, recalcTimestamp=False)
missing = [hex(point) for point in points if point not in font.getBestCmap()]
if missing:
    sys.exit(f"{source} has no {', '.join(missing)}")
options = subset.Options()
options.layout_features = []
options.hinting = False
options.glyph_names = False
options.notdef_outline = False
keeper = subset.Subsetter(options)
keeper.populate(unicodes=points)
keeper.subset(font)
for record in font["name"].names:
    if record.nameID in (1, 4, 6, 16):
        record.string = "LamplightIcons" if record.nameID == 6 else "Lamplight Icons"
font.save(out / "LamplightIcons.ttf")
