"""Takes one step of T5 fine-tuning with torch for each line of standard input, and prints its times and its loss.

Started by side_by_side.py in the folder of the peers' scripts, which make the models of random weights.
"""

import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("examples", help="a JSON object of prompts and labels, lists of tokens of one length each")
parser.add_argument("--size", required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--dropout", type=float, required=True)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
sys.path.insert(0, ".")
from bench_common import rss_mb, t5_dir  # noqa: E402

import torch  # noqa: E402
from transformers import T5ForConditionalGeneration  # noqa: E402

torch.set_num_threads(options.threads)
model = T5ForConditionalGeneration.from_pretrained(t5_dir(options.size), dropout_rate=options.dropout).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=1e-4)
examples = json.load(open(options.examples))
ids, labels = torch.tensor(examples["prompts"]), torch.tensor(examples["labels"])
mask = torch.ones_like(ids)
for _ in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**times, "peak_rss_mb": rss_mb(), "loss": loss.item()}), flush=True)
