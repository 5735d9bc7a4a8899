package checks

import "context"

// None asks nothing: every real server is well.
func None(context.Context, Target) error { return nil }
