"""A fixed vocabulary as one-hot embeddings: the toy world's text encoder."""

from collections.abc import Sequence

import torch

from reward_forcing.shapes import Prompts


class ToyWords:
    """Every word is one token, one-hot over the vocabulary, scaled to unit mean square; missing words are zero.

    Args:
        vocabulary: all known words.
        tokens: longest prompt, in words.
    """

    def __init__(self, vocabulary: Sequence[str], tokens: int = 4) -> None:
        self.tokens = tokens
        self.index = {word: place for place, word in enumerate(vocabulary)}

    @property
    def features(self) -> int:
        """Length of one token's embedding."""
        return len(self.index)

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """Embeddings [prompt, token, feature].

        Raises:
            ValueError: a word is not in the vocabulary, or a prompt has too many words.
        """
        embedded = torch.zeros(len(prompts), self.tokens, self.features)
        for row, prompt in enumerate(prompts):
            for column, word in enumerate(self._words(prompt)):
                embedded[row, column, self.index[word]] = self.features**0.5
        return embedded

    def prepare(self, prompts: Sequence[str]) -> None:
        """Raise the ValueError that encoding would."""
        for prompt in prompts:
            self._words(prompt)

    def _words(self, prompt: str) -> list[str]:
        words = prompt.split()
        if len(words) > self.tokens:
            raise ValueError(f"toy prompt {prompt!r} has {len(words)} words; at most {self.tokens} are allowed")
        for word in words:
            if word not in self.index:
                raise ValueError(f"toy prompt {prompt!r}: unknown word {word!r}; allowed: {', '.join(self.index)}")
        return words
