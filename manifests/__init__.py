"""Pure builders of the Kubernetes objects that a plan stands for; components register them."""
