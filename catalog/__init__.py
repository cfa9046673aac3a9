"""Facts about models, GPUs and vLLM flags, as data."""
