"""What the ports of the published systems share: text, language model, weights, decoding."""
