"""The program of the download Job; only huggingface_hub stands beside the standard library."""
