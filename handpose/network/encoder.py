"""The transformer encoder that compares a hand's tokens.

Pre-norm layers as torch's own (Vaswani et al., Attention Is All You Need, 2017), parameters named alike. Written out
because torch's become twice as many operators in ONNX Runtime, most of the others for shapes.
"""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, the customary name


class Attention(nn.MultiheadAttention):
    """Self-attention between the tokens (B, N, width) of each hand."""

    def forward(self, tokens: Tensor) -> Tensor:
        count, width = tokens.shape[1:]
        parts = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        parts = parts.reshape(-1, count, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)  # (B, heads, N, head_dim)
        share = (query * self.head_dim**-0.5 @ key.transpose(2, 3)).softmax(3)
        return self.out_proj((share @ value).transpose(1, 2).reshape(-1, count, width))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.self_attn = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.linear1, self.linear2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.self_attn(self.norm1(tokens))
        return tokens + self.linear2(F.gelu(self.linear1(self.norm2(tokens))))


class Encoder(nn.Module):
    def __init__(self, width: int, heads: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens
