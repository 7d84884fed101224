"""Makes the letters of charts from Inter; README.md tells what differs."""

import pathlib
import sys

import uharfbuzz
from fontTools import subset
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.tables._k_e_r_n import KernTable_format_0

RANGES = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x2010, 0x2027), (0x2030, 0x203A), (0x2044, 0x2044),
    (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2190, 0x2199), (0x2200, 0x22FF), (0x25A0, 0x25FF), (0x2605, 0x2606),
    (0x2713, 0x2713), (0x2717, 0x2717),
]
DIGITS = range(0x30, 0x3A)


def tabular(font):
    """The glyphs of the feature `tnum` by those that they replace."""
    gsub = font["GSUB"].table
    found = {}
    for record in gsub.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for lookup in record.Feature.LookupListIndex:
                for table in gsub.LookupList.Lookup[lookup].SubTable:
                    found.update(getattr(table, "mapping", None) or table.ExtSubTable.mapping)
    return found


def kerning(path, glyphs):
    """How far pairs of ASCII letters move together, as a shaper has it."""
    shaper = uharfbuzz.Font(uharfbuzz.Face(path.read_bytes()))

    def advance(text, kern):
        buffer = uharfbuzz.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        uharfbuzz.shape(shaper, buffer, {"kern": kern, "calt": False, "liga": False})
        return sum(position.x_advance for position in buffer.glyph_positions)

    letters = [chr(code) for code in range(0x21, 0x7F) if code not in DIGITS]
    pairs = {}
    for one in letters:
        for other in letters:
            moved = advance(one + other, True) - advance(one + other, False)
            if moved:
                pairs[(glyphs[ord(one)], glyphs[ord(other)])] = moved
    return pairs


def make(source, target, style):
    path = source / f"Inter-{style}.otf"
    font = TTFont(path, recalcTimestamp=False)
    glyphs = font.getBestCmap()
    pairs = kerning(path, glyphs)
    figures = {code: tabular(font)[glyphs[code]] for code in DIGITS}
    for table in font["cmap"].tables:
        table.cmap.update({code: glyph for code, glyph in figures.items() if code in table.cmap})

    options = subset.Options()
    options.layout_features = []
    options.name_IDs = ["*"]
    options.notdef_outline = True
    options.hinting = False
    options.desubroutinize = True
    options.drop_tables += ["GSUB", "GPOS", "GDEF"]
    options.glyph_names = True
    options.recalc_timestamp = False
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
    subsetter.subset(font)

    kept = set(font.getGlyphOrder())
    table = KernTable_format_0()
    table.version, table.coverage, table.tupleIndex, table.apple = 0, 1, None, False
    table.kernTable = {pair: moved for pair, moved in pairs.items() if kept.issuperset(pair)}
    font["kern"] = newTable("kern")
    font["kern"].version, font["kern"].kernTables = 0, [table]

    names = font["name"]
    names.names = [name for name in names.names if name.nameID in (0, 13, 14) and name.platformID == 3]
    family = "Lamplight Sans"
    for number, text in {
        1: family if style == "Regular" else f"{family} {style}",
        2: "Regular",
        3: f"LamplightSans-{style}",
        4: f"{family} {style}",
        5: "Version 1.000; a subset of Inter 3.019",
        6: f"LamplightSans-{style}",
        10: "Made from Inter by The Inter Project Authors: fewer glyphs, figures of equal width. "
            "Inter is a trademark of rsms.",
        16: family,
        17: style,
    }.items():
        names.setName(text, number, 3, 1, 0x409)
    compact = font["CFF "].cff
    compact.fontNames = [f"LamplightSans-{style}"]
    compact.topDictIndex[0].FullName = f"{family} {style}"
    compact.topDictIndex[0].FamilyName = family

    # Heavier figures differ by a hair.
    glyphs, metrics = font.getBestCmap(), font["hmtx"]
    widest = max(metrics[glyphs[code]][0] for code in DIGITS)
    for code in DIGITS:
        metrics[glyphs[code]] = (widest, metrics[glyphs[code]][1])
    font.save(target / f"LamplightSans-{style}.otf")


if __name__ == "__main__":
    source, target = map(pathlib.Path, sys.argv[1:])
    for style in ("Regular", "SemiBold"):
        make(source, target, style)
