"""Makes nltk_tokens.json and porter_pairs.csv with nltk 3.10.4: python nltk_tables.py [texts] [words].

Texts are put together at random from pieces that matter to the tokenizers. Sentences are cut by Punkt without a
trained model. Words come from Debian's wordnet-base, a few for every rule of the stemmer.
"""

import csv
import json
import random
import sys

from nltk.stem.porter import PorterStemmer
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

PIECES = (
    "the cat Dr. Smith U.S. e.g. i.e. 3.5 $4.00 10,000 A. b. 5. -2. .5. 12:30 it's don't DON'T we'll they've I'm you'd "
    "cannot Cannot gonna gotta wanna lemme gimme d'ye more'n 'tis 'twas 'em 'Tis rock'n'roll O'Neil dogs' 's 're "
    '"quoted" "half half" (brackets) [1] {x} <b> -- --- a--b well-known ... .. . . . wait... Wait.... end.) end." end.\' '
    "end.” («so») ‘single’ “double” „low“ ``ticks'' `one` '' ' \" ! ? !! ?! !? stop!Go stop.Go stop. Go Stop! go ; : , ,, "
    "a,b a:b x:y, 1,2 1:2 ,5 :a @user #tag http://t.co/a?b=c&d R&D 50% * ** a*b _x_ x_y — – 1–2 étude. École naïve? 日本語。 "
    "😀 😀. İx ß ½ ²x. ٣. ٣,٤ \u00a0 \u2003 \u200b \n \t \x1c \n\n \r\n . , ) ) \" )\" .\" ?' !) .' .'' .)]  a.b.c. A.B. mr. No. 7"
).split(" ")
text_count, word_count = (int(n) for n in (sys.argv[1:] + ["400", "500"])[:2])

random.seed(1)
punkt, treebank, rows = PunktSentenceTokenizer(), NLTKWordTokenizer(), []
while len(rows) < text_count:
    text = ""
    for _ in range(random.randint(0, 9)):
        text += random.choice(PIECES) + random.choice(["", " ", " ", " ", " ", "\n"])
    sentences = punkt.tokenize(text)
    rows.append({"text": text, "sentences": sentences, "words": [w for s in sentences for w in treebank.tokenize(s)]})
with open("nltk_tokens.json", "w", encoding="utf-8") as out:
    out.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")

words = set("sky skies dying lying tying news innings inning outing cannings howe proceed exceed succeed dies died "
            "yyyed syzygy flies spied tried bled sing agreed feed feeds as is us a I geology theology archaeology "
            "fully hopefully radically naïve naïvely cafés über éed oed hopping falling hissing fizzed filing failing".split())
for part in ("noun", "verb", "adj", "adv"):
    for line in open(f"/usr/share/wordnet/index.{part}", encoding="utf-8"):
        word = line.split(" ", 1)[0]
        if word.isalpha():
            words |= {word} if word_count < 10000 else {word, word + "s", word + "ed", word + "ing", word + "ly", word + "er"}
stemmer, endings = PorterStemmer(), {}
for word in sorted(words):
    for length in range(2, 8):
        endings.setdefault((word[-length:], stemmer.stem(word)[-2:] == word[-2:]), []).append(word)
pairs = sorted(words) if word_count >= 10000 else sorted(set(
    [w for w in words if not w.isascii() or len(w) < 4][:40]
    + "sky skies dying lying tying news innings proceed exceed succeed dies died flies spied bled sing agreed feed geology theology".split()
    + "hopping falling hissing fizzed filing failing fully hopefully radically naïvely cafés éed yyyed syzygy howe canning".split()
    + [random.choice(endings[key]) for key in random.sample(sorted(endings), word_count)]
    + [random.choice(found) for suffix in
       "ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti iviti biliti "
       "fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent sion tion ou ism ate iti ous "
       "ive ize eed ed ing ied ies sses ss s y e ll ational ably ently ously ality ivity bility".split()
       for found in [[w for w in words if stemmer._step1c(w).endswith(suffix)]] if found for _ in range(2)]))
with open("porter_pairs.csv", "w", encoding="utf-8", newline="") as out:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["word", "stem"])
    rows.writerows((word, stemmer.stem(word)) for word in pairs)
