"""Reads of the live cluster: what a preview should warn of, and why a rollout does not start.

Nothing here changes the cluster; resources are registered by `components` alone.
"""
