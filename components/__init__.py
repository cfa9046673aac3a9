"""Pulumi components: each turns its part of a plan into resources, and decides nothing."""

from components.cluster_provider import cluster_provider
from components.vllm_app import VllmApp, VllmAppArgs

__all__ = ["VllmApp", "VllmAppArgs", "cluster_provider"]
