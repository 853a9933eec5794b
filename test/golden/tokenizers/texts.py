"""Writes texts.json: strings that tokenizers find hard, all our own. Run: python texts.py"""

import json
from pathlib import Path

code = [
    "def mean(values):\n    total = 0.0\n    for v in values:\n        total += v\n    return total / len(values)\n",
    "export const area = (w: number, h: number): number => w * h; // m²\n",
    "for (int i = 0; i < n; ++i) { a[i] ^= (b[i] << 3) | 0xFFu; }\r\n",
    "SELECT name, COUNT(*) AS n FROM birds WHERE wing_span >= 1.5 GROUP BY name;",
    "<div class=\"box\" id='a-1'>&nbsp;<br/></div>",
    "\\begin{equation} e^{i\\pi} + 1 = 0 \\end{equation}",
    "if x!=y&&z||!w:\n\tpass\n\n\n\n\treturn\t\t1",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org",
    "{\"key\": [1, 2.50, -3e-7, null, true], \"k2\": {}}",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case __dunder__",
    "a+=1;b-=2;c**=3;d//=4;e>>=5;f<<=6;g??=7;h=>8",
]
languages = [
    "今天天气很好，我们去公园散步吧。",
    "東京は日本の首都です。カタカナとひらがな、全角１２３ＡＢＣ。",
    "안녕하세요 세계! 한국어 띄어쓰기 테스트입니다.",
    "Привет, мир! Ёжик съел 3 яблока.",
    "Ελληνικά: ΟΔΟΣ ὁδός Ὀδυσσεύς",
    "שלום עולם, זה טקסט בעברית (עם סוגריים).",
    "مرحبا بالعالم ١٢٣٤ نص عربي مع تشكيل: كِتَابٌ",
    "नमस्ते दुनिया, यह हिन्दी है। ०१२३",
    "สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง",
    "Xin chào thế giới, tiếng Việt có dấu.",
    "Zażółć gęślą jaźń; Árvíztűrő tükörfúrógép; Příliš žluťoučký kůň",
    "İstanbul ısırgan IŞIK ß ẞ ﬁ ﬂ ĳ Ǆ ǅ",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝒮𝒸𝓇𝒾𝓅𝓉 𝟘𝟙𝟚 𐍈𐌰𐌿 𒀀𒁀",
    "ქართული ენა Հայերեն አማርኛ ᐃᓄᒃᑎᑐᑦ ᚠᚢᚦ",
    "abc אבג def \u202eRTL\u202c \u2067isolate\u2069 ghi",
]
emoji = [
    "😀😃 ok 👍🏽 done",
    "👨‍👩‍👧‍👦 family, 🏳️‍🌈 flag, 👩🏿‍🚀",
    "🇩🇪🇫🇷🇯🇵🇺",
    "☺️☺︎ ❤️‍🔥 1️⃣ #️⃣ *️⃣",
    "a😀b😀😀c 🫠🪿",
    "\U0001f9d1\u200d\U0001f9d1 \u200d\u200d \ufe0f",
]
marks = [
    "caf\u00e9 cafe\u0301 e\u0301\u0301 \u0301 \u0301e",
    "\u00c5 A\u030a \u212b; \u1e9b\u0323 s\u0323\u0307; \uac00 \u1100\u1161 \u1100\u1161\u11a8",
    "q\u0307\u0323 q\u0323\u0307 Z\u0351\u036b\u0343\u036aa\u0329\u0321l\u0358\u031d\u0317g\u0334o\u0321",
    "\ufb01 \uff21 \u2460 \u00bd \u00b2\u00b3 \u2167 \u3360",
    "\u0958 \u0915\u093c \u0929 \u0928\u093c \u2adc \ufb1d",
    "n\u0303 \u00f1 \u0344 \u0308\u0301 \u0387 \u037e \u1fef",
]
spaces = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", " \t \n \r\n ",
    " leading", "  two leading", "trailing ", "trailing  ", "a  b   c    d     e",
    "line one\r\nline two\r\n\r\nline four\rold mac\n", "tab\tseparated\t\tvalues\t",
    "a\n\n  b\n    c\n  \n", "x \n\n y", "   \n   \n   x", "\u00a0nbsp\u00a0\u00a0two \u00a0mixed\u00a0 ",
    "\u2002en\u2003em\u2009thin\u3000wide\u202fnarrow\u205f\u1680", "\u2028line\u2029paragraph\u0085next\x0bvt\x0cff",
    "\ufeffbom \ufeff mid\ufeff", "\u200bzero\u200bwidth \u200b \u200c\u200d\u2060\u00ad",
    "a\u0085\u0085b \ufeff\ufeff !", "!\ufeff!\u0085!\u200b!\u180e!",
    "▁ ▁▁a ▁b▁ c▁", "Ġ ĠĠ Ċ ĉ â€™", " ▁ x", "a ▁", "▁", "▁▁", " " * 17, "\n" * 9, "\t" * 12, "a" + " " * 90 + "b",
]
digits = [
    "0", "12", "123", "1234", "12345", "1234567890123456789012345678901234567890",
    "3.14159 1,000,000 1e-10 0x1F 1_000 10:30 2024-01-31 v1.2.3", "a1b22c333d4444", "٣٤٥ ४५६ １２３ ²³¹ ½⅓ Ⅷ ㊿ 〇 ๕",
    "1 22 333 4444 55555 666666", "№5 5% $5 5€ 5°C −5 +5", "12½ 3² x₂ ①②③ 𝟏𝟐𝟑",
]
look_alikes = [
    "<|im_start|>user\nHi<|im_end|>\n", "< |im_start|>", "<|im_start|", "|im_start|>", "<|im_start |>", "<|IM_START|>",
    "<|im_start|><|im_start|>", "a<|im_end|>b", " <|im_end|> ", "<s>", "</s>", "<s>hello</s> world<s>", " <s> ", "<unk>x<unk>",
    "<|endoftext|>", "x<|endoftext|>y z", "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
    "<|start_story|>Once", "Once <|end_story|> x", "x<|end_story|>", "<|eot_id|", "<|reserved_special_token_12|><|reserved_special_token_1|",
    "<0x0A>", "<0xE2><0x96><0x81>", "<0xZZ> <0x4>", "<tool_call>{}</tool_call>", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
    "<repo_name>x<file_sep>y<gh_stars>100-1000", "[INST] hi [/INST]", "<pad> <mask> [CLS]", "<<s>>", "<</s>>", "<|<|im_end|>|>",
    "<|im_\u200bstart|>", "<|im_start|>\u0301x", "<|endoftext|>\u0301", "<<|im_end|>",
    "<tag>", "a <tag>b", "<TAG> <tag >", "word", "a word b", "sword word words", "word\u0301 _word word_ word1", "wordword word",
    "left  <left>  x", "x  <right>  y", " <left><right> ", "<left>  <left>", "<right>  <right>  ",
]
quirks = [
    "don't I'll we've they're it's I'm he'd DON'T I'LL WE'VE 'S 'T", "it'\u017f 'ſ 'K", "o''clock ''' '' 's's'", "'", "''s", "'llama",
    "rock'n'roll ’s ’t “quoted”—dash…", "!!!???...,,,;;;:::", "...?!\n\n...", "-- --- ---- ==== ____ ~~~~", "a.b,c;d:e!f?g", "(a)[b]{c}<d>",
    "\x00\x01\x02\x03\x07\x08\x1b[0m\x7f", "nul\x00nul", "\x80\x9f\xa0\xad\xff", "\ufffd \ufffe \uffff \U0010ffff \ue000",
    "lone \ud800 high", "lone \udc00 low", "\udc00\ud800", "\ud83d", "a\ud83d\ude00b",
    "a" * 300, "ab" * 200, "Donaudampfschifffahrtsgesellschaftskapitän" * 5, "A" * 65, "e " * 100, "d e d e d e", "🦙" * 40, "語" * 150,
    "Pneumonoultramicroscopicsilicovolcanoconiosis", "qzxjkvwpqzxjkvwp", "aGVsbG8gd29ybGQhIQ==" * 12,
    "The quick brown fox jumps over the lazy dog.", "Hello, world!", "Once upon a time, there was a little girl named Lily.",
    "Hello  World", "I  have   spaces", "Mr. Smith's e-mail: 'x'", "THE END", "x", "é", "中", "😀", "\U000e0041\U000e007f tag",
    "\u0660\u0661 \u0e50 \ua620", "\u1e9e\u0130\u0131\u017f\u212a", "ΑΣ ΣΑΣ Σ", "\u3400\u9fff\U00020000 \uf900", "\u2581\u2581", "~\u0300 \u0300~",
]
texts = code + languages + emoji + marks + spaces + digits + look_alikes + quirks
Path(__file__).with_name("texts.json").write_text(json.dumps(texts, indent=0) + "\n")
