"""The retrieval-debug REPL: a question, its hits, and for each of them why it is there, or why it is not."""
