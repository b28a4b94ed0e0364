"""Which rules does an article satisfy, and by which words: folding, patterns, one scan, the boolean part."""
