"""A real Kubernetes control plane as processes on loopback, with simulated GPU pools."""
