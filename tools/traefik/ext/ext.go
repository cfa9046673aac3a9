// Package ext holds the types by which editions of Traefik extend its dynamic configuration; the open one adds nothing.
package ext

// HTTP extends the HTTP part of the configuration.
type HTTP struct{}

// Router extends a router.
type Router struct{}
