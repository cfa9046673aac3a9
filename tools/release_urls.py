"""Addresses of released files on GitHub."""


def github(repository: str, version: str, file: str) -> str:
    """A file of the release `v<version>` of `owner/name`."""
    return f"https://github.com/{repository}/releases/download/v{version}/{file}"


def github_digests(repository: str, version: str) -> str:
    """What the GitHub API says of a release, with the SHA-256 of each of its files.

    For releases that hold no checksums file of their own (or one of unknown name).
    Source: the field `digest` of a release asset, https://docs.github.com/en/rest/releases/assets.
    """
    return f"https://api.github.com/repos/{repository}/releases/tags/v{version}"
