module github.com/holdfast-ws/holdfast/deribittest/interop

go 1.26.0

require github.com/holdfast-ws/holdfast v0.0.0

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // indirect
	golang.org/x/text v0.14.0 // indirect
)

replace github.com/holdfast-ws/holdfast => ../..
