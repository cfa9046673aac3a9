module mistral-vllm/tools/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/external-secrets/external-secrets v1.3.2
	sigs.k8s.io/gateway-api v1.5.1
)
