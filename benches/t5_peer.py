"""Answers prompts with transformers or CTranslate2, once for each line of standard input, and prints the times.

Started by side_by_side.py in the folder of the peers' scripts, which make the models of random weights.
"""

import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["transformers", "ctranslate2"])
parser.add_argument("prompts", help="a JSON list of lists of tokens")
for name in ("size", "precision"):
    parser.add_argument("--" + name, required=True)
for name in ("batch", "threads", "new", "beams"):
    parser.add_argument("--" + name, type=int, required=True)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
sys.path.insert(0, ".")
from bench_common import rss_mb, t5_dir  # noqa: E402

folder = t5_dir(options.size)
prompts = json.load(open(options.prompts))


def transformers():
    import torch
    from transformers import T5ForConditionalGeneration

    torch.set_num_threads(options.threads)
    model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    def answer():
        answers = []
        for start in range(0, len(prompts), options.batch):
            batch = prompts[start : start + options.batch]
            longest = max(map(len, batch))
            ids = torch.tensor([p + [0] * (longest - len(p)) for p in batch])
            mask = torch.tensor([[1] * len(p) + [0] * (longest - len(p)) for p in batch])
            lengths = {"min_new_tokens": options.new, "max_new_tokens": options.new}
            with torch.inference_mode():
                made = model.generate(
                    input_ids=ids, attention_mask=mask, num_beams=options.beams, do_sample=False, **lengths
                )
            answers += made[:, 1:].tolist()
        return answers

    return answer


def ctranslate2():
    import ctranslate2

    compute = {"f32": "float32", "int8": "int8"}[options.precision]
    converted = f"{folder}-ct2-{compute}"
    if not os.path.exists(f"{converted}/model.bin"):
        from ct2_fix import TransformersConverter

        TransformersConverter(folder).convert(converted, quantization=compute, force=True)
    translator = ctranslate2.Translator(
        converted, device="cpu", inter_threads=1, intra_threads=options.threads, compute_type=compute
    )
    vocabulary = [piece for piece, _ in json.load(open("../flan-t5-tokenizer/tokenizer.json"))["model"]["vocab"]]
    number = {piece: token for token, piece in enumerate(vocabulary)}
    texts = [[vocabulary[token] for token in prompt] for prompt in prompts]

    def answer():
        # Batches are of like length, of its own making.
        made = translator.translate_batch(
            texts,
            max_batch_size=options.batch,
            beam_size=options.beams,
            min_decoding_length=options.new,
            max_decoding_length=options.new,
            max_input_length=0,
            length_penalty=1.0,
        )
        return [[number.get(piece, -1) for piece in one.hypotheses[0]] for one in made]

    return answer


answer = {"transformers": transformers, "ctranslate2": ctranslate2}[options.engine]()
for _ in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = answer()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_rss_mb": rss_mb(), "tokens": tokens}), flush=True)
