"""Writes the tiny models of this folder and tiny.json: what transformers computes with them.

    pip install torch transformers gguf
    python make.py

Each is a random model of an architecture with the traits that its real ones have: fewer key heads than query heads,
heads that are not the width over their number, biases, windows, stretched positions, partly rotated heads. Weights are
rounded to half precision and stored so, keys and values are rounded to half precision in the cache as Lamplight and
llama.cpp keep them; all else is single precision, so that logits must agree to rounding.
"""
import json
import math
import pathlib

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, DynamicCache, Gemma3TextConfig, LlamaConfig, Phi3Config, Qwen2Config, Qwen3Config

HERE = pathlib.Path(__file__).resolve().parent
VOCABULARY = 264
COMMON = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0, attn_implementation="eager", dtype=torch.float32)
LLAMA_3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32)
LINEAR = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)
LONG = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.3], long_factor=[1.5, 2.5, 6.0], original_max_position_embeddings=32)
GEMMA = dict(full_attention=dict(rope_type="linear", rope_theta=1000000.0, factor=8.0), sliding_attention=dict(rope_type="default", rope_theta=10000.0))

# Name: the configuration, and for each prompt its tokens and the context it is loaded with.
MODELS = {
    "llama_untied": (LlamaConfig(**COMMON, tie_word_embeddings=False, rms_norm_eps=1e-5), [(40, 128)]),
    "llama_3_rope": (LlamaConfig(**COMMON, tie_word_embeddings=True, rope_parameters=LLAMA_3), [(60, 128)]),
    "llama_linear": (LlamaConfig(**COMMON, tie_word_embeddings=True, rope_parameters=LINEAR, attention_bias=True), [(40, 128)]),
    "qwen2_bias": (Qwen2Config(**COMMON, tie_word_embeddings=True), [(40, 128)]),
    "qwen2_yarn": (Qwen2Config(**COMMON, tie_word_embeddings=False, rope_parameters=YARN), [(60, 128)]),
    "qwen3_wide_heads": (Qwen3Config(**COMMON, head_dim=16, tie_word_embeddings=False, rms_norm_eps=1e-6), [(40, 128)]),
    "phi3_plain": (Phi3Config(**COMMON, tie_word_embeddings=False), [(40, 128)]),
    "phi3_partial_longrope": (Phi3Config(**COMMON, original_max_position_embeddings=32, partial_rotary_factor=0.75, tie_word_embeddings=True, rope_parameters=LONG), [(20, 32), (50, 128)]),
    "gemma3_windows": (Gemma3TextConfig(**(COMMON | dict(num_hidden_layers=7, num_key_value_heads=1)), head_dim=16, query_pre_attn_scalar=16, sliding_window=8, rope_parameters=GEMMA), [(40, 128)]),
}


class HalfCache(DynamicCache):
    """Keys and values in half precision."""

    def update(self, keys, values, *rest, **others):
        return super().update(keys.half().float(), values.half().float(), *rest, **others)


def randomize(model, generator):
    """Random weights of sizes that make attention choose and norms matter, all exact in half precision."""
    for name, weight in model.named_parameters():
        if "norm" in name:
            values = 0.3 * torch.randn(weight.shape, generator=generator) + (0.0 if model.config.model_type == "gemma3_text" else 1.0)
        elif "embed" in name:
            values = 0.5 * torch.randn(weight.shape, generator=generator)
        else:
            values = torch.randn(weight.shape, generator=generator) * (0.3 if weight.dim() == 1 else 1.5 / math.sqrt(weight.shape[-1]))
        weight.data = values.half().float()


def neighbors(weight, heads):
    """Rows of heads in the order of llama files, where rotated pairs are neighbors."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1)
    return rows.swapaxes(1, 2).reshape(weight.shape)


NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up", "post_attention_layernorm": "ffn_norm"}
GEMMA_NAMES = NAMES | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}


def tensor_name(name, names):
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{names[part]}.{kind}"


def llama_3_divisors(rope, head):
    """The divisors of Llama 3.1's rule, as conversion writes them."""
    divisors = []
    for step in rope["rope_theta"] ** -(np.arange(0, head, 2) / head):
        length, original = 2 * math.pi / step, rope["original_max_position_embeddings"]
        low, high = original / rope["low_freq_factor"], original / rope["high_freq_factor"]
        smooth = (original / length - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        divisors.append(1 if length < high else rope["factor"] if length > low else 1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(divisors, dtype=np.float32)


def write(file, model):
    config = model.config
    kind = config.model_type
    architecture = "gemma3" if kind == "gemma3_text" else kind
    out = gguf.GGUFWriter(file, architecture)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_vocab_size(VOCABULARY)
    out.add_key_length(head)
    out.add_value_length(head)
    rope = config.rope_parameters
    if kind == "gemma3_text":
        out.add_sliding_window(config.sliding_window)
        out.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    rotated = int(head * rope.get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None) or 1.0))
    out.add_rope_dimension_count(rotated)
    out.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        out.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        out.add_rope_scaling_factor(rope["factor"])
        out.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "longrope":
        original = rope["original_max_position_embeddings"]
        scale = config.max_position_embeddings / original
        out.add_rope_scaling_orig_ctx_len(original)
        out.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
        out.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))
        out.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))
    if rope["rope_type"] == "llama3":
        out.add_tensor("rope_freqs.weight", llama_3_divisors(rope, head))
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + ["\u2581", "a", "b", "ab", "\u2581ab"]
    out.add_tokenizer_model("llama")
    out.add_token_list(pieces)
    out.add_token_scores([0.0] * 259 + [float(index) for index in range(5)])
    out.add_token_types([2, 3, 3] + [6] * 256 + [1] * 5)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    names = GEMMA_NAMES if kind == "gemma3_text" else NAMES
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        if kind == "llama" and ("q_proj" in name or "k_proj" in name):
            values = neighbors(values, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        if kind == "gemma3_text" and "norm" in name:
            values = values + 1
        out.add_tensor(tensor_name(name, names), values.astype(np.float32 if values.ndim == 1 else np.float16))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


golden = {}
for index, (name, (config, prompts)) in enumerate(MODELS.items()):
    generator = torch.Generator().manual_seed(100 + index)
    model = AutoModelForCausalLM.from_config(config).eval()
    randomize(model, generator)
    write(HERE / f"{name}.gguf", model)
    cases = golden[name] = []
    for length, context in prompts:
        tokens = [1] + torch.randint(3, VOCABULARY, (length - 1,), generator=generator).tolist()
        with torch.no_grad():
            logits = model(torch.tensor([tokens]), past_key_values=HalfCache(config=config)).logits[0]
        at = [0, 9, length - 1]
        cases.append({"tokens": tokens, "context": context, "at": at, "logits": [[float(f"{x:.6g}") for x in logits[place]] for place in at]})
(HERE / "tiny.json").write_text(json.dumps(golden) + "\n")
