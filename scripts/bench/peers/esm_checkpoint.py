"""An ESM-2 of a real shape with random weights, as transformers saves it: `FOLDER LAYERS WIDTH`.

No trained weights are needed to measure speed; they take as long as random ones.
"""

import os
import sys

import torch
from transformers import EsmConfig, EsmForMaskedLM

TOKENS = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
SEED = 7


def main() -> None:
    folder, layers, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(SEED)
    config = EsmConfig(
        vocab_size=len(TOKENS),
        mask_token_id=TOKENS.index("<mask>"),
        pad_token_id=TOKENS.index("<pad>"),
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=4 * width,
        num_attention_heads=20,
        max_position_embeddings=1026,
        position_embedding_type="rotary",
        emb_layer_norm_before=False,
        token_dropout=True,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    EsmForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(TOKENS))


main()
