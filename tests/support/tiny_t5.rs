//! A tiny T5 model from the golden files, with a tokenizer that has a token for each character.

use std::path::Path;

use serde_json::json;

/// A tiny model with a tokenizer that knows each printable character of ASCII.
pub fn write_model(folder: &Path, which: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5").join(which);
    std::fs::create_dir_all(folder).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::write(folder.join(name), std::fs::read(from.join(name)).unwrap()).unwrap();
    }
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let mut vocabulary: Vec<String> = ["<pad>", "</s>", "<unk>", "\u{2581}"].map(str::to_owned).to_vec();
    vocabulary.extend(('!'..='~').map(String::from));
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        vocabulary.into_iter().enumerate().map(|(id, token)| (token, id.into())).collect();
    let metaspace =
        json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true});
    let end = json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
    let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [special(0, "<pad>"), special(1, "</s>"), special(2, "<unk>")],
        "pre_tokenizer": metaspace, "decoder": metaspace,
        "post_processor": {"type": "TemplateProcessing", "single": [text("A"), end], "pair": [text("A"), end, text("B"), end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": []},
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}
