"""Writes logits.json: logits of llama.cpp for models with real weights, as they are and with their weights unpacked.

    pip install llama-cpp-python gguf
    python logits.py FOLDER_WITH_MODELS

`llama` is what llama.cpp computes from the file, `exact` what it computes from the same weights unpacked to single
precision, with keys and values in single precision too. The two differ by what quantized activations lose, which
is the yardstick for any other implementation that quantizes them. Of each position the 16 largest exact logits and 48
others are kept. llama.cpp's own ways of computing one prompt (at once or token by token, with or without repacked
weights or flash attention) differ from each other by as much; that is printed for the record.
"""
import json
import pathlib
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
MODELS = json.loads((HERE.parent / "gguf_golden.json").read_text())["models"]
PROMPTS, LONGEST, EVERY = (0, 10), 96, 4


def unpack(source, target):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        shape = [int(length) for length in reversed(tensor.shape)]
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def logits(file, sequences, step=None, single=False, repack=True, flash=False):
    settings = llama_cpp.llama_model_default_params()
    settings.use_extra_bufts = repack
    model = llama_cpp.llama_model_load_from_file(str(file).encode(), settings)
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = settings.n_batch = 512
    settings.n_threads = settings.n_threads_batch = 1
    settings.type_k = settings.type_v = 0 if single else 1
    settings.flash_attn_type = int(flash)
    context = llama_cpp.llama_init_from_model(model, settings)
    size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    found = []
    for tokens in sequences:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        for start in range(0, len(tokens), step or len(tokens)):
            part = tokens[start:start + (step or len(tokens))]
            batch = llama_cpp.llama_batch_init(len(part), 0, 1)
            batch.n_tokens = len(part)
            for index, token in enumerate(part):
                batch.token[index], batch.pos[index], batch.n_seq_id[index], batch.logits[index] = token, start + index, 1, 1
                batch.seq_id[index][0] = 0
            assert llama_cpp.llama_decode(context, batch) == 0
            rows = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=(len(part) * size,)).reshape(len(part), size)
            found += [rows[index].copy() for index in range(len(part)) if (start + index) % EVERY == EVERY - 1]
            llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return np.array(found)


def rounded(numbers):
    return [[round(float(number), 3) for number in row] for row in numbers]


golden = {"every": EVERY, "models": {}}
for name, model in MODELS.items():
    file = pathlib.Path(sys.argv[1]) / model["file"]
    sequences = [(model["prompts"][prompt]["tokens"] + model["prompts"][prompt]["new"])[:LONGEST] for prompt in PROMPTS]
    with tempfile.TemporaryDirectory() as folder:
        unpack(file, f"{folder}/unpacked.gguf")
        exact = logits(f"{folder}/unpacked.gguf", sequences, single=True)
    llama = logits(file, sequences)
    for way, options in {"token by token": {"step": 1}, "not repacked": {"repack": False}, "flash attention": {"flash": True}}.items():
        apart = np.abs(logits(file, sequences, **options) - llama)
        print(f"{name}, {way}: mean difference {apart.mean():.3f}, largest {apart.max():.2f}; to the exact ones {np.abs(llama - exact).mean():.3f}", flush=True)
    others = np.arange(48) * (exact.shape[1] // 48)
    ids = np.concatenate([np.argsort(-exact, axis=1)[:, :16], np.broadcast_to(others, (len(exact), 48))], axis=1)
    golden["models"][name] = {
        "file": model["file"], "sequences": sequences, "ids": ids.tolist(),
        "exact": rounded(np.take_along_axis(exact, ids, axis=1)), "llama": rounded(np.take_along_axis(llama, ids, axis=1)),
    }
(HERE / "logits.json").write_text(json.dumps(golden) + "\n")
