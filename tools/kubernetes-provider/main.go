// Command pulumi-resource-kubernetes is the Pulumi resource provider for Kubernetes.
//
// The provider's own main embeds files that its release process generates and its module does not
// hold. This one embeds schema.json and terraform-mapping.json, which the module does hold and
// which are copied beside this file for the time of a build.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, terraformMapping)
}
