//go:build explore

package explore

import "flag"

// exploreLong lets the models run that take minutes. The comments beside them
// say what they found.
//
//	go test -tags explore -timeout 2h ./internal/explore -explore.long
var exploreLong = flag.Bool("explore.long", false, "explore models that take minutes")
