"""Makes tests/data/t5/lora_v11_micro: an adapter that PEFT wrote for the tiny model v11_micro, and what transformers answers,
loses and learns with it. Needs torch, transformers and peft.

    python tests/peft_golden.py
"""
import json, os, pathlib, torch
from peft import LoraConfig, get_peft_model
from transformers import T5ForConditionalGeneration

data = pathlib.Path(__file__).parent / "data/t5"
out = data / "lora_v11_micro"
torch.manual_seed(3)
targets = ["q", "k", "v", "o", "wi_0", "wi_1", "wo"]
config = LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, lora_alpha=6, lora_dropout=0.1, use_rslora=True, target_modules=targets)
model = get_peft_model(T5ForConditionalGeneration.from_pretrained(data / "v11_micro"), config)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.normal_(0, 0.15)
model.eval()  # no dropout
model.peft_config["default"].base_model_name_or_path = "someone/tiny"
model.save_pretrained(out)
os.remove(out / "README.md")

draw = torch.Generator().manual_seed(5)
rows = lambda lengths: [torch.randint(4, 380, (n,), generator=draw).tolist() + [1] for n in lengths]
prompts, labels = rows((3, 9, 17, 30)), rows((2, 5, 3, 7))
plain = T5ForConditionalGeneration.from_pretrained(data / "v11_micro")
answer = lambda model, row: model.generate(input_ids=torch.tensor([row]), num_beams=4, max_new_tokens=12, do_sample=False)[0].tolist()
expected = {"prompts": prompts, "labels": labels}
expected["answers"] = [answer(model, row) for row in prompts]
expected["plain"] = [answer(plain, row) for row in prompts]

pad = lambda rows, value: torch.tensor([row + [value] * (max(map(len, rows)) - len(row)) for row in rows])
batch = {"input_ids": pad(prompts, 0), "attention_mask": (pad(prompts, 0) != 0).long(), "labels": pad(labels, -100)}
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
expected["losses"], expected["norms"] = [], []
for step in range(10):
    optimizer.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    expected["norms"].append(torch.nn.utils.clip_grad_norm_(trained, 1.0).item())
    expected["losses"].append(loss.item())
    optimizer.step()
(out / "expected.json").write_text(json.dumps(expected))
