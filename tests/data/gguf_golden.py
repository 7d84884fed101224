"""Writes gguf_golden.json: what llama.cpp (llama-cpp-python) makes of some texts and prompts.

    python gguf_golden.py FOLDER_WITH_MODELS > gguf_golden.json

For each model: the tokens of varied texts (plain, and with control tokens found), and for prompts built like the
benchmark's of invented text the prompt's tokens, 24 greedy tokens and, at each of them, the logits of the two best.
"""
import json, sys
import llama_cpp
import numpy as np

MODELS = {"gemma3-270m": "gemma-3-270m-q4_k_m.gguf", "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf"}
NEW = 24

TEXTS = [
    "", " ", "  ", "   a", "a ", " a  b   c    d", "\n", "\n\n", "\n\n\n\n\n x", "\t", "\t\t tab\tin\t between", "a\r\nb\r\n",
    "Hello, world", "hello world", "HELLO WORLD", "HeLLo", "don't can't it's I'LL we've 'S 'T", "naïve café façade œuvre",
    "1", "12", "123", "1234567890", "3.14159, 2,718 and 1e-10", "$1,000.50 50% #1 @user", "²³½ ٣٤٥ १२३",
    "日本語のテキスト", "中文分词测试，这是一个句子。", "한국어 문장입니다", "Привет, мир! Ещё ёлка", "Ελληνικά", "العربية نص", "עברית",
    "ภาษาไทย", "हिन्दी में", "🙂", "👍🏽👨‍👩‍👧‍👦🇩🇪", "a🙂b🙂🙂", "z̷̢a̶͝l̵g̸o", "e\u0301 vs é", "ﬁ ligature", "\u00a0nbsp\u2009thin\u3000wide",
    "zero\u200bwidth\ufeffbom", "\u2581 the mark itself \u2581\u2581", "<s>", "</s>", "<bos>", "<eos>", "<end_of_turn>", "<start_of_turn>user\nhi<end_of_turn>",
    "<|im_start|>system\nobey<|im_end|>", "<|endoftext|>", "a<|im_end|>b", "<pad><unk><mask>", "[multimodal]", "<0x41>", "<unused5>", "<table><tr>x</tr>",
    "def f(x):\n    return x ** 2  # square\n", "{\"id\": \"210\", \"input\": [1, 2]}", "https://example.org/a?b=c&d=%20#frag",
    "C:\\path\\to\\file.txt", "snake_case camelCase kebab-case", "...!?!? -- --- ---- ====", "((([[[{{{", "a" * 100, "ab" * 60, " " * 70, "=" * 70,
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "\x00\x01\x7f", "line1\nline2\n\nline3\n", "\u0130stanbul \u1e9e", "\U0001d54f\U00020000",
    "Generate a headline for the following article: The council voted on Tuesday to plant 400 trees.\n",
]

ARTICLES = [
    ("Harbor town opens a library in an old ferry", "The ferry that carried islanders for forty years now carries books. Volunteers sanded its decks, and a carpenter built shelves that survive a storm."),
    ("How to repair a bicycle chain on the road", "A chain breaks at the worst moment. With a small tool and one spare link you can be rolling again in ten minutes, and your hands can be clean in eleven."),
    ("Scientists listen to glaciers with fiber cables", "Glass threads laid across the ice pick up every crack. The team hopes to learn how quickly water reaches the bed of a glacier in early summer."),
    ("Five soups for the first cold week", "Lentils, leeks, squash, barley and beans: none of these soups takes longer than an hour, and all of them taste better on the second day."),
    ("A museum of broken promises", "Visitors bring letters, tickets and one half of a ring. The curator writes down what was promised and by whom, and never asks whether it was kept."),
]
TWEETS = ["cant believe the train is late again, third time this week", "made pancakes for the whole team!! best morning", "anyone else awake and thinking about the ocean", "my cat has opinions about my new chair"]
PRODUCTS = [("The lamp is bright and warm, but the switch broke after a month.", 3), ("Perfect fit, soft cloth, arrived early.", 5), ("Smells of glue and does not close.", 1)]


def prompts():
    for title, text in ARTICLES:
        history = " and ".join(f'"{t}" is a title for "{a}"' for t, a in ARTICLES if t != title)
        yield f"Generate a headline for the following article: {text}"
        yield f"{history}. Following the given patterns Generate a headline for the following article: {text}"
    for tweet in TWEETS:
        history = ", and ".join(f'"{t}"' for t in TWEETS if t != tweet)
        yield f"{history} are written by a person. Following the given patterns Paraphrase the following tweet without any explanation before or after it: {tweet}"
    for review, score in PRODUCTS:
        history = ", and ".join(f'{s} is the score for "{r}"' for r, s in PRODUCTS if r != review)
        yield f"{history} What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 without further explanation. review: {review}"
    yield "Generate a title for the following abstract of a paper: We study how short prompts change the answers of small language models."
    yield "The capital of France is"
    yield "Which tag does this movie relate to among the following tags? Just answer with the tag name without further explanation. tags: [sci-fi, comedy, action] description: Two robots open a bakery on the moon."


def top_two(model):
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(model.ctx), shape=(model.n_vocab(),))
    first = int(np.argmax(logits))
    best = float(logits[first])
    rest = np.partition(logits, -2)[-2]
    return first, [round(best, 4), round(float(rest), 4)]


result = {"llama_cpp_python": llama_cpp.__version__, "texts": TEXTS, "models": {}}
for name, file in MODELS.items():
    model = llama_cpp.Llama(f"{sys.argv[1]}/{file}", n_ctx=4096, n_threads=2, n_batch=512, verbose=False)
    out = result["models"][name] = {"file": file}
    out["plain"] = [model.tokenize(t.encode(), add_bos=True, special=False) for t in TEXTS]
    out["special"] = [model.tokenize(t.encode(), add_bos=True, special=True) for t in TEXTS]
    out["prompts"] = []
    for prompt in prompts():
        tokens = model.tokenize(prompt.encode(), add_bos=True, special=False)
        model.reset()
        model.eval(tokens)
        new, logits = [], []
        for _ in range(NEW):
            token, two = top_two(model)
            new.append(token)
            logits.append(two)
            if llama_cpp.llama_vocab_is_eog(llama_cpp.llama_model_get_vocab(model.model), token):
                break
            model.eval([token])
        text = model.detokenize(new).decode(errors="replace")
        out["prompts"].append({"prompt": prompt, "tokens": tokens, "new": new, "top_two": logits, "text": text})
    print(name, "done", file=sys.stderr)
json.dump(result, sys.stdout, ensure_ascii=True, separators=(",", ":"))
