import sys
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.tables._k_e_r_n import KernTable_format_0
from fontTools import subset
import uharfbuzz as hb
SRC="/tmp/inter/usr/share/fonts/opentype/inter"
OUT=sys.argv[1]
R=[(0x20,0x7e),(0xa0,0x17f),(0x370,0x3ff),(0x2010,0x2027),(0x2030,0x203a),(0x2044,0x2044),(0x20ac,0x20ac),(0x2122,0x2122),(0x2190,0x2199),(0x2200,0x22ff),(0x25a0,0x25ff),(0x2605,0x2606),(0x2713,0x2713),(0x2717,0x2717)]
for style in ("Regular","SemiBold"):
    path=f"{SRC}/Inter-{style}.otf"
    f=TTFont(path,recalcTimestamp=False)
    # Tabular figures become the default: the code points of the digits lead to the glyphs of `tnum`.
    gsub=f['GSUB'].table
    tnum={}
    for fr in gsub.FeatureList.FeatureRecord:
        if fr.FeatureTag=='tnum':
            for li in fr.Feature.LookupListIndex:
                for st in gsub.LookupList.Lookup[li].SubTable:
                    tnum.update(getattr(st,'mapping',None) or st.ExtSubTable.mapping)
    best=f.getBestCmap()
    new={d:tnum[best[d]] for d in range(0x30,0x3a)}
    for t in f['cmap'].tables:
        for d,g in new.items():
            if d in t.cmap: t.cmap[d]=g
    # Pairs as shaped, digits left alone.
    font=hb.Font(hb.Face(open(path,'rb').read()))
    def adv(s,kern):
        b=hb.Buffer(); b.add_str(s); b.guess_segment_properties()
        hb.shape(font,b,{"kern":kern,"calt":False,"liga":False})
        return sum(p.x_advance for p in b.glyph_positions)
    chars=[chr(c) for c in range(0x21,0x7f) if not chr(c).isdigit()]
    pairs={}
    for a in chars:
        for b in chars:
            k=adv(a+b,True)-adv(a+b,False)
            if k: pairs[(best[ord(a)],best[ord(b)])]=k
    o=subset.Options(); o.layout_features=[]; o.name_IDs=['*']; o.notdef_outline=True; o.hinting=False; o.desubroutinize=True
    o.drop_tables+=['GSUB','GPOS','GDEF']; o.glyph_names=True; o.recalc_timestamp=False
    s=subset.Subsetter(o); s.populate(unicodes=[u for a,b in R for u in range(a,b+1)]); s.subset(f)
    order=set(f.getGlyphOrder())
    k=newTable('kern'); k.version=0
    t=KernTable_format_0(); t.version=0; t.coverage=1; t.tupleIndex=None; t.apple=False
    t.kernTable={p:v for p,v in pairs.items() if p[0] in order and p[1] in order}
    k.kernTables=[t]; f['kern']=k
    names=f['name']
    keep={0,13,14}
    names.names=[n for n in names.names if n.nameID in keep and n.platformID==3]
    weight={"Regular":"Regular","SemiBold":"SemiBold"}[style]
    for i,v in {1:"Lamplight Sans" if style=="Regular" else "Lamplight Sans SemiBold",2:"Regular",3:f"LamplightSans-{style}",4:f"Lamplight Sans {style}",5:"Version 1.000; a subset of Inter 3.019",6:f"LamplightSans-{style}",10:"Made from Inter by The Inter Project Authors: fewer glyphs, figures of equal width. Inter is a trademark of rsms.",16:"Lamplight Sans",17:style}.items():
        names.setName(v,i,3,1,0x409)
    cff=f['CFF '].cff
    cff.fontNames=[f"LamplightSans-{style}"]
    top=cff.topDictIndex[0]
    top.FullName=f"Lamplight Sans {style}"; top.FamilyName="Lamplight Sans"
    # Figures of exactly equal width, the heavier ones too.
    c=f.getBestCmap(); w=max(f['hmtx'][c[d]][0] for d in range(0x30,0x3a))
    for d in range(0x30,0x3a): f['hmtx'][c[d]]=(w,f['hmtx'][c[d]][1])
    out=f"{OUT}/LamplightSans-{style}.otf"; f.save(out)
    import os; print(out,os.path.getsize(out),len(pairs),len(order))
    g=TTFont(out); c=g.getBestCmap(); print({g['hmtx'][c[d]][0] for d in range(0x30,0x3a)}, [hex(u) for u in (0x2605,0x25c7,0x2192,0x2212,0xb1,0x3b1) if u not in c], list(g.keys()))
    cov=sorted(c); runs=[]
    for u in cov:
        if runs and u==runs[-1][1]+1: runs[-1][1]=u
        else: runs.append([u,u])
    print(len(cov),' '.join(f"{a:x}-{b:x}" for a,b in runs))
