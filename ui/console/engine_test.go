package console

import (
	"cartiger/engine"
	"cartiger/store"
)

// The console's small interfaces are what the engine and the state file are.
var (
	_ Engine = (*engine.Engine)(nil)
	_ State  = (*store.Store)(nil)
)
